"""Every page of the console: one saved row of each kind, and all addresses that lead to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db import models
from django.urls import reverse
from django.utils import timezone

from accounts import members
from accounts import services as accounts
from accounts.models import ApiKey, AuditEvent, Invitation, Role, User, Workspace
from engine.admin_actions import ConfirmedActionsAdmin
from engine.models import Installation, Pause, RateLimitState, WorkerSlot
from media.models import Asset
from notifications import targets
from notifications.models import (
    ChannelFault,
    Delivery,
    Device,
    Notification,
    Suppression,
)
from platforms.models import SocialConnection
from scheduling import bulk_jobs
from scheduling.models import BulkJob, PostGroup, PostSeries, PublishAttempt, ScheduledPost
from scheduling.queue_slots import services as queue_slots
from scheduling.queue_slots.models import PostQueue
from tests.factories import make_post
from tests.scheduling.series_stage import ADA, start

Rows = dict[type[models.Model], Any]
SUPERUSERS_ONLY = "/django_q/"  # its models are no role's: they show dotted paths and tracebacks


def one_of_each(connection: SocialConnection, user: User) -> Rows:
    """Save one row for every kind of page."""
    now, workspace = timezone.now(), connection.workspace
    notification = Notification.objects.create(event="post.failed", dedupe_key="one")
    post = make_post(connection, group=PostGroup.objects.create(workspace=workspace))
    Pause.objects.create(scope=Pause.Scope.WORKSPACE, key=str(workspace.pk), by="user:ada")
    queue_slots.set_slots(connection, slots=[("MO", "09:00")], time_zone="UTC", actor=ADA)
    return {
        ScheduledPost: post,
        PublishAttempt: PublishAttempt.objects.create(
            post=post, number=1, fencing_token=1, started_at=now, excerpt="<script>"
        ),
        PostSeries: start(connection, name="tips"),
        PostQueue: PostQueue.objects.get(pk=connection.pk),
        BulkJob: bulk_jobs.propose(
            ScheduledPost.objects.filter(pk=post.pk), action="cancel", actor=ADA, filter={"q": "x"}
        ),
        SocialConnection: connection,
        Workspace: workspace,
        User: user,
        ApiKey: accounts.issue_api_key(workspace=workspace, name="robot", actor="test")[0],
        Invitation: members.invite(
            workspace, role=Role.EDITOR, actor=ADA, own_role=Role.OWNER, email="bob@x.example"
        )[0],
        AuditEvent: AuditEvent.objects.create(actor="test", action="a.b", target="c:1"),
        WorkerSlot: WorkerSlot.objects.create(
            kind="publish", host="h", pid=1, started_at=now, heartbeat_at=now + timedelta(hours=1)
        ),
        RateLimitState: RateLimitState.objects.create(scope="connection", key=str(connection.pk)),
        Installation: Installation.objects.get_or_create(pk=1)[0],
        Asset: Asset.objects.create(workspace=workspace, source_url="https://x.example/1.png"),
        Notification: notification,
        Delivery: Delivery.objects.create(
            notification=notification, channel="email", target="ada@x.example"
        ),
        Device: targets.register_device(user=user, token="a-registration-token", platform="web"),
        Suppression: Suppression.objects.create(
            channel="email", target_hash="0" * 64, hint="a***@x.example", reason="bounced"
        ),
        ChannelFault: ChannelFault.objects.create(
            channel="sms", reason="unknown key", last_refused_at=now
        ),
    }


def pages(rows: Rows) -> list[str]:
    """Return every list, object and history page that whoever looks at everything may open."""
    found = ["/admin/", "/admin/operations/", "/admin/password_change/"]
    for model in admin.site._registry:
        place = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found.append(reverse(f"{place}_changelist"))
        if model in rows:
            found.append(reverse(f"{place}_change", args=[rows[model].pk]))
            found.append(reverse(f"{place}_history", args=[rows[model].pk]))
    return found


def questions(rows: Rows) -> list[str]:
    """Return every page that asks before something is done, for those who may do everything."""
    found = [
        f"{reverse(f'admin:{on.opts.app_label}_{on.opts.model_name}_act', args=[action.name])}"
        f"?ids={rows[on.model].pk}"
        for on in admin.site._registry.values()
        if isinstance(on, ConfirmedActionsAdmin)
        for action in on.confirmed_actions
    ]
    switch = reverse("admin:engine_pause_switch", args=["stop"])
    for scope, key in (("platform", "x"), ("workspace", rows[Workspace].slug), ("host", "*")):
        found.append(f"{switch}?{urlencode({'scope': scope, 'key': key})}")
    found.append(
        f"{reverse('admin:scheduling_scheduledpost_bulk')}?account={rows[ScheduledPost].connection_id}"
    )
    return [
        *found,
        *(
            reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
            for model in (ScheduledPost, ApiKey, Workspace, User)
        ),
    ]
