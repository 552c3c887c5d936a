"""What each role of staff may do in the console, as data; Django's groups are made equal to it.

`sync` runs after every migrate: a group of ours that was changed by hand is put right again.
Superusers may do everything and need no group. These are not the roles of a workspace's members.
"""

from __future__ import annotations

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import transaction

from engine import rights

PREFIX = "Carillon "
APPS = ("accounts", "engine", "notifications", "platforms", "media", "scheduling")  # looked at

OPERATOR = frozenset(
    {
        rights.REQUEUE,
        rights.CANCEL,
        rights.PUBLISH_NOW,
        rights.RESCHEDULE,
        rights.APPROVE,
        rights.RECONCILE,
        rights.RESOLVE,
        rights.CHANGE_SERIES,
        rights.PAUSE_CONNECTION,
        rights.CLEAR_LIMIT,
        rights.RESEND,
        "notifications.change_webhookendpoint",  # enable, disable, test
    }
)
ADMIN = OPERATOR | {
    rights.PAUSE_EVERYTHING,
    rights.PAUSE_PLATFORM,
    rights.PAUSE_WORKSPACE,
    rights.DRAIN,
    rights.REVOKE_KEY,
    "accounts.add_apikey",
    "accounts.add_workspace",
    "accounts.change_workspace",
    "accounts.add_membership",
    "accounts.change_membership",
    "accounts.delete_membership",
}
# Role: what it may do beyond looking at everything, which all of them may.
ROLES: dict[str, frozenset[str]] = {"viewer": frozenset(), "operator": OPERATOR, "admin": ADMIN}


def group_name(role: str) -> str:
    """Return the name of a role's group."""
    return f"{PREFIX}{role}"


def sync() -> None:
    """Make the groups equal to ROLES (a few queries; nothing is written when they are)."""
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.filter(
            content_type__app_label__in=APPS
        ).select_related("content_type")
    }
    look = {
        f"{model._meta.app_label}.view_{model._meta.model_name}"  # noqa: SLF001 - Django's documented API
        for app in APPS
        for model in apps.get_app_config(app).get_models()
    }
    with transaction.atomic():
        for role, acts in ROLES.items():
            group, _ = Group.objects.get_or_create(name=group_name(role))
            group.permissions.set([known[name] for name in sorted(look | acts)])
