"""What people can do with a workspace's webhook endpoints; every act is audited.

A secret is returned by `create` and `rotate` and never again. Whatever changes an endpoint raises
its `version`, which is what its ETag is made of.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from accounts.audit import record
from accounts.models import User, Workspace
from engine.credentials import decrypt, encrypt
from engine.ids import uuid7
from engine.states import IllegalTransition
from notifications.callbacks import problem_of
from notifications.endpoint_events import TEST, TYPES
from notifications.ladder import attempts_of
from notifications.models import Channel, Delivery, DeliveryState, Report, WebhookEndpoint
from notifications.outbox import OutboxEvent, write
from notifications.signing import new_secret

MOST = 50  # endpoints of one workspace: each event is written for all of them
OVERLAP = timedelta(hours=24)  # how long the secret before signs as well
REPLAY_MOST = 10_000
State = WebhookEndpoint.State


class BadEndpoint(ValueError):
    """What was asked for cannot be; `field` says where, the message why and what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def create(
    workspace: Workspace,
    *,
    url: str,
    actor: str,
    description: str = "",
    events: Sequence[str] = (),
    created_by: User | None = None,
    reason: str = "",
) -> tuple[WebhookEndpoint, str]:
    """Make an endpoint and return it with its secret, shown once; raises BadEndpoint."""
    _check(url, events)
    secret = new_secret()
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)  # one at a time
        if WebhookEndpoint.objects.filter(workspace=workspace).count() >= MOST:
            raise BadEndpoint("", f"A workspace has at most {MOST} endpoints: delete one first.")
        endpoint = WebhookEndpoint.objects.create(
            workspace=workspace,
            url=url,
            description=description,
            events=sorted(set(events)),
            secret=encrypt({"secrets": [secret]}),
            created_by=created_by,
        )
        _audit(endpoint, "created", actor, reason, url=url, events=endpoint.events)
    return endpoint, secret


def change(
    pk: uuid.UUID, changes: Mapping[str, Any], *, actor: str, reason: str = ""
) -> WebhookEndpoint:
    """Change url, description or events (those in `changes`); raises BadEndpoint.

    Deliveries that wait go to the new address.
    """
    _check(changes.get("url"), changes.get("events", ()))
    with transaction.atomic():
        endpoint = _locked(pk)
        fields = {**changes}
        if "events" in fields:
            fields["events"] = sorted(set(fields["events"]))
        for name, value in fields.items():
            setattr(endpoint, name, value)
        _save(endpoint, *fields)
        _audit(endpoint, "changed", actor, reason, **fields)
    return endpoint


def rotate(pk: uuid.UUID, *, actor: str, reason: str = "") -> tuple[WebhookEndpoint, str]:
    """Give an endpoint a new secret and return it, shown once; the one before signs on for a day.

    One before that ends now.
    """
    secret = new_secret()
    with transaction.atomic():
        endpoint = _locked(pk)
        current = decrypt(bytes(endpoint.secret))["secrets"][:1]
        endpoint.secret = encrypt({"secrets": [secret, *current]})
        endpoint.previous_until = timezone.now() + OVERLAP
        _save(endpoint, "secret", "previous_until")
        _audit(endpoint, "rotated", actor, reason)
    return endpoint, secret


def disable(pk: uuid.UUID, *, actor: str, reason: str = "") -> WebhookEndpoint:
    """Tell an endpoint nothing until it is enabled; raises IllegalTransition if it is disabled."""
    with transaction.atomic():
        endpoint = _locked(pk)
        if endpoint.state == State.DISABLED:
            raise IllegalTransition("It is disabled already.")
        endpoint.state, endpoint.disabled_at = State.DISABLED, timezone.now()
        endpoint.disabled_reason = f"By {actor}." if not reason else f"By {actor}: {reason}"[:500]
        _save(endpoint, "state", "disabled_at", "disabled_reason")
        _audit(endpoint, "disabled", actor, reason)
    return endpoint


def enable(pk: uuid.UUID, *, actor: str, reason: str = "") -> WebhookEndpoint:
    """Tell an endpoint again of what happens from now on; raises IllegalTransition if enabled."""
    with transaction.atomic():
        endpoint = _locked(pk)
        if endpoint.state == State.ENABLED:
            raise IllegalTransition("It is enabled already.")
        endpoint.state, endpoint.disabled_at, endpoint.disabled_reason = State.ENABLED, None, ""
        endpoint.failing_since = None
        _save(endpoint, "state", "disabled_at", "disabled_reason", "failing_since")
        _audit(endpoint, "enabled", actor, reason)
    return endpoint


