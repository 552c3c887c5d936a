"""Which events a workspace's endpoints are told: looked up once per batch, in its transaction."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from notifications.models import Channel, WebhookEndpoint
from notifications.outbox import OutboxEvent

TEST = "webhook.test"  # sent on request alone, whatever an endpoint subscribes to
TYPES = (
    "post.scheduled",
    "post.published",
    "post.failed",
    "post.cancelled",
    "post.outcome_unknown",
    "post.approval_requested",
    "post.approval_decided",
    "post.blocked",
    "post.held",
)
KEY_PREFIX = "endpoints:"


@dataclass(frozen=True, slots=True)
class Happening:
    """One event for programs; `data` (JSON) is what they read, `dedupe_key` names it for good."""

    event: str
    workspace_id: uuid.UUID
    data: Mapping[str, Any]
    dedupe_key: str


def addressed(
    happenings: Iterable[Happening], workspaces: Collection[uuid.UUID]
) -> list[OutboxEvent]:
    """Return the events that endpoints subscribe to, for `outbox.write`: one query, none for none.

    `happenings` are those of `workspaces`, and are not even asked for while nobody listens there.
    An event of their own, beside what people and a post's own address are told: each of the
    endpoints knows it by the same `webhook-id`.
    """
    endpoints = _enabled(workspaces) if workspaces else {}
    if not endpoints:
        return []
    events = []
    for one in happenings:
        targets = tuple(
            (Channel.ENDPOINT.value, str(pk))
            for pk, types in endpoints.get(one.workspace_id, ())
            if not types or one.event in types
        )
        if targets:
            events.append(
                OutboxEvent(
                    event=one.event,
                    workspace_id=one.workspace_id,
                    context={"data": dict(one.data)},
                    dedupe_key=f"{KEY_PREFIX}{one.dedupe_key}",
                    deliveries=targets,
                )
            )
    return events


def _enabled(
    workspaces: Collection[uuid.UUID],
) -> Mapping[uuid.UUID, list[tuple[uuid.UUID, list[str]]]]:
    found: defaultdict[uuid.UUID, list[tuple[uuid.UUID, list[str]]]] = defaultdict(list)
    rows = WebhookEndpoint.objects.filter(
        workspace_id__in=workspaces, state=WebhookEndpoint.State.ENABLED
    )
    for pk, workspace_id, types in rows.values_list("pk", "workspace_id", "events"):
        found[workspace_id].append((pk, types))
    return found
