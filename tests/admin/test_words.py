"""Durations and instants read the same everywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from engine.words import distance, duration, moment

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(), "0 ms"),
        (timedelta(milliseconds=3), "3 ms"),
        (timedelta(seconds=4.24), "4.2 s"),
        (timedelta(minutes=12, seconds=59), "12 min"),
        (timedelta(hours=3, minutes=5), "3 h 5 min"),
        (timedelta(days=3), "3 days"),
        (timedelta(seconds=-2), "-2.0 s"),
    ],
)
def test_a_duration_takes_the_unit_that_fits(length: timedelta, words: str) -> None:
    assert duration(length) == words


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOW, "12:00:00 UTC"),
        (NOW.astimezone(timezone(timedelta(hours=5))), "12:00:00 UTC"),
        (NOW + timedelta(days=1), "23 Nov 12:00:00 UTC"),
        (NOW + timedelta(days=365), "22 Nov 2027 12:00:00 UTC"),
    ],
)
def test_an_instant_says_no_more_of_its_date_than_needed(at: datetime, words: str) -> None:
    assert moment(at, now=NOW) == words


def test_a_distance_says_its_direction() -> None:
    assert distance(NOW + timedelta(seconds=40), now=NOW) == "in 40.0 s"
    assert distance(NOW - timedelta(minutes=3), now=NOW) == "3 min ago"