def delete(pk: uuid.UUID, *, actor: str, reason: str = "") -> None:
    """Forget an endpoint and its secrets; what waits for it is skipped when its moment comes."""
    with transaction.atomic():
        endpoint = _locked(pk)
        _audit(endpoint, "deleted", actor, reason, url=endpoint.url)
        endpoint.delete()


def send_test(pk: uuid.UUID, *, actor: str, reason: str = "") -> Delivery:
    """Tell an endpoint a webhook.test at once; raises IllegalTransition while it is disabled."""
    with transaction.atomic():
        endpoint = _locked(pk)
        if endpoint.state == State.DISABLED:
            raise IllegalTransition("It is disabled: enable it first.")
        event = OutboxEvent(
            event=TEST,
            workspace_id=endpoint.workspace_id,
            context={"data": {"endpoint_id": str(endpoint.pk), "message": "This is a test."}},
            dedupe_key=f"{TEST}:{endpoint.pk}:{uuid7()}",
            deliveries=((Channel.ENDPOINT.value, str(endpoint.pk)),),
        )
        write([event])
        _audit(endpoint, "tested", actor, reason)
    return Delivery.objects.select_related("notification").get(notification_id=event.id)


def deliveries_of(endpoint: WebhookEndpoint) -> QuerySet[Delivery]:
    """Return an endpoint's deliveries with their events."""
    return Delivery.objects.filter(
        channel=Channel.ENDPOINT, target=str(endpoint.pk)
    ).select_related("notification")


def replay_failed(
    endpoint: WebhookEndpoint, *, since: datetime, actor: str, reason: str = ""
) -> int:
    """Make due again what failed or was skipped since an instant; returns how many.

    The oldest REPLAY_MOST (10,000) at once; each keeps its webhook-id. Raises IllegalTransition
    while the endpoint is disabled.
    """
    if endpoint.state == State.DISABLED:
        raise IllegalTransition("It is disabled: enable it first.")
    lost = (DeliveryState.FAILED, DeliveryState.SKIPPED)
    for state in lost:
        Delivery.graph.check(state, DeliveryState.PENDING)
    with transaction.atomic():
        chosen = list(
            deliveries_of(endpoint)
            .filter(state__in=lost, created_at__gte=since)
            .order_by("pk")
            .select_for_update(of=("self",), skip_locked=True)
            .values_list("pk", flat=True)[:REPLAY_MOST]
        )
        count = Delivery.objects.filter(pk__in=chosen).update(
            state=DeliveryState.PENDING,
            due_at=timezone.now(),
            max_attempts=F("attempts") + attempts_of(Channel.ENDPOINT),
            fencing_token=F("fencing_token") + 1,
            error_category="",
            error_text="",
            provider_id="",
            report=Report.NONE,
            delivered_at=None,
            sent_at=None,
        )
        _audit(endpoint, "replayed", actor, reason, since=since.isoformat(), deliveries=count)
    return count


def _check(url: str | None, events: Sequence[str]) -> None:
    if url is not None and (problem := problem_of(url)):
        raise BadEndpoint("url", f"Events cannot be sent there: {problem}.")
    if unknown := sorted(set(events) - set(TYPES)):
        raise BadEndpoint(
            "events", f"There is no event {', '.join(unknown)}; there are {', '.join(TYPES)}."
        )


def _locked(pk: uuid.UUID) -> WebhookEndpoint:
    rows = WebhookEndpoint.objects.select_for_update(of=("self",))
    return rows.select_related("workspace", "created_by").get(pk=pk)


def _save(endpoint: WebhookEndpoint, *fields: str) -> None:
    endpoint.version += 1
    endpoint.save(update_fields=[*fields, "version"])


def _audit(endpoint: WebhookEndpoint, act: str, actor: str, reason: str, **detail: Any) -> None:
    record(
        workspace=endpoint.workspace,
        actor=actor,
        action=f"webhook_endpoint.{act}",
        target=f"webhook_endpoint:{endpoint.pk}",
        reason=reason,
        detail=detail,
    )
