"""Rows for looking at: an installation at 03:00, with everything that can be the matter."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from django.utils import timezone

from engine.models import Installation, RateLimitState, WorkerSlot
from notifications.models import Delivery, Notification
from platforms.models import ConnectionState, SocialConnection
from scheduling.models import PostTransition, PublishAttempt, ScheduledPost
from scheduling.states import PostState
from scheduling.tallies import Tallies
from tests.factories import make_connection, make_post, make_workspace

S = PostState
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
WORKER = "worker-1:4711"


def bad_night() -> dict[str, ScheduledPost]:
    """Save it all, and return the posts with the messiest histories by name."""
    workspace = make_workspace(name="Bakery Rosenow", slug="rosenow")
    ada = make_connection(workspace, platform="x", username="ada_bakes")
    grace = make_connection(workspace, platform="mastodon", username="grace@social.example")
    make_connection(
        workspace,
        platform="sandbox",
        username="rosenow",
        state=ConnectionState.NEEDS_RECONNECT,
        state_reason="The network no longer accepts the refresh token.",
    )
    make_connection(workspace, username="on_leave", state=ConnectionState.PAUSED)
    _traffic()
    _others(ada, grace)
    _machinery(ada)
    posts = {"thread": half_a_thread(ada), "doubt": doubt(grace), "limited": limited(ada)}
    written = timezone.now() - 26 * HOUR
    ScheduledPost.objects.update(created_at=written)
    return posts


def half_a_thread(connection: SocialConnection) -> ScheduledPost:
    """Save a thread of which two parts are live, and the third was refused."""
    now = timezone.now()
    began = now - 40 * MINUTE
    post = make_post(
        connection,
        state=S.DEAD_LETTER,
        scheduled_at=began,
        first_sent_at=began + timedelta(milliseconds=4),
        sent_at=began + 6 * MINUTE,
        attempts=7,
        text="Fresh rolls, every morning at six. A thread about sourdough:",
        last_category="server_error",
        last_error="X answered 503. Given up after 7 tries: requeue it when the cause is gone.",
        progress={"published": ["1850001", "1850002"]},
        permalink="https://x.com/ada_bakes/status/1850001",
        callback_url="https://app.example/hooks/posts",
    )
    post.segments += [{"text": "First, the starter."}, {"text": "Then, patience."}]
    post.save()
    _move(post, "scheduled", "queued", began - 5 * MINUTE, "look-ahead", "inside the window")
    _move(post, "queued", "publishing", began, WORKER, "due")
    for number in range(1, 8):
        at = began + number * MINUTE - MINUTE + timedelta(milliseconds=4)
        last = number == 7
        _attempt(
            post,
            number,
            at,
            outcome="failed",
            category="server_error",
            http_status=503,
            request_id=f"7f3a{number}",
            excerpt='{"title":"Service Unavailable","status":503}',
            decision="give_up" if last else "retry",
            reason="X answered 503." + (" Given up after 7 tries." if last else ""),
        )
        target = "dead_letter" if last else "scheduled"
        _move(post, "publishing", target, at + SECOND, WORKER, "X answered 503.")
    told = Notification.objects.create(
        event="post.failed", dedupe_key=f"post.failed:{post.pk}:1:1", workspace=post.workspace
    )
    Delivery.objects.create(
        notification=told,
        channel="webhook",
        target=post.callback_url,
        state="pending",
        attempts=2,
        max_attempts=10,
        due_at=now + 5 * MINUTE,
        error_category="server_error",
        error_text="The receiver answered 500.",
    )
    return post


def doubt(connection: SocialConnection) -> ScheduledPost:
    """Save a post whose answer was lost: a person must say whether it is live."""
    sent = timezone.now() - 25 * MINUTE
    post = make_post(
        connection,
        state=S.OUTCOME_UNKNOWN,
        scheduled_at=sent,
        first_sent_at=sent,
        sent_at=sent,
        attempts=1,
        due_at=timezone.now() + 20 * HOUR,
        text="The oven is on. Come by until noon.",
        last_category="outcome_unknown",
        last_error="The connection ended before the answer came.",
        progress={
            "asked": {"at": sent.isoformat(), "reminders": 0, "next": sent.isoformat()},
        },
    )
    _move(post, "scheduled", "publishing", sent, WORKER, "due")
    _attempt(
        post,
        1,
        sent,
        outcome="unknown",
        category="outcome_unknown",
        decision="reconcile",
        reason="The connection ended before the answer came.",
    )
    _move(post, "publishing", "outcome_unknown", sent + 20 * SECOND, WORKER, "no answer")
    return post


def limited(connection: SocialConnection) -> ScheduledPost:
    """Save a post that was refused once and waits for what the network asked."""
    now = timezone.now()
    moment = now - 3 * MINUTE
    post = make_post(
        connection,
        scheduled_at=moment,
        due_at=now + 117 * SECOND,
        first_sent_at=moment,
        attempts=1,
        text="Plum cake from eight o'clock.",
        last_category="rate_limit",
        last_error="X asked us to wait.",
    )
    _move(post, "scheduled", "publishing", moment, WORKER, "due")
    _attempt(
        post,
        1,
        now - 3 * SECOND,
        outcome="failed",
        category="rate_limit",
        http_status=429,
        provider_code="usage-capped",
        request_id="req-429",
        retry_after_seconds=120.0,
        excerpt='{"title":"Too Many Requests","detail":"Too Many Requests"}',
        decision="retry",
        reason="X asked us to wait.",
    )
    _move(post, "publishing", "scheduled", now - 2 * SECOND, WORKER, "X asked us to wait.")
    return post


# --- around them ----------------------------------------------------------------------------------
def _traffic() -> None:
    """Count a day of published posts, and an outage half an hour ago."""
    end = timezone.now().timestamp()
    tallies = Tallies()
    for minutes_ago in range(24 * 60):
        at = end - minutes_ago * 60
        for platform, most in (("x", 14), ("mastodon", 6)):
            wave = 1 + math.sin(minutes_ago / 180) + 0.6 * math.sin(minutes_ago / 7)
            for number in range(max(0, int(most * wave / 2))):
                tallies.reached(platform, S.PUBLISHED, at=at)
                tallies.sent(platform, 0.003 + 0.002 * (number % 9) ** 2, at=at)
        for _ in range(max(0, 8 - abs(minutes_ago - 34))):
            tallies.reached("x", S.DEAD_LETTER, at=at)
    tallies.write()


def _others(ada: SocialConnection, grace: SocialConnection) -> None:
    now = timezone.now()
    for number in range(4):
        make_post(ada, due_at=now - 2 * MINUTE, text=f"Bread number {number} of the day")
    make_post(grace, state=S.HELD, text="Good morning from yesterday", last_error="Found late.")
    make_post(ada, state=S.FAILED, scheduled_at=now - HOUR, last_category="validation_error")
    for number in range(6):
        sent = now - number * 7 * MINUTE
        make_post(
            ada if number % 2 else grace,
            state=S.PUBLISHED,
            scheduled_at=sent,
            first_sent_at=sent + timedelta(milliseconds=3 + 900 * (number == 4)),
            published_at=sent,
            permalink=f"https://x.com/ada_bakes/status/18500{number}",
            text="The oven glows, the street is still asleep, and the first rolls are ready.",
            attempts=1,
        )
    for number in range(9):
        make_post(grace, due_at=now + (number + 1) * HOUR, text="A plan for tomorrow")


def _machinery(ada: SocialConnection) -> None:
    now = timezone.now()
    RateLimitState.objects.create(
        scope="connection",
        key=str(ada.pk),
        bucket="all",
        platform="x",
        blocked_until=now + 117 * SECOND,
        reason="X answered 429: usage-capped",
        consecutive_429=1,
    )
    RateLimitState.objects.create(
        scope="app",
        key="x",
        bucket="all",
        platform="x",
        breaker="open",
        open_until=now + 4 * MINUTE,
        reason="three accounts got 503",
    )
    for kind in ("cluster", "publish", "notify"):
        WorkerSlot.objects.create(
            kind=kind, host="worker-1", pid=4711, started_at=now, heartbeat_at=now + HOUR,
            in_flight=12 * (kind == "publish"),
        )  # fmt: skip
    Installation.objects.update_or_create(pk=1, defaults={"canary_at": now})


def _move(post: Any, source: str, target: str, at: Any, actor: str, reason: str) -> None:
    PostTransition.objects.create(
        post=post, source=source, target=target, at=at, actor=actor, reason=reason, fencing_token=3
    )


def _attempt(post: Any, number: int, at: Any, **learnt: Any) -> None:
    PublishAttempt.objects.create(
        post=post,
        number=number,
        started_at=at,
        sent_at=at,
        finished_at=at + timedelta(milliseconds=340),
        fencing_token=number + 2,
        worker=WORKER,
        **learnt,
    )
    tallies = Tallies()
    tallies.attempt(post.platform, learnt["outcome"], learnt["category"], at=at.timestamp())
    tallies.write()
