"""The sentence on top of a post's page, and that the allowed actions are the services' own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from engine.states import IllegalTransition
from platforms.models import ConnectionState, SocialConnection
from scheduling import approvals, moments, services
from scheduling.explanations import ALLOWED, explain, lateness_of, refusal
from scheduling.models import ScheduledPost
from scheduling.pauses import Pauses
from scheduling.states import PostState
from tests.factories import make_post

S = PostState
NOW = datetime(2026, 11, 22, 9, 0, 30, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def unsaved(state: str, *, account: dict[str, Any] | None = None, **fields: Any) -> ScheduledPost:
    """Return a post that only exists in memory: explanations read nothing else."""
    connection = SocialConnection(platform="x", username="ada", **(account or {}))
    scheduled_at = fields.pop("scheduled_at", NOW)
    return ScheduledPost(
        connection=connection, platform="x", state=state, scheduled_at=scheduled_at, **fields
    )


@pytest.mark.parametrize("state", PostState.values)
def test_every_state_is_explained_in_sentences(state: str) -> None:
    told = explain(unsaved(state), now=NOW)
    for sentence in (told.headline, told.next_step):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert ".." not in sentence


@pytest.mark.parametrize(
    ("post", "headline", "next_step"),
    [
        (
            unsaved(S.OUTCOME_UNKNOWN, sent_at=NOW - 27 * SECOND, due_at=NOW + 13 * SECOND),
            "Outcome unknown since 09:00:03 UTC: no usable answer came from the network.",
            "Carillon asks it again at 09:00:43 UTC.",
        ),
        (
            unsaved(S.OUTCOME_UNKNOWN, sent_at=NOW - HOUR),
            "Needs a person: outcome unknown since 08:00:30 UTC: no usable answer came from the "
            "network. Carillon cannot find out by itself.",
            "Look at ada on X, then say here whether the post is live. Nothing is sent until then.",
        ),
        (
            unsaved(S.SCHEDULED, scheduled_at=NOW + HOUR, due_at=NOW + HOUR),
            "Waits for its moment.",
            "Carillon sends it at 10:00:30 UTC.",
        ),
        (
            unsaved(
                S.SCHEDULED,
                attempts=2,
                due_at=NOW + MINUTE,
                last_category="server_error",
                last_error="X answered HTTP 503.",
            ),
            "Attempt 2 of 7 did not succeed (server error): X answered HTTP 503.",
            "Carillon tries again at 09:01:30 UTC.",
        ),
        (
            unsaved(S.PUBLISHED, first_sent_at=NOW + 3 * SECOND, published_at=NOW + 4 * SECOND),
            "Published at 09:00:34 UTC, sent 3.0 s after its moment.",
            "Nothing to do.",
        ),
        (
            unsaved(
                S.PUBLISHED,
                attempts=2,
                first_sent_at=NOW + 3 * SECOND,
                published_at=NOW + MINUTE,
            ),
            "Published at 09:01:30 UTC with attempt 2, first sent 3.0 s after its moment.",
            "Nothing to do.",
        ),
        (
            unsaved(S.DEAD_LETTER, attempts=7, last_category="network_error"),
            "Gave up after 7 of 7 attempts (network error).",
            "Requeue it when the cause is gone, or cancel it.",
        ),
        (
            unsaved(
                S.BLOCKED,
                account={
                    "state": ConnectionState.NEEDS_RECONNECT,
                    "state_reason": "The token was revoked.",
                },
            ),
            "Blocked: the network no longer accepts ada on X (The token was revoked).",
            "The account's owner must connect it again; its posts then go on.",
        ),
    ],
)
def test_the_words_for_a_situation(post: ScheduledPost, headline: str, next_step: str) -> None:
    told = explain(post, now=NOW)
    assert (told.headline, told.next_step) == (headline, next_step)


def test_a_call_in_flight_tells_when_it_becomes_doubtful() -> None:
    post = unsaved(S.PUBLISHING, sent_at=NOW, lease_expires_at=NOW + 20 * SECOND)
    assert "unknown from 09:01:00 UTC on" in explain(post, now=NOW).next_step
    much_later = explain(post, now=NOW + HOUR)
    assert "Its lease ran out at 09:00:50 UTC." in much_later.headline
    assert much_later.needs_person


@pytest.mark.parametrize(
    ("account", "paused", "told"),
    [
        ({}, Pauses(everything="Sending is paused."), "Sending is paused."),
        ({"state": ConnectionState.PAUSED}, Pauses(), "ada on X is paused"),
    ],
)
def test_a_waiting_post_tells_who_stopped_it(
    account: dict[str, Any], paused: Pauses, told: str
) -> None:
    post = unsaved(S.SCHEDULED, due_at=NOW + HOUR, account=account)
    explanation = explain(post, now=NOW, paused=paused)
    assert told in explanation.headline
    assert explanation.needs_person


@pytest.mark.parametrize(
    ("post", "late"),
    [
        (unsaved(S.PUBLISHED, first_sent_at=NOW + SECOND), SECOND),
        (unsaved(S.PUBLISHED, first_sent_at=NOW - SECOND), timedelta()),
        (unsaved(S.SCHEDULED, scheduled_at=NOW - MINUTE), MINUTE),
        (unsaved(S.SCHEDULED, scheduled_at=NOW + MINUTE), None),
        (unsaved(S.CANCELLED, scheduled_at=NOW - MINUTE), None),
    ],
)
def test_lateness(post: ScheduledPost, late: timedelta | None) -> None:
    assert lateness_of(post, NOW) == late


# --- what is allowed -------------------------------------------------------------------------
SERVICES: dict[str, Callable[[Any], object]] = {
    "edit": lambda pk: services.edit_post(pk, actor="t", segments=[{"text": "new"}]),
    "cancel": lambda pk: services.cancel_post(pk, actor="t"),
    "requeue": lambda pk: services.requeue_post(pk, actor="t"),
    "publish_now": lambda pk: services.publish_now(pk, actor="t"),
    "resolve": lambda pk: services.resolve_outcome(pk, actor="t", live=True),
    "reconcile_now": lambda pk: services.reconcile_now(pk, actor="t"),
    "approve": lambda pk: approvals.approve_post(pk, actor="t"),
    "reject": lambda pk: approvals.reject_post(pk, actor="t", reason="no"),
    "withdraw_approval": lambda pk: approvals.withdraw_approval(pk, actor="t"),
    "reschedule": lambda pk: moments.reschedule_post(
        pk, actor="t", scheduled_at=timezone.now() + MINUTE
    ),
}


@pytest.mark.parametrize("state", PostState.values)
@pytest.mark.parametrize("action", sorted(ALLOWED))
def test_what_we_say_is_allowed_is_what_the_service_does(
    connection: SocialConnection, action: str, state: str
) -> None:
    lease: dict[str, Any] = {}
    if state == S.PUBLISHING:
        lease = {"lease_slot": 1, "lease_expires_at": timezone.now() + MINUTE}
    post = make_post(connection, state=state, **lease)
    if refusal(state, action):
        with pytest.raises(IllegalTransition):
            SERVICES[action](post.pk)
    else:
        SERVICES[action](post.pk)
        assert ScheduledPost.objects.filter(pk=post.pk).exists()
