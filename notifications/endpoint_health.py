"""What deliveries teach of their endpoints: how they are, and when one is given up.

1. A success ends `failing_since`; a failure begins it, unless it has begun.
2. One that wants no more (410) is disabled at once; one whose attempts have all failed for
   GIVE_UP_AFTER (5 days, longer than one delivery is tried) at its next failure.
3. Its workspace's owners are told once, by e-mail. What it missed can be replayed.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.audit import record
from accounts.models import Role, User
from engine.errors import ServiceError
from notifications.models import Channel, WebhookEndpoint
from notifications.outbox import OutboxEvent, write

log = logging.getLogger("carillon.notifier")

EVENT = "webhook.disabled"
GONE = 410
GIVE_UP_AFTER = timedelta(days=5)
SUCCESS_PRECISION = timedelta(minutes=1)  # one write a minute and endpoint, however busy it is
WANTS_NO_MORE = "It answered 410: it wants no more events."
State = WebhookEndpoint.State


def learn(results: Sequence[tuple[str, bool, ServiceError | None]]) -> None:
    """Note results of (endpoint's id, whether it took the event, else what it answered).

    Two statements at most while all is well; repeating is harmless.
    """
    if not results:
        return
    well = {target for target, was_taken, _ in results if was_taken}
    failures = {
        target: error
        for target, was_taken, error in results
        if error is not None and not was_taken and target not in well
    }
    _note_success(well)
    if failures:
        _note_failures(failures)


def _note_success(targets: Collection[str]) -> None:
    now = timezone.now()
    stale = Q(failing_since__isnull=False) | Q(last_success_at__isnull=True)
    stale |= Q(last_success_at__lt=now - SUCCESS_PRECISION)
    if targets:
        WebhookEndpoint.objects.filter(stale, pk__in=sorted(targets)).update(
            last_success_at=now, failing_since=None
        )


def _note_failures(failures: dict[str, ServiceError]) -> None:
    now = timezone.now()
    for target, error in sorted(failures.items()):  # in order: two slots wait, never deadlock
        WebhookEndpoint.objects.filter(pk=target).update(
            last_failure_at=now,
            last_failure=error.detail[:500],
            failing_since=Coalesce(F("failing_since"), now),
        )
    gone = {target for target, error in failures.items() if error.http_status == GONE}
    for pk in sorted(gone):
        disable_for(uuid.UUID(pk), WANTS_NO_MORE)
    over = WebhookEndpoint.objects.filter(
        pk__in=sorted(failures), state=State.ENABLED, failing_since__lte=now - GIVE_UP_AFTER
    )
    for endpoint in over:
        days = (now - (endpoint.failing_since or now)).days
        last = endpoint.last_failure
        disable_for(endpoint.pk, f"All attempts have failed for {days} days. The last: {last}")


def disable_for(pk: uuid.UUID, reason: str) -> None:
    """Disable an endpoint that is given up and tell its owners; harmless if it is disabled."""
    with transaction.atomic():
        endpoint = (
            WebhookEndpoint.objects.select_for_update(of=("self",))
            .select_related("workspace")
            .filter(pk=pk, state=State.ENABLED)
            .first()
        )
        if endpoint is None:
            return
        endpoint.state, endpoint.disabled_at = State.DISABLED, timezone.now()
        endpoint.disabled_reason = reason[:500]
        endpoint.version += 1
        endpoint.save(update_fields=["state", "disabled_at", "disabled_reason", "version"])
        record(
            workspace=endpoint.workspace,
            actor="system",
            action="webhook_endpoint.disabled",
            target=f"webhook_endpoint:{endpoint.pk}",
            reason=endpoint.disabled_reason,
        )
        _tell_owners(endpoint)
    log.warning("endpoint.disabled", extra={"endpoint_id": str(pk)})


def _tell_owners(endpoint: WebhookEndpoint) -> None:
    owners = User.objects.filter(
        memberships__workspace=endpoint.workspace_id,
        memberships__role=Role.OWNER,
        is_active=True,
    ).exclude(email="")
    write(
        [
            OutboxEvent(
                event=EVENT,
                workspace_id=endpoint.workspace_id,
                user_id=owner.pk,
                context={
                    "mail": {
                        "endpoint": str(endpoint),
                        "url": endpoint.url.partition("?")[0],
                        "workspace": endpoint.workspace.name,
                        "reason": endpoint.disabled_reason,
                        "path": f"/admin/notifications/webhookendpoint/{endpoint.pk}/change/",
                    }
                },
                dedupe_key=f"{EVENT}:{endpoint.pk}:{endpoint.version}:{owner.pk}",
                deliveries=((Channel.EMAIL.value, owner.email),),
            )
            for owner in owners
        ]
    )
