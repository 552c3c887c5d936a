"""The ladders: waits, jitter, Retry-After, and when a delivery is given up."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from engine.errors import ErrorCategory, ServiceError
from engine.ids import uuid7
from notifications.ladder import JITTER, LADDERS, REPAIR_TIME, attempts_of, wait_after
from notifications.lanes import HELD_PER_CALL, SILENT, SILENT_AFTER, Lanes, lane_of
from notifications.models import Channel

SERVER_ERROR = ServiceError(ErrorCategory.SERVER_ERROR, "The receiver answered 500.")
RNG = random.Random(7)
STEPS = [
    (channel, attempt, step)
    for channel, ladder in LADDERS.items()
    for attempt, step in enumerate(ladder[1:], start=1)
]


@pytest.mark.parametrize(("channel", "attempt", "step"), STEPS)
def test_each_failure_waits_its_step_give_or_take_a_fifth(
    channel: str, attempt: int, step: timedelta
) -> None:
    waits = {wait_after(channel, SERVER_ERROR, attempt=attempt, rng=RNG) for _ in range(50)}
    assert all(w is not None and step * 0.8 <= w <= step * 1.2 for w in waits)
    assert len(waits) > 1
    assert JITTER == 0.2


@pytest.mark.parametrize(("channel", "attempts"), [("webhook", 10), ("email", 6)])
def test_the_last_attempt_is_the_end(channel: str, attempts: int) -> None:
    assert attempts_of(channel) == attempts
    assert wait_after(channel, SERVER_ERROR, attempt=attempts, rng=RNG) is None
    assert wait_after(channel, SERVER_ERROR, attempt=attempts - 1, rng=RNG) is not None


@pytest.mark.parametrize("channel", Channel.values)
def test_every_channel_has_a_ladder_that_begins_at_once(channel: str) -> None:
    assert LADDERS[channel][0] == timedelta()


def test_retry_after_wins_only_when_it_is_longer() -> None:
    def wait(seconds: int) -> timedelta | None:
        error = ServiceError(
            ErrorCategory.RATE_LIMIT, "wait", retry_after=timedelta(seconds=seconds)
        )
        return wait_after("webhook", error, attempt=1, rng=RNG)

    assert wait(90) == timedelta(seconds=90)
    assert wait(1) != timedelta(seconds=1)


def test_a_refusal_for_good_is_not_tried_again() -> None:
    error = ServiceError(ErrorCategory.VALIDATION_ERROR, "gone")
    assert wait_after("webhook", error, attempt=1, rng=RNG) is None


def test_our_own_misconfiguration_is_tried_again_rarely() -> None:
    error = ServiceError(ErrorCategory.AUTH_ERROR, "login refused")
    assert wait_after("email", error, attempt=1, rng=RNG) == REPAIR_TIME


@pytest.mark.parametrize(
    ("target", "lane"),
    [
        ("https://Hooks.Example.org/a?b=c", "hooks.example.org:https"),
        ("http://hooks.example.org:8080/", "hooks.example.org:8080"),
        ("http://[::1]:9000/x", "::1:9000"),
        ("https://o'brien\\\"; drop/", "o_brien____drop:https"),
        ("https://host:notaport/", "malformed"),
        ("nonsense", "malformed"),
    ],
)
def test_the_lane_of_a_callback_is_its_host(target: str, lane: str) -> None:
    assert lane_of("webhook", target) == lane


@pytest.mark.parametrize(
    ("channel", "target", "lane"),
    [
        ("email", "ada@example.org", "email"),
        ("sms", "+4915112345678", "sms"),
        ("push", "01890000-0000-7000-8000-000000000000", "push"),
        ("slack", "C024BE91L", "slack:c024be91l"),
        ("slack", "#Posts", "slack:_posts"),
    ],
)
def test_a_provider_is_one_lane_and_each_slack_channel_its_own(
    channel: str, target: str, lane: str
) -> None:
    assert lane_of(channel, target) == lane


@pytest.mark.parametrize("channel", Channel.values)
def test_only_a_text_message_is_given_up_when_its_answer_is_lost(channel: str) -> None:
    lost = ServiceError(ErrorCategory.OUTCOME_UNKNOWN, "the answer was lost")
    wait = wait_after(channel, lost, attempt=1, rng=RNG)
    assert (wait is None) is (channel == Channel.SMS)


def test_a_silent_receiver_gets_one_call_at_a_time_until_it_answers() -> None:
    lanes = Lanes(50)
    assert (lanes.cap("a"), lanes.cap("email")) == (10, 4)
    for _ in range(SILENT_AFTER):
        lanes.unheard("a")
    assert (lanes.cap("a"), lanes.cap("b")) == (1, 10)
    lanes.heard("a")
    assert lanes.cap("a") == 10


def test_all_who_stopped_answering_share_a_part_of_the_slot() -> None:
    lanes = Lanes(48)
    ours, theirs = lane_of("endpoint", "e-1"), lane_of("endpoint", "e-2")
    assert ours != theirs
    assert lanes.caps(ours) == ((ours, 4),)
    for _ in range(SILENT_AFTER):
        lanes.unheard(ours)
        lanes.unheard("host:https")
    assert lanes.caps(ours) == ((ours, 1), (SILENT, 12))
    assert lanes.caps("host:https") == (("host:https", 1), (SILENT, 12))
    assert lanes.caps(theirs) == ((theirs, 4),)


def test_a_lane_is_full_until_something_of_it_is_recorded() -> None:

    lanes = Lanes(5)
    held = [uuid7() for _ in range(HELD_PER_CALL)]
    for pk in held:
        lanes.take("a", pk)
    assert lanes.full() == ["a"]
    lanes.leave("a", held[0])
    lanes.leave("never seen", held[1])
    assert lanes.full() == []
