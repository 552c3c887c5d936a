"""Whatever people do to a series in whatever order, its posts end as it says."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from engine.states import IllegalTransition
from scheduling import services as posts
from scheduling.models import PostSeries, ScheduledPost, SeriesOccurrence
from scheduling.rules import Invalid
from scheduling.series import editing, services, settling
from scheduling.series.models import OccurrenceState, SeriesState
from scheduling.states import PostState
from scheduling.tasks import extend_series_minutes
from tests.factories import make_connection
from tests.scheduling.series_stage import ADA, DAY, at, start

S = PostState
RULES = ["FREQ=DAILY", "FREQ=DAILY;INTERVAL=2", "FREQ=DAILY;BYHOUR=9,15;BYMINUTE=0", "FREQ=WEEKLY"]
CHANGES = [*({"rule": rule} for rule in RULES), *({"segments": [{"text": t}]} for t in "abc")]
days = st.integers(0, 4)
acts = st.one_of(
    st.tuples(st.just("skip"), days),
    st.tuples(st.just("edit one"), days),
    st.tuples(st.just("cancel one"), days),
    st.tuples(st.just("send one"), days),
    st.tuples(st.just("edit all"), st.sampled_from(CHANGES)),
    st.tuples(st.just("following"), days),
    st.tuples(st.just("pause"), st.none()),
    st.tuples(st.just("resume"), st.none()),
    st.tuples(st.just("tick"), st.none()),
)


class History:
    """One series and what was done to single occurrences of it."""

    def __init__(self) -> None:
        self.series = start(make_connection())
        self.skipped: set[datetime] = set()
        self.own: dict[Any, str] = {}  # posts with a content of their own
        self.stopped: set[Any] = set()  # posts that a person cancelled
        self.sent: set[Any] = set()

    def act(self, what: str, how: Any) -> None:
        """Do one thing; what the series refuses is not done."""
        with contextlib.suppress(IllegalTransition, Invalid):
            self._act(what, how)

    def _act(self, what: str, how: Any) -> None:
        key = self.series.pk
        match what:
            case "skip":
                services.skip_occurrence(key, at(how), actor=ADA)
                self.skipped.add(at(how))
            case "edit one" if post := self._post(how):
                posts.edit_post(post.pk, actor=ADA, segments=[{"text": f"own {how}"}])
                self.own[post.pk] = f"own {how}"
            case "cancel one" if post := self._post(how):
                posts.cancel_post(post.pk, actor=ADA)
                self.stopped.add(post.pk)
            case "send one" if (post := self._post(how)) and post.state == S.SCHEDULED:
                ScheduledPost.objects.filter(pk=post.pk).update(state=S.PUBLISHED, due_at=None)
                self.sent.add(post.pk)
            case "edit all":
                editing.edit_series(key, actor=ADA, **how)
            case "following":
                self.series = editing.edit_following(
                    key, at(how), actor=ADA, segments=[{"text": f"from {how}"}]
                )
            case "pause":
                for one in PostSeries.objects.exclude(state=SeriesState.PAUSED):
                    services.pause_series(one.pk, actor=ADA)
            case "resume":
                for one in PostSeries.objects.filter(state=SeriesState.PAUSED):
                    services.resume_series(one.pk, actor=ADA)
            case "tick":
                extend_series_minutes()

    def _post(self, day: int) -> ScheduledPost | None:
        row = SeriesOccurrence.objects.filter(at=at(day)).select_related("post").first()
        return row.post if row else None

    def check(self) -> None:
        """Assert that rows and posts are as the series and the single acts say."""
        extend_series_minutes()
        rows = list(SeriesOccurrence.objects.select_related("post", "series"))
        assert len({row.at for row in rows}) == len(rows)  # splits share no moment
        assert ScheduledPost.objects.count() == sum(1 for row in rows if row.post)
        for row in rows:
            self._check(row)
        self._nothing_is_left_out({row.at for row in rows})

    def _check(self, row: SeriesOccurrence) -> None:
        post = row.post
        if row.at in self.skipped:
            assert row.state == OccurrenceState.SKIPPED
            assert post is None or post.state == S.CANCELLED
            return
        assert post is not None
        if post.pk in self.sent:
            assert post.state == S.PUBLISHED
            return
        if post.pk in self.own:
            assert post.segments == [{"text": self.own[post.pk]}]
        if post.pk in self.stopped:
            assert post.state == S.CANCELLED
            return
        is_live = post.state == S.SCHEDULED
        active = row.series.state == SeriesState.ACTIVE
        follows = row.series.recurrence.has(row.at) is not None
        assert is_live == (active and (follows or post.pk in self.own))
        if is_live and post.pk not in self.own:
            assert post.segments == row.series.segments

    def _nothing_is_left_out(self, known: set[datetime]) -> None:
        horizon = timezone.now() + 7 * DAY
        for series in PostSeries.objects.filter(state=SeriesState.ACTIVE):
            wanted = series.recurrence.between(timezone.now(), horizon)
            assert {moment.at for moment in wanted} <= known


@pytest.mark.django_db
class TestHistories(TestCase):
    """Each example runs in a transaction of its own."""

    @settings(max_examples=25)
    @given(st.lists(acts, min_size=2, max_size=12), st.sampled_from([3, 100]))
    @example([("edit one", 1), ("edit all", {"rule": "FREQ=WEEKLY"})], 100)
    @example([("cancel one", 1), ("pause", None), ("resume", None)], 100)
    @example([("edit one", 2), ("skip", 3), ("following", 1), ("edit all", CHANGES[-1])], 3)
    def test_any_history_ends_as_the_series_says(
        self, history: list[tuple[str, Any]], a_pass: int
    ) -> None:
        from django.conf import settings as ours

        before = settling.PASS, ours.SERIES_HORIZON
        settling.PASS, ours.SERIES_HORIZON = a_pass, 8 * DAY
        try:
            told = History()
            for what, how in history:
                told.act(what, how)
            told.check()
        finally:
            settling.PASS, ours.SERIES_HORIZON = before
