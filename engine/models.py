"""The engine's own rows: who is working, what the networks allow, which installation this is."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from engine.rights import RIGHTS


class WorkerSlot(models.Model):
    """One running publisher or notifier loop; fresh while its heartbeat is young enough.

    Rows claimed by a slot that has gone silent may be taken over by any other slot.
    """

    kind = models.CharField(max_length=16)  # "publish" or "notify"
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    retiring = models.BooleanField(default=False)  # still working, but wants a successor
    stopped_at = models.DateTimeField(null=True, blank=True)
    in_flight = models.PositiveIntegerField(default=0)
    claimed = models.PositiveIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["kind", "heartbeat_at"], name="slot_fresh")]

    def __str__(self) -> str:
        return f"{self.kind} slot {self.pk} on {self.host}:{self.pid}"


class RateLimitState(models.Model):
    """What one bucket of one scope still allows; the gate's memory, shared by all processes.

    `scope` says whose allowance it is, `key` which one (platform slug, connection id or host).
    Windows expire on read: a `resets_at` in the past means nothing is known.
    """

    class Scope(models.TextChoices):
        APP = "app", "application"
        CONNECTION = "connection", "connection"
        HOST = "host", "host"

    class Breaker(models.TextChoices):
        CLOSED = "closed", "closed"
        OPEN = "open", "open"
        HALF_OPEN = "half_open", "half-open"

    scope = models.CharField(max_length=16, choices=Scope.choices)
    key = models.CharField(max_length=255)
    bucket = models.CharField(max_length=64, default="publish")
    platform = models.CharField(max_length=32, blank=True, default="")
    limit = models.IntegerField(null=True, blank=True)
    remaining = models.IntegerField(null=True, blank=True)
    resets_at = models.DateTimeField(null=True, blank=True)
    blocked_until = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=255, blank=True, default="")
    spacing_ms = models.PositiveIntegerField(default=0)  # kept between the starts of two calls
    next_call_at = models.DateTimeField(null=True, blank=True)  # not earlier, because of spacing
    consecutive_429 = models.PositiveIntegerField(default=0)
    breaker = models.CharField(max_length=16, choices=Breaker.choices, default=Breaker.CLOSED)
    open_until = models.DateTimeField(null=True, blank=True)
    probe_lease_until = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(db_default=Now())  # the database's clock, see the gate

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["scope", "key", "bucket"], name="one_state_per_bucket")
        ]
        indexes: ClassVar = [
            # every slot asks each second what the others wrote ...
            models.Index(fields=["updated_at"], name="limit_changed"),
            models.Index(  # ... and ten times a second what they were refused
                fields=["updated_at"],
                condition=models.Q(blocked_until__isnull=False) | ~models.Q(breaker="closed"),
                name="limit_refusals",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.key} {self.bucket}"


class Installation(models.Model):
    """A single row that names this installation, so that a restored copy of it starts paused.

    `paused` stops all sending; staff resume it. `heartbeat_at` is stamped by running slots.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    installation_id = models.CharField(max_length=255, blank=True, default="")
    paused = models.BooleanField(default=False)
    pause_reason = models.CharField(max_length=255, blank=True, default="")
    paused_by = models.CharField(max_length=255, blank=True, default="")  # as in the audit log
    paused_since = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    canary_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=1), name="only_one_installation")
        ]
        permissions: ClassVar = RIGHTS

    def __str__(self) -> str:
        return self.installation_id or "this installation"


class Pause(models.Model):
    """One thing that staff have stopped for now: while the row is there, it holds.

    `key` is a platform's slug, a workspace's id, or a worker host (ALL_HOSTS: every one). A host
    that is stopped drains: it takes nothing on and finishes what it has begun.
    """

    class Scope(models.TextChoices):
        PLATFORM = "platform", "platform"
        WORKSPACE = "workspace", "workspace"
        HOST = "host", "host"

    ALL_HOSTS = "*"

    scope = models.CharField(max_length=16, choices=Scope.choices)
    key = models.CharField(max_length=255)
    reason = models.CharField(max_length=255, blank=True, default="")
    by = models.CharField(max_length=255)  # as in the audit log: "user:ada"
    since = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["scope", "key"], name="paused_once")
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"
