"""Worker slots: leased places in which one publisher or notifier loop runs.

A slot is fresh while its heartbeat is younger than the time to live. Slots are not exclusive (row
claims are), so one slot too many for a moment does no harm, and one too few is started at once.
"""

from __future__ import annotations

import os
import socket

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models.functions import Now
from django.utils import timezone

from engine import sql
from engine.models import WorkerSlot

CLUSTER = "cluster"  # the kind under which each running `qcluster` command is listed


def worker_name() -> str:
    """Return who we are in attempts and logs: host:pid."""
    return f"{socket.gethostname()}:{os.getpid()}"


def fresh(kind: str) -> models.QuerySet[WorkerSlot]:
    """Return the slots of `kind` whose heartbeat is recent, on the database's clock."""
    return all_fresh().filter(kind=kind)


def all_fresh() -> models.QuerySet[WorkerSlot]:
    """Return the slots of all kinds whose heartbeat is recent."""
    alive_since = Now() - settings.SLOT_TIME_TO_LIVE
    return WorkerSlot.objects.filter(stopped_at=None, heartbeat_at__gt=alive_since)


def wanted(kind: str) -> int:
    """Return how many slots of `kind` all running clusters together should have."""
    each: dict[str, int] = {"publish": settings.PUBLISHER_SLOTS, "notify": settings.NOTIFIER_SLOTS}
    return each[kind] * max(1, fresh(CLUSTER).count())


def missing(kind: str) -> int:
    """Return how many slots of `kind` should be started now (retiring ones want a successor)."""
    return max(0, wanted(kind) - fresh(kind).filter(retiring=False).count())


def open_slot(kind: str) -> int | None:
    """Register this process as a new slot and return its id, or None when enough are running."""
    with transaction.atomic():
        if sql.is_postgresql():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtext('carillon.slots'))")
        if kind != CLUSTER and not missing(kind):
            return None
        slot = WorkerSlot.objects.create(
            kind=kind,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=timezone.now(),
            heartbeat_at=timezone.now(),
        )
        beat(slot.pk)  # the row's instants come from the database's clock
    return slot.pk


def beat(slot_id: int, *, in_flight: int = 0, claimed: int = 0, retiring: bool = False) -> None:
    """Stamp a heartbeat."""
    WorkerSlot.objects.filter(pk=slot_id).update(
        heartbeat_at=Now(), in_flight=in_flight, claimed=claimed, retiring=retiring
    )


def close_slot(slot_id: int) -> None:
    """Say that the slot has ended and holds nothing any more."""
    WorkerSlot.objects.filter(pk=slot_id).update(stopped_at=Now(), in_flight=0, claimed=0)


def has_successor(kind: str, slot_id: int) -> bool:
    """Say whether a younger slot of the same kind is running."""
    return fresh(kind).filter(pk__gt=slot_id, retiring=False).exists()
