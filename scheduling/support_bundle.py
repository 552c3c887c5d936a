"""Everything a developer needs to understand one post, as one JSON file that may be mailed.

No secret is in it, and of texts only their lengths unless whoever makes it wants them told. Each
is noted in the audit log.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection as database
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model
from django.utils import timezone

from accounts.audit import record
from engine.models import Installation, WorkerSlot
from engine.redaction import redact
from engine.versions import versions
from notifications.models import Channel, Delivery
from platforms.health import health_of
from platforms.limits import limits_of
from platforms.models import SocialConnection
from scheduling.blotting import Blot, lengths, secrets_of, secrets_of_settings, strings
from scheduling.flight_recorder import Recording, flight_recorder
from scheduling.models import ScheduledPost
from scheduling.reasons import explain_now
from scheduling.sealing import SEALED, shown, unseal

TEXTS = ("segments", "first_comment", "options", "caller_data")  # what people wrote
OUTSIDE = ("id", "post")  # columns that the place of a row in the bundle already tells
MOST_SLOTS = 50
_PIECES = re.compile(r"[/?&=;,]")
SETTINGS = (
    "DEBUG",
    "USES_SQLITE",
    "PUBLISHER_SLOTS",
    "PUBLISHER_CONCURRENCY",
    "NOTIFIER_SLOTS",
    "NOTIFIER_CONCURRENCY",
    "WORKER_CONCURRENCY",
    "LOOK_AHEAD",
    "STUCK_THRESHOLD",
    "CLAIM_AHEAD",
    "CALL_DEADLINE",
    "PUBLISH_LEASE",
    "LEASE_MARGIN",
    "RECONCILE_GRACE",
    "OUTCOME_REMINDER",
    "SLOT_RUN",
    "SLOT_TIME_TO_LIVE",
    "FLUSH_INTERVAL",
    "SHUTDOWN_GRACE",
    "PUBLISHER_MAX_ATTEMPTS",
    "RETRY_BASE_DELAY",
    "RETRY_MAX_DELAY",
    "GATE_POLICY",
    "PREFLIGHT_AHEAD",
    "LATE_LIMIT",
    "RESTORED_AFTER",
    "CALLBACK_DEADLINE",
    "Q_QUEUE_NAME",
)


def support_bundle(post_id: uuid.UUID, *, actor: str, with_text: bool = False) -> dict[str, Any]:
    """Return the bundle of one post and note who made it; raises ScheduledPost.DoesNotExist."""
    post = ScheduledPost.objects.select_related("connection", "workspace", "created_by").get(
        pk=post_id
    )
    bundle = _collected(post, with_text=with_text)
    record(
        workspace=post.workspace,
        actor=actor,
        action="post.bundle_made",
        target=f"post:{post.pk}",
        detail={"with_text": with_text},
    )
    return bundle


def _collected(post: ScheduledPost, *, with_text: bool) -> dict[str, Any]:
    now = timezone.now()
    recording = flight_recorder(post)
    limits = limits_of(post.connection)
    secrets = secrets_of(post.connection) | secrets_of_settings()
    secrets |= _private_addresses(post, recording) | strings(unseal(post.progress).get(SEALED))
    told = Blot(secrets, () if with_text else _texts_of(post))
    said = explain_now(post, recording.last_attempt, limits, now=now)
    bundle: dict[str, Any] = told(
        {
            "made_at": now.isoformat(),
            "with_text": with_text,
            "explanation": {"now": said.headline, "next": said.next_step},
            "post": _post(post, with_text=with_text),
            "media": _media(post, with_text=with_text),
            "attempts": _rows(recording.attempts),
            "transitions": _rows(recording.moves),
            "events": [
                {"at": e.at.isoformat(), "actor": e.actor, "action": e.action, "reason": e.reason}
                for e in reversed(recording.events)
            ],
            "deliveries": [_delivery(one) for one in reversed(recording.deliveries)],
            "connection": _connection(post.connection, now),
            "limits": _rows(limits),
            "installation": _rows(Installation.objects.all()),
            "slots": _rows(WorkerSlot.objects.filter(stopped_at=None).order_by("-pk")[:MOST_SLOTS]),
            "versions": versions(),
            "migrations": _migrations(),
            "settings": {name: _portable(getattr(settings, name)) for name in SETTINGS},
        }
    )
    # Some networks' public addresses are all query: this one is for everybody to read.
    bundle["post"]["permalink"] = redact(post.permalink, secrets)
    return bundle


# --- parts --------------------------------------------------------------------------------------
def _post(post: ScheduledPost, *, with_text: bool) -> dict[str, Any]:
    columns = _columns(post)
    columns["workspace"] = {"id": str(post.workspace_id), "time_zone": post.workspace.time_zone}
    columns["progress"] = shown(post.progress)
    columns["callback_url"] = _host(post.callback_url)
    if not with_text:
        columns |= {name: lengths(columns[name]) for name in TEXTS}
    return columns


def _media(post: ScheduledPost, *, with_text: bool) -> list[dict[str, Any]]:
    found = []
    for row in post.post_media.select_related("asset"):
        asset = _columns(row.asset)
        asset["source_url"] = _host(row.asset.source_url)
        asset["file"] = PurePath(row.asset.file.name or "").suffix
        texts = {"alt_text": row.alt_text, "asset_alt_text": asset.pop("alt_text")}
        place = {"segment": row.segment, "position": row.position}
        found.append({**place, **(texts if with_text else lengths(texts)), "asset": asset})
    return found


def _delivery(delivery: Delivery) -> dict[str, Any]:
    columns = _columns(delivery)
    columns["event"] = delivery.notification.event
    is_mail = delivery.channel == Channel.EMAIL
    columns["target"] = (
        f"…@{delivery.target.rpartition('@')[2]}" if is_mail else _host(delivery.target)
    )
    return columns


def _connection(connection: SocialConnection, now: datetime) -> dict[str, Any]:
    columns = _columns(connection)
    del columns["secret"]
    columns["avatar_url"] = _host(connection.avatar_url)
    health = health_of(connection, now=now)
    columns["health"] = {"word": health.word, "sentences": list(health.sentences)}
    return columns


def _migrations() -> dict[str, str]:
    """Return the latest applied migration of each app."""
    return dict(sorted(MigrationRecorder(database).applied_migrations()))  # the last name stays


# --- small parts ----------------------------------------------------------------------------------
def _rows(rows: Iterable[Model]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in _columns(row).items() if name not in OUTSIDE}
        for row in rows
    ]


def _columns(row: Model) -> dict[str, Any]:
    fields = row._meta.concrete_fields  # noqa: SLF001 - Django's documented API
    return {f.name: _portable(getattr(row, f.attname)) for f in fields}


def _portable(value: Any) -> Any:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _portable(inner) for name, inner in asdict(value).items()}
    if isinstance(value, (bytes, memoryview)):
        return f"({len(bytes(value))} bytes)"
    if value is None or isinstance(value, (bool, int, float, str, Mapping, list, tuple)):
        return value
    return str(value)


def _host(address: str) -> str:
    """Return where an address leads, without its path: that may be all it takes to use it."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "(no address)"
    return f"{parts.scheme}://{parts.hostname}/…" if parts.hostname else ""


def _private_addresses(post: ScheduledPost, recording: Recording) -> set[str]:
    """Return mail addresses, and what makes callbacks' and files' addresses more than a host.

    Errors may quote them, whole or in part.
    """
    addresses = [post.callback_url, *(one.target for one in recording.deliveries)]
    addresses += [row.asset.source_url for row in post.post_media.select_related("asset")]
    found: set[str] = set()
    for address in addresses:
        _, slashes, rest = address.partition("//")
        path = rest.partition("/")[2]
        found |= {path, path.partition("?")[0]} if slashes else {address}
        found |= {piece for piece in _PIECES.split(path) if any(map(str.isdigit, piece))}
    return found


def _texts_of(post: ScheduledPost) -> list[str]:
    texts = [str(segment.get("text", "")) for segment in post.segments]
    texts += [post.first_comment, *strings(post.options), *strings(post.caller_data)]
    for row in post.post_media.select_related("asset"):
        texts += [row.alt_text, row.asset.alt_text]
    return [text for text in texts if text]
