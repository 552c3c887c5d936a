"""Series over the API: dry runs, what is shown, and the three reaches of an edit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Role, Workspace
from platforms.models import SocialConnection
from scheduling.models import PostSeries, ScheduledPost
from scheduling.states import PostState
from tests.api.client import Answer, Api, iso, keyed
from tests.factories import make_connection, make_workspace
from tests.scheduling.series_stage import DAY, at, posts_of, texts_of, tomorrow

S = PostState


@pytest.fixture(autouse=True)
def horizon(settings: Any) -> None:
    """Make posts ten days ahead."""
    settings.SERIES_HORIZON = 10 * DAY


def wish(connection: SocialConnection, **fields: Any) -> dict[str, Any]:
    return {
        "connections": [str(connection.pk)],
        "rule": "FREQ=DAILY",
        "starts": tomorrow().isoformat(),
        "time_zone": "Europe/Berlin",
        "text": "hello",
        **fields,
    }


def variant(connection: SocialConnection, text: str) -> dict[str, Any]:
    """Return how a variant with a text of its own is shown."""
    return {
        "connection": str(connection.pk),
        "segments": [{"text": text}],
        "first_comment": None,
        "options": None,
    }


def created(answer: Answer) -> PostSeries:
    assert answer.status == 201, answer.body
    return PostSeries.objects.get(pk=answer.body["id"])


@pytest.fixture
def series(api: Api, connection: SocialConnection) -> PostSeries:
    """Give a stored series."""
    return created(api.post("series", wish(connection)))


def test_a_post_tells_of_its_series(api: Api, series: PostSeries) -> None:
    (first, *_) = posts_of(series)
    assert api.get(f"posts/{first.pk}").body["series"] == str(series.pk)
    assert {one["series"] for one in api.get("posts").body["results"]} == {str(series.pk)}


# --- creating and looking -----------------------------------------------------------------------
def test_a_series_is_shown_as_it_was_made(api: Api, connection: SocialConnection) -> None:
    other = make_connection(connection.workspace)
    sent = wish(
        connection,
        name="tips",
        connections=[str(connection.pk), str(other.pk)],
        variants=[{"connection": str(other.pk), "text": "for the other"}],
        rule="freq=weekly;byday=mo,th",
        priority=2,
        media=[{"url": "https://x.example/a.png", "alt_text": "a"}],
    )
    answer = api.post("series", sent)
    series = created(answer)
    body = answer.body
    assert (body["name"], body["state"], body["version"]) == ("tips", "active", 1)
    assert (body["rule"], body["time_zone"]) == ("FREQ=WEEKLY;BYDAY=MO,TH", "Europe/Berlin")
    assert body["connections"] == [str(connection.pk), str(other.pk)]
    assert body["variants"] == [variant(other, "for the other")]
    assert body["segments"] == [{"text": "hello"}]
    assert body["media"][0]["url"] == "https://x.example/a.png"
    assert body["next_occurrence_at"] == iso(posts_of(series)[0].scheduled_at)
    assert api.get(f"series/{series.pk}").body == body
    assert api.get("series").body["results"] == [body]
    assert api.get(f"series?connection={other.pk}&state=active").body["results"] == [body]
    assert api.get("series?state=ended").body["results"] == []


def test_a_repeated_request_starts_one_series(api: Api, connection: SocialConnection) -> None:
    sent = wish(connection)
    first = api.post("series", sent, Idempotency_Key="k1")
    again = api.post("series", sent, Idempotency_Key="k1")
    assert (again.status, again.body) == (201, first.body)
    assert PostSeries.objects.count() == 1


def test_the_workspace_s_zone_is_meant_if_none_is_given(
    api: Api, connection: SocialConnection
) -> None:
    Workspace.objects.update(time_zone="America/New_York")
    sent = wish(connection)
    del sent["time_zone"]
    assert created(api.post("series", sent)).time_zone == "America/New_York"


def test_missing_fields_are_all_named(api: Api, workspace: Workspace) -> None:
    api.post("series", {}).problem(422, "invalid", "rule", "starts", "connections", "text")


@pytest.mark.parametrize(
    ("fields", "status", "code", "field"),
    [
        ({"rule": "FREQ=HOURLY"}, 422, "invalid", "rule"),
        ({"rule": "FREQ=DAILY;UNTIL=20200101"}, 422, "invalid", "rule"),
        ({"rule": 7}, 400, "malformed", "rule"),
        ({"rule": "F" * 501}, 422, "invalid", "rule"),
        ({"starts": "2026-12-01T09:00:00Z"}, 422, "invalid", "starts"),
        ({"time_zone": "Mars/Olympus"}, 422, "invalid", "time_zone"),
        ({"text": "x" * 501}, 422, "invalid", "text"),
        ({"connections": []}, 422, "invalid", "connections"),
        ({"connections": ["nonsense"]}, 404, "not_found", "connections"),
        ({"connections": "all"}, 400, "malformed", "connections"),
        (
            {"variants": [{"connection": "x", "text": "y"}]},
            422, "invalid", "variants[0].connection",
        ),
        ({"scheduled_at": "2099-01-01T00:00:00Z"}, 422, "invalid", "scheduled_at"),
        ({"priority": 10}, 422, "invalid", "priority"),
        ({"name": "n" * 256}, 422, "invalid", "name"),
    ],
)  # fmt: skip
def test_bad_values_name_their_field(
    api: Api, connection: SocialConnection, fields: dict[str, Any], status: int, code: str,
    field: str,
) -> None:  # fmt: skip
    for address in ("series", "series/preview"):
        if address == "series/preview" and fields.get("connections") == []:
            continue  # a preview needs none
        api.post(address, wish(connection, **fields)).problem(status, code, field)
    assert not PostSeries.objects.exists()


def test_a_series_of_another_workspace_is_not_found(api: Api, series: PostSeries) -> None:
    stranger = keyed(make_workspace())
    for method, path, body in (
        ("GET", "", None), ("PATCH", "", {"name": "x"}), ("DELETE", "", None),
        ("GET", "/preview", None), ("GET", "/occurrences", None), ("POST", "/pause", {}),
        ("POST", "/skip", {"occurrence": iso(at(0))}),
    ):  # fmt: skip
        stranger(method, f"series/{series.pk}{path}", body).problem(404, "not_found", "id")
    api.get("series/nonsense").problem(404, "not_found", "id")
    foreign = str(make_connection().pk)
    api.post("series", wish(series.targets.get().connection, connections=[foreign])).problem(
        404, "not_found", "connections"
    )


def test_reading_and_writing_take_their_scopes(series: PostSeries) -> None:
    reader = keyed(series.workspace, "posts:read")
    assert reader.get(f"series/{series.pk}").status == 200
    sent = wish(series.targets.get().connection)
    assert reader.post("series/preview", sent).status == 200
    reader.post("series", sent).problem(403, "scope_missing")
    reader.post(f"series/{series.pk}/end").problem(403, "scope_missing")


def test_viewers_may_look_and_try_only(as_user: Callable[..., Api], series: PostSeries) -> None:
    Workspace.objects.filter(pk=series.workspace_id).update(external_id="o1")
    viewer = as_user("u1", org_id="o1", service=True)
    viewer.get("series")
    from accounts.models import Membership

    Membership.objects.update(role=Role.VIEWER)
    viewer = as_user("u1", org_id="o1")
    assert viewer.get(f"series/{series.pk}/preview").status == 200
    viewer.post(f"series/{series.pk}/pause").problem(403, "role_missing")


# --- dry runs -----------------------------------------------------------------------------------
def test_a_dry_run_shows_twelve_moments_and_keeps_nothing(api: Api, workspace: Workspace) -> None:
    answer = api.post(
        "series/preview",
        {
            "rule": "FREQ=DAILY;BYHOUR=2;BYMINUTE=30;BYMONTH=3;BYDAY=SU",
            "starts": "2027-03-01T00:00",
            "time_zone": "Europe/Berlin",
        },
    )
    assert answer.status == 200, answer.body
    found = {one["wall_clock"]: one for one in answer.body["results"]}
    assert len(found) == 12
    assert found["2027-03-28T02:30:00"] == {
        "at": "2027-03-28T01:30:00Z",
        "wall_clock": "2027-03-28T02:30:00",
        "shown_clock": "2027-03-28T03:30:00",
        "is_shifted": True,
        "is_doubled": False,
        "accounts": [],
    }
    assert not found["2027-03-21T02:30:00"]["is_shifted"]
    assert [notice["code"] for notice in answer.body["notices"]] == ["shifted"]
    assert not PostSeries.objects.exists()


def test_a_dry_run_takes_a_number(api: Api, workspace: Workspace) -> None:
    sent = {"rule": "FREQ=DAILY", "starts": "2027-03-01T00:00", "count": 100}
    assert len(api.post("series/preview", sent).body["results"]) == 100
    api.post("series/preview", {**sent, "count": 101}).problem(422, "invalid", "count")


def test_repeats_that_a_network_refuses_are_told(api: Api, workspace: Workspace) -> None:
    account = make_connection(workspace, platform="x")
    answer = api.post("series/preview", wish(account, rule="FREQ=DAILY;BYHOUR=9,12"))
    (notice,) = [one for one in answer.body["notices"] if one["code"] == "same_text"]
    assert "X may refuse" in notice["message"]


def test_the_preview_of_a_stored_series_knows_its_posts(api: Api, series: PostSeries) -> None:
    api.post(f"series/{series.pk}/skip", {"occurrence": iso(at(1))})
    body = api.get(f"series/{series.pk}/preview?count=11").body
    assert [one["at"] for one in body["results"]] == [iso_utc(n) for n in range(11)]
    first, second = body["results"][0]["accounts"][0], body["results"][1]["accounts"][0]
    assert (first["state"], first["post"]) == ("planned", str(posts_of(series)[0].pk))
    assert (second["state"], second["post_state"]) == ("skipped", "cancelled")
    assert body["results"][10]["accounts"] == []
    for count in ("0", "101", "x", "1" * 5000):
        api.get(f"series/{series.pk}/preview?count={count}").problem(422, "invalid", "count")


def iso_utc(number: int) -> str:
    from datetime import UTC

    return iso(at(number).astimezone(UTC))


# --- editing ------------------------------------------------------------------------------------
def test_an_edit_of_all_reaches_the_posts(api: Api, series: PostSeries) -> None:
    answer = api("PATCH", f"series/{series.pk}", {"text": "new", "version": 1})
    assert (answer.status, answer.body["version"]) == (200, 2)
    assert set(texts_of(series)) == {"new"}
    answer = api("PATCH", f"series/{series.pk}", {"text": "newer", "version": 1})
    assert "load it again" in answer.problem(409, "illegal_transition")["detail"]


def test_an_edit_of_one_occurrence(api: Api, series: PostSeries) -> None:
    sent = {"scope": "occurrence", "occurrence": iso_utc(1), "text": "mine"}
    assert api("PATCH", f"series/{series.pk}", sent).status == 200
    assert texts_of(series)[:3] == ["hello", "mine", "hello"]
    moved = {**sent, "scheduled_at": iso(at(1, hour=15))}
    assert api("PATCH", f"series/{series.pk}", moved).status == 200
    assert posts_of(series)[1].scheduled_at == at(1, hour=15)


def test_an_edit_of_this_and_following(api: Api, series: PostSeries) -> None:
    sent = {"scope": "following", "occurrence": iso_utc(3), "text": "new"}
    answer = api("PATCH", f"series/{series.pk}", sent)
    assert answer.status == 200, answer.body
    assert answer.body["continues"] == str(series.pk)
    rest = PostSeries.objects.get(pk=answer.body["id"])
    assert texts_of(series) == ["hello"] * 3
    assert set(texts_of(rest)) == {"new"}


def test_accounts_and_variants_are_changed_one_by_one(api: Api, series: PostSeries) -> None:
    one, two = series.targets.get().connection, make_connection(series.workspace)
    address = f"series/{series.pk}"
    api("PATCH", address, {"connections": [str(one.pk), str(two.pk)]})
    variants = [{"connection": str(two.pk), "text": "two"}]
    assert api("PATCH", address, {"variants": variants}).body["variants"] == [variant(two, "two")]
    assert sorted(set(texts_of(series))) == ["hello", "two"]
    kept = api("PATCH", address, {"connections": [str(two.pk)]}).body
    assert kept["variants"] == [variant(two, "two")]
    live = ScheduledPost.objects.filter(state=S.SCHEDULED)
    assert {post.connection_id for post in live} == {two.pk}


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        ({}, [""]),
        ({"version": 1}, [""]),
        ({"scope": "following", "text": "x"}, ["occurrence"]),
        ({"scope": "some", "text": "x"}, ["scope"]),
        ({"occurrence": "2099-01-01T00:00:00Z", "text": "x"}, ["occurrence"]),
        ({"scheduled_at": "2099-01-01T00:00:00Z"}, ["scheduled_at"]),
        (
            {"scope": "occurrence", "occurrence": "2099-01-01T00:00:00Z", "rule": "FREQ=DAILY"},
            ["rule"],
        ),
        (
            {"scope": "occurrence", "occurrence": "2099-01-01T00:00:01Z", "text": "x"},
            ["occurrence"],
        ),
        (
            {"scope": "following", "occurrence": "0001-01-01T00:00:00Z", "text": "x"},
            ["occurrence"],
        ),
        ({"rule": "FREQ=DAILY;UNTIL=20200101"}, ["rule"]),
    ],
)
def test_edits_that_make_no_sense_are_refused(
    api: Api, series: PostSeries, sent: dict[str, Any], fields: list[str]
) -> None:
    api("PATCH", f"series/{series.pk}", sent).problem(422, "invalid", *fields)
    series.refresh_from_db()
    assert series.version == 1


# --- actions ------------------------------------------------------------------------------------
def test_pause_resume_and_end(api: Api, series: PostSeries) -> None:
    address = f"series/{series.pk}"
    paused = api.post(f"{address}/pause", {"reason": "crisis"})
    assert (paused.status, paused.body["state"], paused.body["state_reason"]) == (
        200, "paused", "crisis",
    )  # fmt: skip
    assert {post.state for post in posts_of(series)} == {S.CANCELLED}
    api.post(f"{address}/pause").problem(409, "illegal_transition")
    assert api.post(f"{address}/resume").body["state"] == "active"
    assert {post.state for post in posts_of(series)} == {S.SCHEDULED}
    ended = api.post(f"{address}/end")
    assert (ended.body["state"], ended.body["next_occurrence_at"]) == ("ended", None)
    assert {post.state for post in posts_of(series)} == {S.CANCELLED}
    assert api.get(f"{address}/preview").body["results"] == []
    api("PATCH", address, {"text": "x"}).problem(409, "illegal_transition")
    api.post(f"{address}/skip", {"occurrence": iso(at(1))}).problem(409, "illegal_transition")


def test_delete_ends_it(api: Api, series: PostSeries) -> None:
    assert api("DELETE", f"series/{series.pk}").body["state"] == "ended"
    api("DELETE", f"series/{series.pk}").problem(409, "illegal_transition")


def test_skipping_needs_an_occurrence_that_is_to_come(api: Api, series: PostSeries) -> None:
    address = f"series/{series.pk}/skip"
    api.post(address, {}).problem(422, "invalid", "occurrence")
    api.post(address, {"occurrence": iso(timezone.now())}).problem(422, "invalid", "occurrence")
    api.post(address, {"occurrence": iso_utc(0), "connection": "x"}).problem(
        404, "not_found", "connection"
    )
    assert api.post(address, {"occurrence": iso_utc(0)}).status == 200


def test_occurrences_are_listed_in_their_order(api: Api, series: PostSeries) -> None:
    api.post(f"series/{series.pk}/skip", {"occurrence": iso_utc(2)})
    address = f"series/{series.pk}/occurrences"
    page = api.get(f"{address}?page_size=4").body
    assert [row["at"] for row in page["results"]] == [iso_utc(n) for n in range(4)]
    assert page["results"][2]["state"] == "skipped"
    rest = api.get(page["next"].partition("/api/v1/")[2]).body
    assert rest["results"][0]["at"] == iso_utc(4)
    only = api.get(f"{address}?state=skipped").body["results"]
    assert [row["at"] for row in only] == [iso_utc(2)]
    some = api.get(f"{address}?after={iso_utc(1)}&before={iso_utc(3)}").body["results"]
    assert [row["at"] for row in some] == [iso_utc(1), iso_utc(2)]
    api.get(f"{address}?state=lost").problem(422, "invalid", "state")
    api.get(f"{address}?after=soon").problem(422, "invalid", "after")
    api.get(f"{address}?cursor=zzz").problem(422, "invalid", "cursor")
