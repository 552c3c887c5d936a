"""What a series promises: its posts exist ahead, follow it until sent, and never come twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, Workspace
from engine.states import IllegalTransition
from platforms.models import ConnectionState, SocialConnection
from scheduling import services as posts
from scheduling.models import PostSeries, ScheduledPost, SeriesOccurrence
from scheduling.rules import Invalid
from scheduling.series import editing, forecast, services, settling
from scheduling.series.models import OccurrenceState, SeriesState
from scheduling.states import PostState
from scheduling.tasks import extend_series_minutes
from tests.factories import make_connection
from tests.scheduling.series_stage import ADA, DAY, at, posts_of, start, texts_of, tomorrow
from tests.scheduling.test_services import image

pytestmark = pytest.mark.django_db

S, O = PostState, OccurrenceState  # noqa: E741
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def horizon(settings: Any) -> None:
    """Make posts ten days ahead."""
    settings.SERIES_HORIZON = 10 * DAY


def later(series: PostSeries, by: timedelta) -> PostSeries:
    """Return the series as if `by` had passed without it being settled, nothing sent."""
    SeriesOccurrence.objects.filter(series=series).delete()
    ScheduledPost.objects.all().delete()
    series.starts = (tomorrow() - by).isoformat()
    series.next_at = series.recurrence.first(1)[0].at
    series.save()
    return series


def states(series: PostSeries) -> list[str]:
    return [post.state for post in posts_of(series)]


def codes(refused: pytest.ExceptionInfo[Invalid]) -> set[tuple[str, str]]:
    return {(error.field, error.code) for error in refused.value.errors}


# --- making -------------------------------------------------------------------------------------
def test_posts_exist_as_far_ahead_as_the_horizon(connection: SocialConnection) -> None:
    series = start(connection, first_comment="", options={}, priority=3)
    made = posts_of(series)
    assert len(made) in {9, 10}  # the tenth only if it is later than nine now
    assert [post.scheduled_at for post in made] == [at(n) for n in range(len(made))]
    assert {post.state for post in made} == {S.SCHEDULED}
    assert all(post.due_at == post.scheduled_at for post in made)
    assert {(post.time_zone, post.priority, post.segments[0]["text"]) for post in made} == {
        ("Europe/Berlin", 3, "hello")
    }
    assert AuditEvent.objects.get(action="series.created").actor == ADA


def test_settling_again_makes_nothing_twice(connection: SocialConnection) -> None:
    series = start(connection)
    before = [post.pk for post in posts_of(series)]
    for _ in range(3):
        extend_series_minutes()
        assert not settling.settle(series.pk)
    assert [post.pk for post in posts_of(series)] == before
    assert ScheduledPost.objects.count() == len(before)


def test_time_goes_on_and_so_do_the_posts(connection: SocialConnection, settings: Any) -> None:
    series = start(connection)
    before = [post.pk for post in posts_of(series)]
    settings.SERIES_HORIZON = 12 * DAY
    extend_series_minutes()
    assert len(posts_of(series)) == len(before) + 2
    assert [post.pk for post in posts_of(series)][: len(before)] == before


def test_several_accounts_get_a_post_each_written_together(workspace: Workspace) -> None:
    one, two = make_connection(workspace), make_connection(workspace)
    series = start(one, two, targets=[(one, {}), (two, {"segments": [{"text": "for two"}]})])
    first = [row for row in series.occurrences.select_related("post") if row.at == at(0)]
    assert {(row.connection_id, row.post.segments[0]["text"]) for row in first if row.post} == {
        (one.pk, "hello"),
        (two.pk, "for two"),
    }
    assert len({row.post.group_id for row in first if row.post}) == 1
    assert first[0].post
    assert first[0].post.group_id is not None


def test_media_go_with_every_post(connection: SocialConnection) -> None:
    series = start(connection, attachments=[image(connection)])
    for post in posts_of(series):
        assert [row.alt_text for row in post.post_media.all()] == ["a cat"]
        assert (post.media_count, post.needs_preparation) == (1, True)


def test_a_long_list_is_made_in_passes_soonest_first(
    connection: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "PASS", 4)
    series = start(connection)
    assert [post.scheduled_at for post in posts_of(series)] == [at(n) for n in range(4)]
    extend_series_minutes()
    assert len(posts_of(series)) in {9, 10}


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ({"rule": "FREQ=HOURLY"}, ("rule", "bad_rule")),
        ({"starts": "soon"}, ("starts", "bad_start")),
        ({"time_zone": "Mars"}, ("time_zone", "unknown_zone")),
        ({"rule": "FREQ=DAILY;UNTIL=20200101"}, ("rule", "no_occurrence")),
        ({"targets": []}, ("connections", "required")),
        ({"segments": []}, ("segments", "required")),
        ({"segments": [{"text": "x" * 501}]}, ("segments[0].text", "text_too_long")),
        ({"priority": 10}, ("priority", "out_of_range")),
        ({"late_policy": "never"}, ("late_policy", "unknown")),
        ({"callback_url": "ftp://x"}, ("callback_url", "not_a_url")),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_kept(
    connection: SocialConnection, columns: dict[str, Any], error: tuple[str, str]
) -> None:
    with pytest.raises(Invalid) as refused:
        start(connection, **columns)
    assert error in codes(refused)
    assert not PostSeries.objects.exists()


def test_an_account_of_another_workspace_or_disconnected_is_refused(
    connection: SocialConnection,
) -> None:
    with pytest.raises(Invalid) as refused:
        start(connection, make_connection())
    assert codes(refused) == {("connection", "unknown")}
    connection.state = ConnectionState.REVOKED
    connection.save()
    with pytest.raises(Invalid) as refused:
        start(connection)
    assert codes(refused) == {("connection", "revoked")}


def test_posts_of_an_account_disconnected_since_are_made_all_the_same(
    connection: SocialConnection, settings: Any
) -> None:
    series = start(connection)
    SocialConnection.objects.update(state=ConnectionState.REVOKED)
    before = len(posts_of(series))
    settings.SERIES_HORIZON = 12 * DAY
    extend_series_minutes()
    assert len(posts_of(series)) == before + 2  # and are blocked when their moment comes
    assert set(states(series)) == {S.SCHEDULED}


def test_a_failing_series_does_not_stop_the_others(
    connection: SocialConnection, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broken, whole = start(connection), start(connection)
    PostSeries.objects.filter(pk=broken.pk).update(time_zone="Mars/Olympus")
    settings.SERIES_HORIZON = 12 * DAY
    extend_series_minutes()
    assert len(posts_of(whole)) in {11, 12}
    assert [record.message for record in caplog.records] == ["series.failed"]


# --- what passed without a worker ---------------------------------------------------------------
def test_after_weeks_without_a_worker_nothing_old_is_made_up_for(
    connection: SocialConnection,
) -> None:
    series = later(start(connection), 8 * DAY)
    extend_series_minutes()
    assert all(post.scheduled_at > timezone.now() - 2 * HOUR for post in posts_of(series))
    missed = series.occurrences.filter(state=O.MISSED)
    assert missed.count() in {7, 8}
    assert not missed.filter(post__isnull=False).exists()
    assert len(posts_of(series)) >= 9


@pytest.mark.parametrize("policy", ["hold", "publish"])
def test_a_moment_within_the_late_limit_is_made_up_for(
    connection: SocialConnection, policy: str
) -> None:
    series = later(start(connection, late_policy=policy, late_limit_minutes=60 * 24 * 3), 8 * DAY)
    extend_series_minutes()
    past = [post for post in posts_of(series) if post.scheduled_at < timezone.now()]
    assert len(past) == 3
    assert {post.state for post in past} == {S.SCHEDULED}


def test_after_years_only_a_horizon_of_missed_moments_is_noted(
    connection: SocialConnection,
) -> None:
    series = later(start(connection), 800 * DAY)
    extend_series_minutes()
    assert series.occurrences.filter(state=O.MISSED).count() in {9, 10}


# --- editing all --------------------------------------------------------------------------------
def test_an_edit_reaches_every_post_that_is_not_sent(connection: SocialConnection) -> None:
    series = start(connection)
    before = [post.pk for post in posts_of(series)]
    editing.edit_series(series.pk, actor=ADA, segments=[{"text": "new"}])
    assert set(texts_of(series)) == {"new"}
    assert [post.pk for post in posts_of(series)] == before
    assert {post.content_version for post in posts_of(series)} == {2}
    assert AuditEvent.objects.get(action="series.edited").detail == {"fields": ["segments"]}


@pytest.mark.parametrize(
    "state", [S.PUBLISHED, S.OUTCOME_UNKNOWN, S.PROCESSING, S.FAILED, S.DEAD_LETTER, S.CANCELLED]
)
def test_an_edit_leaves_what_was_sent_or_stopped(connection: SocialConnection, state: str) -> None:
    series = start(connection)
    post = posts_of(series)[0]
    ScheduledPost.objects.filter(pk=post.pk).update(
        state=state, due_at=post.due_at if state in {S.OUTCOME_UNKNOWN, S.PROCESSING} else None
    )
    editing.edit_series(series.pk, actor=ADA, segments=[{"text": "new"}])
    assert texts_of(series)[0] == "hello"
    assert set(texts_of(series)[1:]) == {"new"}
    assert states(series)[0] == state


def test_an_edit_takes_a_post_from_the_slot_that_holds_it_unsent(
    connection: SocialConnection,
) -> None:
    series = start(connection)
    post = posts_of(series)[0]
    ScheduledPost.objects.filter(pk=post.pk).update(
        lease_slot=1, lease_expires_at=timezone.now() + HOUR, fencing_token=5, state=S.QUEUED
    )
    editing.edit_series(series.pk, actor=ADA, segments=[{"text": "new"}])
    post.refresh_from_db()
    assert (post.lease_slot, post.fencing_token) == (None, 6)
    assert post.segments == [{"text": "new"}]


def test_a_post_edited_by_itself_is_let_go(connection: SocialConnection) -> None:
    series = start(connection)
    mine = posts_of(series)[1]
    posts.edit_post(mine.pk, actor=ADA, segments=[{"text": "mine"}])
    editing.edit_series(series.pk, actor=ADA, segments=[{"text": "new"}])
    assert texts_of(series)[:3] == ["new", "mine", "new"]
    assert series.occurrences.get(post=mine).is_detached
    editing.edit_series(series.pk, actor=ADA, rule="FREQ=DAILY;BYHOUR=7;BYMINUTE=0")
    mine.refresh_from_db()
    assert (mine.state, mine.scheduled_at) == (S.SCHEDULED, at(1))


def test_a_post_that_was_only_moved_is_let_go_too(connection: SocialConnection) -> None:
    series = start(connection)
    mine = posts_of(series)[1]
    moved = at(1, hour=15)
    ScheduledPost.objects.filter(pk=mine.pk).update(scheduled_at=moved, due_at=moved)
    editing.edit_series(series.pk, actor=ADA, segments=[{"text": "new"}], rule="FREQ=WEEKLY")
    mine.refresh_from_db()
    assert (mine.state, mine.scheduled_at, mine.segments[0]["text"]) == (
        S.SCHEDULED, moved, "hello",
    )  # fmt: skip


def test_posts_are_written_in_the_name_of_whoever_wrote_the_series(
    connection: SocialConnection, settings: Any
) -> None:
    series = start(connection)
    editing.edit_series(series.pk, actor="user:bob", segments=[{"text": "new"}])
    settings.SERIES_HORIZON = 12 * DAY
    extend_series_minutes()
    written = AuditEvent.objects.filter(action="post.scheduled").order_by("pk")
    assert [event.actor for event in written][-2:] == ["user:bob"] * 2
    edits = AuditEvent.objects.filter(action="post.edited")
    assert {event.actor for event in edits} == {"user:bob"}


def test_another_rule_moves_the_posts(connection: SocialConnection) -> None:
    series = start(connection)
    gone = posts_of(series)
    editing.edit_series(series.pk, actor=ADA, rule="FREQ=DAILY;INTERVAL=2")
    kept = [post.scheduled_at for post in posts_of(series) if post.state == S.SCHEDULED]
    assert kept == [at(n) for n in range(0, len(gone), 2)]
    withdrawn = series.occurrences.filter(state=O.WITHDRAWN)
    assert {row.post.state for row in withdrawn.select_related("post") if row.post} == {S.CANCELLED}
    editing.edit_series(series.pk, actor=ADA, rule="FREQ=DAILY", segments=[{"text": "new"}])
    assert [post.pk for post in posts_of(series)] == [post.pk for post in gone]  # put back
    assert set(states(series)) == {S.SCHEDULED}
    assert set(texts_of(series)) == {"new"}


def test_accounts_come_and_go(workspace: Workspace) -> None:
    one, two, three = (make_connection(workspace) for _ in range(3))
    series = start(one, two)
    editing.edit_series(series.pk, actor=ADA, targets=[(two, {}), (three, {})])
    live = [p for p in posts_of(series) if p.state == S.SCHEDULED]
    assert {post.connection_id for post in live} == {two.pk, three.pk}
    assert len(live) == 2 * len({post.scheduled_at for post in live})
    assert {p.connection_id for p in posts_of(series) if p.state == S.CANCELLED} == {one.pk}


def test_an_edit_that_breaks_a_rule_changes_nothing(connection: SocialConnection) -> None:
    series = start(connection)
    with pytest.raises(Invalid):
        editing.edit_series(series.pk, actor=ADA, segments=[{"text": "x" * 501}])
    series.refresh_from_db()
    assert series.segments == [{"text": "hello"}]
    assert set(texts_of(series)) == {"hello"}


def test_a_series_may_be_edited_while_an_account_is_disconnected(
    connection: SocialConnection,
) -> None:
    series = start(connection)
    SocialConnection.objects.update(state=ConnectionState.REVOKED)
    editing.edit_series(series.pk, actor=ADA, segments=[{"text": "new"}])
    assert set(texts_of(series)) == {"new"}


def test_an_outdated_edit_is_refused(connection: SocialConnection) -> None:
    series = start(connection)
    editing.edit_series(series.pk, actor=ADA, expected_version=1, name="weekly")
    with pytest.raises(IllegalTransition, match="load it again"):
        editing.edit_series(series.pk, actor=ADA, expected_version=1, name="daily")


def test_a_long_edit_is_finished_by_the_next_tick(
    connection: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = start(connection)
    monkeypatch.setattr(settling, "PASS", 4)
    editing.edit_series(series.pk, actor=ADA, segments=[{"text": "new"}])
    assert texts_of(series)[:5] == ["new"] * 4 + ["hello"]
    extend_series_minutes()
    assert set(texts_of(series)) == {"new"}


# --- this one, and this and following -----------------------------------------------------------
def test_one_occurrence_is_edited_and_let_go(connection: SocialConnection) -> None:
    series = start(connection)
    editing.edit_occurrence(series.pk, at(2), actor=ADA, segments=[{"text": "mine"}])
    editing.edit_series(series.pk, actor=ADA, segments=[{"text": "new"}])
    assert texts_of(series)[:4] == ["new", "new", "mine", "new"]


def test_one_occurrence_is_moved_and_no_second_one_made(connection: SocialConnection) -> None:
    series = start(connection)
    count = ScheduledPost.objects.count()
    editing.edit_occurrence(series.pk, at(2), actor=ADA, scheduled_at=at(2, hour=15))
    extend_series_minutes()
    assert posts_of(series)[2].scheduled_at == at(2, hour=15)
    assert ScheduledPost.objects.count() == count


def test_an_occurrence_beyond_the_horizon_is_made_when_it_is_edited(
    connection: SocialConnection, settings: Any
) -> None:
    series = start(connection)
    editing.edit_occurrence(series.pk, at(20), actor=ADA, segments=[{"text": "mine"}])
    assert (posts_of(series)[-1].scheduled_at, texts_of(series)[-1]) == (at(20), "mine")
    settings.SERIES_HORIZON = 25 * DAY
    extend_series_minutes()
    assert [post.scheduled_at for post in posts_of(series)][:24] == [at(n) for n in range(24)]


def test_this_and_following_splits_the_series(connection: SocialConnection) -> None:
    series = start(connection, rule="FREQ=DAILY;COUNT=20")
    before = [post.pk for post in posts_of(series)]
    services.skip_occurrence(series.pk, at(5), actor=ADA)
    editing.edit_occurrence(series.pk, at(6), actor=ADA, segments=[{"text": "mine"}])
    rest = editing.edit_following(series.pk, at(4), actor=ADA, segments=[{"text": "new"}])
    series.refresh_from_db()
    assert rest.continues_id == series.pk
    assert texts_of(series) == ["hello"] * 4
    assert texts_of(rest)[:4] == ["new", "hello", "mine", "new"]  # one skipped, one edited
    assert [post.pk for post in posts_of(series)] + [post.pk for post in posts_of(rest)] == before
    assert rest.occurrences.get(at=at(5)).state == O.SKIPPED
    assert len(rest.recurrence.first(50)) == 16
    assert series.recurrence.first(50)[-1].at == at(3)


def test_this_and_following_may_come_earlier_in_the_day(connection: SocialConnection) -> None:
    series = start(connection)
    rest = editing.edit_following(
        series.pk, at(3), actor=ADA, rule="FREQ=DAILY;BYHOUR=7;BYMINUTE=30"
    )
    live = ScheduledPost.objects.filter(state=S.SCHEDULED).order_by("scheduled_at")
    shown = [post.scheduled_at for post in live][:5]
    assert shown == [at(0), at(1), at(2)] + [at(n, 7) + HOUR / 2 for n in (3, 4)]
    assert {post.state for post in posts_of(rest) if post.scheduled_at in {at(3), at(4)}} == {
        S.CANCELLED
    }


def test_from_the_first_occurrence_on_there_is_nothing_to_split(
    connection: SocialConnection,
) -> None:
    series = start(connection)
    same = editing.edit_following(series.pk, at(0), actor=ADA, segments=[{"text": "new"}])
    assert same.pk == series.pk
    assert set(texts_of(series)) == {"new"}


@pytest.mark.parametrize("moment", [at(0) + HOUR, timezone.now() - DAY])
def test_a_moment_that_is_none_of_the_series_is_refused(
    connection: SocialConnection, moment: Any
) -> None:
    series = start(connection)
    for act in (services.skip_occurrence, editing.edit_following, editing.edit_occurrence):
        with pytest.raises(Invalid, match="the next one is") as refused:
            act(series.pk, moment, actor=ADA)
        assert codes(refused) == {("occurrence", "unknown")}


# --- skip, pause, resume, end -------------------------------------------------------------------
def test_a_skipped_occurrence_stays_skipped_and_visible(
    connection: SocialConnection, settings: Any
) -> None:
    series = start(connection)
    for number in (1, 20):  # the second is still beyond the horizon
        services.skip_occurrence(series.pk, at(number), actor=ADA, reason="holiday")
    assert states(series)[1] == S.CANCELLED
    editing.edit_series(series.pk, actor=ADA, segments=[{"text": "new"}])
    services.pause_series(series.pk, actor=ADA)
    services.resume_series(series.pk, actor=ADA)
    settings.SERIES_HORIZON = 25 * DAY
    extend_series_minutes()
    live = {post.scheduled_at for post in posts_of(series) if post.state == S.SCHEDULED}
    assert not {at(1), at(20)} & live
    assert at(19) in live
    rows = series.occurrences.filter(at__in=[at(1), at(20)])
    assert {row.state for row in rows} == {O.SKIPPED}
    assert AuditEvent.objects.filter(action="series.skipped", reason="holiday").count() == 2


def test_what_was_sent_cannot_be_skipped(connection: SocialConnection) -> None:
    series = start(connection)
    ScheduledPost.objects.filter(pk=posts_of(series)[0].pk).update(state=S.PUBLISHED, due_at=None)
    with pytest.raises(IllegalTransition, match="it is live"):
        services.skip_occurrence(series.pk, at(0), actor=ADA)


def test_one_account_may_be_skipped_alone(workspace: Workspace) -> None:
    one, two = make_connection(workspace), make_connection(workspace)
    series = start(one, two)
    services.skip_occurrence(series.pk, at(0), actor=ADA, connection=two)
    first = series.occurrences.filter(at=at(0)).select_related("post")
    assert {(row.connection_id, row.post.state) for row in first if row.post} == {
        (one.pk, S.SCHEDULED),
        (two.pk, S.CANCELLED),
    }
    with pytest.raises(Invalid, match="no such account"):
        services.skip_occurrence(series.pk, at(0), actor=ADA, connection=make_connection(workspace))


def test_a_pause_withdraws_and_a_resume_puts_back(connection: SocialConnection) -> None:
    series = start(connection)
    before = [post.pk for post in posts_of(series)]
    mine = posts_of(series)[1]
    posts.edit_post(mine.pk, actor=ADA, segments=[{"text": "mine"}])
    posts.cancel_post(posts_of(series)[2].pk, actor=ADA)
    services.pause_series(series.pk, actor=ADA, reason="crisis")
    assert set(states(series)) == {S.CANCELLED}
    extend_series_minutes()
    assert len(posts_of(series)) == len(before)
    editing.edit_series(series.pk, actor=ADA, segments=[{"text": "new"}])
    services.resume_series(series.pk, actor=ADA)
    assert [post.pk for post in posts_of(series)] == before
    assert states(series)[2] == S.CANCELLED  # by a person: the series does not overrule it
    assert {*states(series)[:2], *states(series)[3:]} == {S.SCHEDULED}
    assert texts_of(series)[:2] == ["new", "mine"]


def test_posts_whose_content_stays_are_not_written_anew(connection: SocialConnection) -> None:
    series = start(connection, attachments=[image(connection)])
    services.pause_series(series.pk, actor=ADA)
    services.resume_series(series.pk, actor=ADA)
    editing.edit_series(series.pk, actor=ADA, name="other", rule="FREQ=DAILY;UNTIL=20990101")
    assert {post.content_version for post in posts_of(series)} == {1}  # what is prepared stays
    assert set(states(series)) == {S.SCHEDULED}
    editing.edit_series(series.pk, actor=ADA, attachments=[image(connection, "dog.png")])
    assert {post.content_version for post in posts_of(series)} == {2}


def test_what_passed_during_a_pause_is_not_made_up_for(connection: SocialConnection) -> None:
    series = start(connection)
    services.pause_series(series.pk, actor=ADA)
    series = later(PostSeries.objects.get(pk=series.pk), 5 * DAY)
    services.resume_series(series.pk, actor=ADA)
    assert all(post.scheduled_at > timezone.now() for post in posts_of(series))
    assert not series.occurrences.filter(state=O.MISSED).exists()


def test_an_end_cancels_the_future_for_good(connection: SocialConnection) -> None:
    series = start(connection)
    sent = posts_of(series)[0]
    ScheduledPost.objects.filter(pk=sent.pk).update(state=S.PUBLISHED, due_at=None)
    services.end_series(series.pk, actor=ADA, reason="over")
    assert states(series)[0] == S.PUBLISHED
    assert set(states(series)[1:]) == {S.CANCELLED}
    extend_series_minutes()
    assert ScheduledPost.objects.filter(state=S.SCHEDULED).count() == 0
    for act in (services.end_series, services.pause_series, services.resume_series):
        with pytest.raises(IllegalTransition, match="has ended"):
            act(series.pk, actor=ADA)


def test_pause_and_resume_want_the_other_state(connection: SocialConnection) -> None:
    series = start(connection)
    with pytest.raises(IllegalTransition, match="not paused"):
        services.resume_series(series.pk, actor=ADA)
    services.pause_series(series.pk, actor=ADA)
    with pytest.raises(IllegalTransition, match="paused already"):
        services.pause_series(series.pk, actor=ADA)
    series.refresh_from_db()
    assert series.state == SeriesState.PAUSED


# --- looking ahead ------------------------------------------------------------------------------
def test_the_forecast_shows_posts_skips_and_what_is_not_made_yet(
    connection: SocialConnection,
) -> None:
    series = start(connection)
    services.skip_occurrence(series.pk, at(1), actor=ADA)
    seen = forecast.coming(series, now=timezone.now())
    assert [one.moment.at for one in seen] == [at(n) for n in range(12)]
    assert [[row.state for row in one.rows] for one in seen[:3]] == [
        [O.PLANNED], [O.SKIPPED], [O.PLANNED],
    ]  # fmt: skip
    assert seen[11].rows == ()


@pytest.mark.parametrize(
    ("platform", "rule", "told"),
    [
        ("x", "FREQ=DAILY;BYHOUR=9,12", True),
        ("x", "FREQ=DAILY", True),
        ("x", "FREQ=WEEKLY", False),
        ("mastodon", "FREQ=DAILY;BYHOUR=9,12", False),
    ],
)
def test_a_network_that_refuses_repeats_is_named(
    workspace: Workspace, platform: str, rule: str, told: bool
) -> None:
    account = make_connection(workspace, platform=platform)
    series = start(account, rule=rule)
    found = forecast.notices_for(series.recurrence, [account], now=timezone.now())
    assert [notice.code for notice in found if notice.code == "same_text"] == ["same_text"] * told


def test_clocks_that_will_be_set_are_told(connection: SocialConnection) -> None:
    series = start(connection, rule="FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU;BYHOUR=2;BYMINUTE=30")
    found = forecast.notices_for(series.recurrence, [connection], now=timezone.now())
    assert [notice.code for notice in found] == ["shifted", "doubled"]
    assert "goes out at 03:30" in found[0].message
