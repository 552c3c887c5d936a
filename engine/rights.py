"""What staff may be allowed to do in the console: one right for each kind of act.

They are permissions of the installation ("engine.requeue_post"), for they hold in every workspace.
Which role has which stands in `accounts.staff_roles`.
"""

from __future__ import annotations

REQUEUE = "engine.requeue_post"
CANCEL = "engine.cancel_post"
PUBLISH_NOW = "engine.publish_post_now"
RESCHEDULE = "engine.reschedule_post"
APPROVE = "engine.approve_post"
RECONCILE = "engine.reconcile_post"
RESOLVE = "engine.resolve_outcome"
CHANGE_SERIES = "engine.change_series"
PAUSE_CONNECTION = "engine.pause_connection"
CLEAR_LIMIT = "engine.clear_limit"
RESEND = "engine.resend_delivery"
PAUSE_EVERYTHING = "engine.pause_everything"
PAUSE_PLATFORM = "engine.pause_platform"
PAUSE_WORKSPACE = "engine.pause_workspace"
DRAIN = "engine.drain_host"
REVOKE_KEY = "engine.revoke_api_key"

# (codename, name) as Django's permissions want them.
RIGHTS = (
    ("requeue_post", "Can requeue posts"),
    ("cancel_post", "Can cancel posts"),
    ("publish_post_now", "Can publish posts now"),
    ("reschedule_post", "Can reschedule posts"),
    ("approve_post", "Can approve posts and take approvals back"),
    ("reconcile_post", "Can ask networks about posts now"),
    ("resolve_outcome", "Can say whether posts in doubt are live"),
    ("change_series", "Can pause, resume and end series"),
    ("pause_connection", "Can pause and resume accounts"),
    ("clear_limit", "Can clear blocks and breakers"),
    ("resend_delivery", "Can send notifications again"),
    ("pause_everything", "Can pause and resume all sending"),
    ("pause_platform", "Can pause and resume platforms"),
    ("pause_workspace", "Can pause and resume workspaces"),
    ("drain_host", "Can drain worker hosts and start them again"),
    ("revoke_api_key", "Can revoke API keys"),
)
