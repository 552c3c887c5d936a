"""Does it publish: slots, the queue's pulse, posts that wait too long, a paused installation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from engine import slots
from engine.models import Installation, Pause
from scheduling.diagnosis.findings import Finding, fail, ok, warn
from scheduling.models import ScheduledPost
from scheduling.pauses import not_paused, sentence
from scheduling.questions import OPEN
from scheduling.states import WAITING, PostState

START = "Start `python manage.py qcluster`."
CANARY_PATIENCE = timedelta(seconds=60)  # one is queued every 15 s
LATE = timedelta(seconds=60)


def check_slots() -> Iterator[Finding]:
    """Count the publisher and notifier loops that gave a sign of life within their time to live."""
    clusters = slots.fresh(slots.CLUSTER).count()
    for kind, does in (("publish", "No post goes out"), ("notify", "Nobody is notified")):
        running, wanted = slots.fresh(kind).count(), slots.wanted(kind)
        name = f"slots.{kind}"
        if running >= wanted:
            yield ok(name, f"{running} running.")
        elif running:
            yield warn(name, f"{running} of {wanted} running.", "Look at the log of qcluster.")
        elif wanted and clusters:
            yield fail(name, f"{does}: none is running.", "Look at the log of qcluster.")
        elif wanted:
            yield fail(name, f"{does}: qcluster is not running.", START)


def check_canary() -> Iterator[Finding]:
    """Look when the queue last ran the task that only proves that it runs tasks."""
    here = Installation.objects.filter(pk=1).annotate(age=_since("canary_at")).first()
    age: timedelta | None = here.age if here else None
    if age is not None and age <= CANARY_PATIENCE:
        yield ok("canary", f"The queue ran a task {age.total_seconds():.0f} s ago.")
    elif not slots.fresh(slots.CLUSTER).exists():
        yield warn("canary", "The queue runs no tasks.", START)
    else:
        since = "ever" if age is None else f"for {age.total_seconds():.0f} s"
        yield fail(
            "canary",
            f"qcluster is running, but no task was run {since}.",
            "Does another installation share this Redis and QUEUE_NAME? If not, restart qcluster.",
        )


def check_posts() -> Iterator[Finding]:
    """Look for posts that should have gone out, and for calls nobody has finished."""
    now = Now()
    late = not_paused(ScheduledPost.objects.filter(state__in=WAITING, due_at__lt=now - LATE))
    oldest = late.annotate(overdue=_since("due_at")).order_by("due_at").first()
    if oldest is None:
        yield ok("posts", "None is overdue.")
    else:
        report = fail if oldest.overdue > settings.STUCK_THRESHOLD else warn
        minutes = oldest.overdue.total_seconds() / 60
        yield report(
            "posts",
            f"{late.count()} overdue, the oldest by {minutes:.0f} min.",
            "Look at slots and installation above; if both are well, at the posts in the admin.",
        )
    over = settings.PUBLISH_LEASE + settings.RECONCILE_GRACE + timedelta(seconds=15)
    stuck = ScheduledPost.objects.filter(
        state=PostState.PUBLISHING, lease_slot__isnull=False, sent_at__lt=now - over
    ).count()
    if stuck:
        yield fail("posts", f"{stuck} hang in publishing.", "Only a running slot frees them.")
    doubtful = ScheduledPost.objects.filter(OPEN).count()
    if doubtful:
        yield warn(
            "posts",
            f"{doubtful} wait for a person to say whether they are live.",
            "Resolve them in the admin.",
        )


def check_preflight() -> Iterator[Finding]:
    """Count the posts of the next 24 hours that have something in their way."""
    if not settings.PREFLIGHT_AHEAD:
        yield ok("preflight", "Switched off by PREFLIGHT_HOURS=0.")
        return
    count = ScheduledPost.objects.filter(
        state__in=sorted(WAITING), warnings__isnull=False, due_at__lt=Now() + timedelta(hours=24)
    ).count()
    if count:
        yield warn(
            "preflight",
            f"{count} of the posts of the next 24 h have warnings.",
            'Look at them in the admin: filter "has warnings".',
        )
    else:
        yield ok("preflight", "No post of the next 24 h has a warning.")


def check_held() -> Iterator[Finding]:
    """Count the posts that were found too late and wait for a person."""
    count = ScheduledPost.objects.filter(state=PostState.HELD).count()
    if count:
        yield warn(
            "held",
            f"{count} found later than their limit (LATE_LIMIT_MINUTES) wait for a person.",
            "Publish them now, give them another moment, or cancel them, in the admin.",
        )
    else:
        yield ok("held", "No post waits for a person because it was found too late.")


def check_installation() -> Iterator[Finding]:
    """Look whether sending is paused."""
    here = Installation.objects.filter(pk=1).first()
    if here is not None and here.paused:
        yield warn(
            "installation",
            f"Sending is paused: {here.pause_reason or 'no reason was given'}",
            "Resume it in the admin when that is settled.",
        )
    else:
        yield ok("installation", "Sending is not paused.")


def check_pauses() -> Iterator[Finding]:
    """Look what staff have stopped: platforms, workspaces, worker hosts."""
    found = list(Pause.objects.order_by("since"))
    for one in found:
        yield warn(
            f"pauses.{one.scope}",
            sentence(one, timezone.now()),
            "Resume it under Switches in the admin when that is settled.",
        )
    if not found:
        yield ok("pauses", "No platform or workspace is paused, no host is drained.")


def _since(column: str) -> models.ExpressionWrapper[Any]:
    """Return how long ago `column` was, on the database's clock."""
    return models.ExpressionWrapper(Now() - models.F(column), output_field=models.DurationField())
