"""The posts of a workspace over the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, Workspace
from engine.models import Installation
from media.models import Asset
from platforms.models import SocialConnection
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.states import PostState
from tests.api.client import Api, iso, soon
from tests.factories import make_connection, make_post


def wish(connection: SocialConnection, /, **fields: Any) -> dict[str, Any]:
    return {
        "connection": str(connection.pk),
        "text": "hello",
        "scheduled_at": soon(),
        **fields,
    }


# --- creating ---------------------------------------------------------------------------------


def test_a_post_is_made_with_all_it_may_carry(
    api: Api, workspace: Workspace, connection: SocialConnection
) -> None:
    asset = Asset.objects.create(
        workspace=workspace, source_url="https://x.example/a.png", mime_type="image/png"
    )
    sent = wish(
        connection,
        segments=[{"text": "one"}, "two"],
        first_comment="",
        media=[
            {"asset": str(asset.pk), "segment": 1, "alt_text": "a bell"},
            {"url": "https://x.example/b.webp"},
        ],
        scheduled_at="2099-01-02T12:00:00+02:00",
        time_zone="Europe/Helsinki",
        priority=7,
        late_policy="publish",
        late_limit_minutes=5,
        callback_url="https://caller.example/hook",
        external_id="e-1",
    )
    del sent["text"]
    answer = api.post("posts", sent)
    assert answer.status == 201, answer.body
    shown = answer.body
    assert shown["segments"] == [{"text": "one"}, {"text": "two"}]
    assert [(m["url"], m["segment"], m["alt_text"]) for m in shown["media"]] == [
        ("https://x.example/b.webp", 0, ""),
        ("https://x.example/a.png", 1, "a bell"),
    ]
    expected = {
        "state": "scheduled",
        "platform": "sandbox",
        "connection": str(connection.pk),
        "scheduled_at": "2099-01-02T10:00:00Z",
        "due_at": "2099-01-02T10:00:00Z",
        "time_zone": "Europe/Helsinki",
        "priority": 7,
        "late_policy": "publish",
        "late_limit_minutes": 5,
        "callback_url": "https://caller.example/hook",
        "external_id": "e-1",
        "lateness_ms": None,
        "last_error": None,
        "content_version": 1,
    }
    assert {name: shown[name] for name in expected} == expected
    assert api.get(f"posts/{shown['id']}").body == shown


def test_the_workspaces_zone_is_the_default(
    api: Api, workspace: Workspace, connection: SocialConnection
) -> None:
    workspace.time_zone = "Asia/Tokyo"
    workspace.save()
    assert api.post("posts", wish(connection)).body["time_zone"] == "Asia/Tokyo"


def test_an_external_id_that_is_there_answers_200_and_changes_nothing(
    api: Api, connection: SocialConnection
) -> None:
    first = api.post("posts", wish(connection, external_id="e-1"))
    again = api.post("posts", wish(connection, external_id="e-1"))
    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body
    other = api.post("posts", wish(connection, external_id="e-1", text="other"))
    assert (other.status, other.body["errors"][0]["code"]) == (422, "external_id_taken")
    assert ScheduledPost.objects.count() == 1


def test_a_draft_needs_no_moment_and_is_not_due(api: Api, connection: SocialConnection) -> None:
    sent = wish(connection, draft=True)
    del sent["scheduled_at"]
    shown = api.post("posts", sent).body
    assert (shown["state"], shown["due_at"]) == ("draft", None)


@pytest.mark.parametrize(
    ("fields", "status", "field", "code"),
    [
        ({"scheduled_at": "2099-01-01T10:00:00"}, 422, "scheduled_at", "naive_datetime"),
        ({"scheduled_at": "2001-01-01T10:00:00Z"}, 422, "scheduled_at", "too_late"),
        ({"time_zone": "Mars/Base"}, 422, "time_zone", "unknown_zone"),
        ({"time_zone": "Europe"}, 422, "time_zone", "unknown_zone"),
        ({"time_zone": "../../etc/passwd"}, 422, "time_zone", "unknown_zone"),
        ({"time_zone": "x" * 300}, 422, "time_zone", "unknown_zone"),
        ({"time_zone": 2}, 400, "time_zone", "wrong_type"),
        ({"text": "x" * 501}, 422, "text", "text_too_long"),
        ({"text": ""}, 422, "text", "text_missing"),
        ({"text": None}, 422, "text", "required"),
        ({"segments": ["a"]}, 422, "text", "one_of"),
        ({"text": None, "segments": []}, 422, "segments", "empty"),
        ({"text": None, "segments": ["a", 5]}, 400, "segments[1]", "wrong_type"),
        ({"text": None, "segments": ["a", "x" * 501]}, 422, "segments[1].text", "text_too_long"),
        ({"text": None, "segments": {"text": "a"}}, 400, "segments", "not_a_list"),
        ({"media": [{}]}, 422, "media[0].url", "one_of"),
        ({"media": [{"asset": "nonsense"}]}, 404, "media[0].asset", "unknown"),
        ({"media": [{"url": "javascript:alert(1)"}]}, 422, "media[0].url", "not_a_url"),
        ({"media": ["https://x.example/a.png"]}, 400, "media[0]", "not_an_object"),
        ({"options": []}, 400, "options", "not_a_dict"),
        ({"priority": -1}, 422, "priority", "out_of_range"),
        ({"priority": 1.5}, 400, "priority", "wrong_type"),
        ({"late_policy": "never"}, 422, "late_policy", "invalid_choice"),
        ({"late_limit_minutes": -1}, 422, "late_limit_minutes", "min_value"),
        ({"external_id": "e" * 256}, 422, "external_id", "max_length"),
        ({"callback_url": "https://x.example/" + "a" * 2000}, 422, "callback_url", "max_length"),
        ({"draft": "yes"}, 400, "draft", "wrong_type"),
        ({"schedule_at": "x"}, 422, "schedule_at", "unknown_field"),
        ({"state": "published"}, 422, "state", "unknown_field"),
        ({"connection": "nonsense"}, 404, "connection", "unknown"),
        ({"connection": None}, 400, "connection", "null"),
    ],
)
def test_bad_values_name_their_field_and_nothing_is_written(
    api: Api,
    connection: SocialConnection,
    fields: dict[str, Any],
    status: int,
    field: str,
    code: str,
) -> None:
    name = {400: "malformed", 404: "not_found", 422: "invalid"}[status]
    problem = api.post("posts", wish(connection, **fields)).problem(status, name, field)
    assert problem["errors"][0]["code"] == code
    assert not ScheduledPost.objects.exists()
    assert not Asset.objects.exists()


def test_another_workspaces_connection_is_not_found(api: Api) -> None:
    api.post("posts", wish(make_connection())).problem(404, "not_found", "connection")


def test_a_disconnected_account_is_refused(api: Api, connection: SocialConnection) -> None:
    SocialConnection.objects.update(state="revoked")
    problem = api.post("posts", wish(connection)).problem(422, "invalid", "connection")
    assert problem["errors"][0]["code"] == "revoked"


# --- looking ----------------------------------------------------------------------------------


def test_pages_show_every_post_once_newest_first(api: Api, connection: SocialConnection) -> None:
    ids = [str(make_post(connection).pk) for _ in range(5)]
    make_post()  # another workspace's
    page = api.get("posts?page_size=2").body
    seen = [post["id"] for post in page["results"]]
    late = str(make_post(connection).pk)  # arrives while somebody turns pages
    while page["next"]:
        page = api.get("posts?" + page["next"].partition("?")[2]).body
        seen += [post["id"] for post in page["results"]]
    assert seen == sorted(ids, reverse=True)
    assert api.get("posts").body["results"][0]["id"] == late


def test_a_paused_installation_is_told_as_the_reason_of_waiting(
    api: Api, connection: SocialConnection
) -> None:
    post = make_post(connection)
    Installation.objects.update_or_create(pk=1, defaults={"paused": True})
    for shown in (api.get(f"posts/{post.pk}").body, api.get("posts").body["results"][0]):
        assert "Sending is paused" in shown["explanation"]
        assert shown["needs_person"] is True


def test_a_page_costs_the_same_queries_however_full_it_is(
    api: Api, connection: SocialConnection, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        make_post(connection)
    with django_assert_max_num_queries(7):
        assert len(api.get("posts").body["results"]) == 20


@pytest.mark.parametrize("cursor", ["nonsense", "cD1ub25zZW5zZQ==", "cj0xJnA9MQ=="])
def test_a_made_up_cursor_is_refused(api: Api, connection: SocialConnection, cursor: str) -> None:
    api.get(f"posts?cursor={cursor}").problem(422, "invalid", "cursor")


def test_filters_narrow_the_list(api: Api, workspace: Workspace) -> None:
    moment = datetime(2099, 1, 1, 12, tzinfo=UTC)
    first, second = make_connection(workspace), make_connection(workspace, platform="x")
    a = make_post(first, due_at=moment, external_id="a")
    b = make_post(second, due_at=moment + timedelta(hours=1))
    c = make_post(first, due_at=moment + timedelta(hours=2), state=PostState.FAILED)
    names = {str(a.pk): "a", str(b.pk): "b", str(c.pk): "c"}
    for query, expected in {
        "state=failed": "c",
        "state=failed,scheduled": "abc",
        "platform=twitter": "b",
        f"connection={first.pk}": "ac",
        "external_id=a": "a",
        f"scheduled_after={iso(b.scheduled_at)}": "bc",
        f"scheduled_before={iso(b.scheduled_at)}": "a",
        "scheduled_after=2099-01-01T14:00:00+01:00": "bc",
    }.items():
        found = api.get(f"posts?{query}").body["results"]
        assert "".join(sorted(names[post["id"]] for post in found)) == expected, query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=gone", "state"),
        ("platform=friendster", "platform"),
        ("connection=7", "connection"),
        ("external_id=%00", "external_id"),
        ("scheduled_after=yesterday", "scheduled_after"),
        ("scheduled_before=2099-01-01T10:00:00", "scheduled_before"),
    ],
)
def test_bad_filters_name_themselves(api: Api, query: str, field: str) -> None:
    api.get(f"posts?{query}").problem(422, "invalid", field)


def test_a_failure_is_shown_with_its_next_step_and_lateness(
    api: Api, connection: SocialConnection
) -> None:
    post = make_post(
        connection,
        state=PostState.DEAD_LETTER,
        attempts=7,
        last_category="server_error",
        last_error="HTTP 503.",
    )
    ScheduledPost.objects.update(first_sent_at=post.scheduled_at + timedelta(milliseconds=2.5))
    shown = api.get(f"posts/{post.pk}").body
    assert shown["lateness_ms"] == 2.5
    assert shown["last_error"]["category"] == "server_error"
    assert "equeue" in shown["last_error"]["next_step"]


def test_attempts_and_transitions_are_told_in_order(api: Api, connection: SocialConnection) -> None:
    post = make_post(connection)
    for number in (1, 2):
        PublishAttempt.objects.create(
            post=post, number=number, fencing_token=number, started_at=timezone.now(),
            http_status=503, category="server_error",
        )  # fmt: skip
    api.post(f"posts/{post.pk}/cancel", {"reason": "not yet"})
    api.post(f"posts/{post.pk}/retry")
    attempts = api.get(f"posts/{post.pk}/attempts").body["results"]
    assert [(a["number"], a["http_status"]) for a in attempts] == [(1, 503), (2, 503)]
    moves = api.get(f"posts/{post.pk}/transitions").body["results"]
    assert [(m["source"], m["target"], m["reason"]) for m in moves] == [
        ("scheduled", "cancelled", "not yet"),
        ("cancelled", "scheduled", "requeued by a person"),
    ]
    assert all(m["actor"].startswith("key:crl_") for m in moves)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("GET", "/attempts"),
        ("GET", "/transitions"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("POST", "/publish-now"),
        ("POST", "/resolve"),
    ],
)
def test_posts_of_others_and_of_nobody_are_not_found(api: Api, method: str, path: str) -> None:
    other = make_post()
    body = {"live": True} if path == "/resolve" else {"text": "x"} if method == "PATCH" else None
    for post_id in (str(other.pk), "7"):
        api(method, f"posts/{post_id}{path}", body).problem(404, "not_found", "id")
    assert not AuditEvent.objects.filter(action__startswith="post.").exists()


# --- changing ---------------------------------------------------------------------------------


def test_an_edit_raises_the_version_and_moves_the_moment(
    api: Api, connection: SocialConnection
) -> None:
    post = make_post(connection)
    shown = api(
        "PATCH", f"posts/{post.pk}", {"text": "new", "scheduled_at": "2099-05-05T05:05:05Z"}
    ).body
    assert shown["segments"] == [{"text": "new"}]
    assert shown["due_at"] == shown["scheduled_at"] == "2099-05-05T05:05:05Z"
    assert shown["content_version"] == 2


def test_media_are_replaced(api: Api, connection: SocialConnection) -> None:
    post = make_post(connection)
    path = f"posts/{post.pk}"
    api("PATCH", path, {"media": [{"url": "https://x.example/a.png"}]})
    shown = api("PATCH", path, {"media": [{"url": "https://x.example/b.png"}]}).body
    assert [m["url"] for m in shown["media"]] == ["https://x.example/b.png"]
    assert api("PATCH", path, {"media": []}).body["media"] == []


def test_an_edit_of_an_outdated_version_is_refused(api: Api, connection: SocialConnection) -> None:
    post = make_post(connection)
    path, change = f"posts/{post.pk}", {"text": "new", "content_version": 1}
    assert api("PATCH", path, change).status == 200
    api("PATCH", path, change).problem(409, "illegal_transition")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"text": "x" * 501}, "text"),
        ({"scheduled_at": "2001-01-01T00:00:00Z"}, "scheduled_at"),
        ({"time_zone": "Nowhere"}, "time_zone"),
        ({"state": "published"}, "state"),
        ({"connection": "x"}, "connection"),
        ({}, ""),
    ],
)
def test_a_bad_edit_changes_nothing(
    api: Api, connection: SocialConnection, change: dict[str, Any], field: str
) -> None:
    post = make_post(connection)
    api("PATCH", f"posts/{post.pk}", change).problem(422, "invalid", field)
    post.refresh_from_db()
    assert (post.segments, post.content_version) == ([{"text": "hello"}], 1)


def test_what_was_sent_cannot_be_edited(api: Api, connection: SocialConnection) -> None:
    post = make_post(connection, state=PostState.PUBLISHED)
    api("PATCH", f"posts/{post.pk}", {"text": "x"}).problem(409, "illegal_transition")


def test_publish_now_makes_it_due_at_once(api: Api, connection: SocialConnection) -> None:
    post = make_post(connection, due_at=timezone.now() + timedelta(days=1))
    shown = api.post(f"posts/{post.pk}/publish-now/").body
    assert abs(datetime.fromisoformat(shown["due_at"]) - timezone.now()) < timedelta(seconds=5)
    assert AuditEvent.objects.filter(action="post.published_now").exists()


SEEN = "http://127.0.0.1:8010/#sandbox-17"


def in_doubt(connection: SocialConnection, **fields: Any) -> ScheduledPost:
    sent_at = timezone.now() - timedelta(minutes=5)
    return make_post(connection, state=PostState.OUTCOME_UNKNOWN, **{"sent_at": sent_at, **fields})


@pytest.mark.parametrize(("live", "state"), [(True, "published"), (False, "scheduled")])
def test_a_person_settles_an_unknown_outcome(
    api: Api, connection: SocialConnection, live: bool, state: str
) -> None:
    sent_at = timezone.now() - timedelta(minutes=5)
    post = make_post(connection, state=PostState.OUTCOME_UNKNOWN, sent_at=sent_at)
    body = {"live": live, "permalink": SEEN, "reason": "looked"}
    shown = api.post(f"posts/{post.pk}/resolve", body).body
    assert shown["state"] == state
    assert shown["permalink"] == (SEEN if live else None)


def test_an_answer_about_a_thread_names_the_part_and_the_rest_goes_on(
    api: Api, connection: SocialConnection
) -> None:
    post = in_doubt(
        connection,
        segments=[{"text": text} for text in ("one", "two", "three", "four")],
        progress={"published": ["16"]},
    )
    shown = api.get(f"posts/{post.pk}").body
    assert shown["in_doubt"] == {
        "part": 2,
        "parts": 4,
        "text": "two",
        "account_address": f"http://127.0.0.1:8010/?account={connection.username}",
    }
    assert "part 2 of 4" in shown["explanation"]
    path = f"posts/{post.pk}/resolve"
    api.post(path, {"live": True, "part": 2}).problem(422, "invalid", "permalink")
    assert api.post(path, {"live": True, "part": 1, "permalink": SEEN}).status == 409
    shown = api.post(path, {"live": True, "part": 2, "permalink": SEEN}).body
    assert (shown["state"], shown["in_doubt"]) == ("scheduled", None)
    post.refresh_from_db()
    assert post.progress == {"published": ["16", "17"]}


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"permalink": "not an address"}, "permalink"),
        ({"permalink": "ftp://x.example/1"}, "permalink"),
        ({"permalink": "https://x.example/1"}, "permalink"),
        ({"permalink": SEEN, "remote_id": "18"}, "remote_id"),
        ({"part": 0}, "part"),
        ({"url": SEEN}, "url"),
    ],
)
def test_what_cannot_be_the_posts_address_is_refused(
    api: Api, connection: SocialConnection, wish: dict[str, Any], field: str
) -> None:
    post = in_doubt(connection)
    api.post(f"posts/{post.pk}/resolve", {"live": True, **wish}).problem(422, "invalid", field)
    post.refresh_from_db()
    assert post.state == PostState.OUTCOME_UNKNOWN


def test_a_retry_of_an_unknown_outcome_needs_a_person_s_word(
    api: Api, connection: SocialConnection
) -> None:
    post = in_doubt(connection)
    refused = api.post(f"posts/{post.pk}/retry", {}).problem(409, "illegal_transition")
    assert "a second copy appears" in refused["detail"]
    assert api.post(f"posts/{post.pk}/retry", {"confirm_not_live": False}).status == 409
    shown = api.post(f"posts/{post.pk}/retry", {"confirm_not_live": True, "reason": "looked"}).body
    assert (shown["state"], shown["publish_run"]) == ("scheduled", 2)
    assert AuditEvent.objects.get(action="post.requeued").detail == {"confirmed_not_live": True}


def test_not_live_is_refused_while_the_call_may_still_land(
    api: Api, connection: SocialConnection
) -> None:
    post = make_post(connection, state=PostState.OUTCOME_UNKNOWN, sent_at=timezone.now())
    refused = api.post(f"posts/{post.pk}/resolve", {"live": False, "reason": "looked"})
    assert refused.status == 409
    confirmed = api.post(f"posts/{post.pk}/retry", {"confirm_not_live": True})
    assert confirmed.status == 409
    assert "may still take effect until" in confirmed.body["detail"]
    assert "may still take effect" in refused.body["detail"]


@pytest.mark.parametrize(
    ("action", "state", "body"),
    [
        ("cancel", PostState.PUBLISHED, {}),
        ("cancel", PostState.CANCELLED, {}),
        ("retry", PostState.PUBLISHED, {}),
        ("retry", PostState.SCHEDULED, {}),
        ("publish-now", PostState.PUBLISHED, {}),
        ("resolve", PostState.PUBLISHED, {"live": True}),
    ],
)
def test_illegal_actions_are_conflicts(
    api: Api, connection: SocialConnection, action: str, state: PostState, body: dict[str, Any]
) -> None:
    post = make_post(connection, state=state)
    api.post(f"posts/{post.pk}/{action}", body).problem(409, "illegal_transition")
    post.refresh_from_db()
    assert post.state == state


def test_a_resolution_must_say_what_was_seen(api: Api, connection: SocialConnection) -> None:
    post = make_post(connection, state=PostState.OUTCOME_UNKNOWN)
    path = f"posts/{post.pk}/resolve"
    api.post(path, {}).problem(422, "invalid", "live")
    api.post(path, {"live": "yes"}).problem(400, "malformed", "live")


# --- connections and the caller -----------------------------------------------------------------


def test_connections_are_listed_without_their_credentials(
    api: Api, connection: SocialConnection
) -> None:
    make_connection()  # another workspace's
    [shown] = api.get("connections").body["results"]
    assert shown["id"] == str(connection.pk)
    assert shown["state"] == "active"
    assert not {"secret", "credentials"} & set(shown)
    assert not any(str(value) in str(shown) for value in connection.get_credentials().values())


def test_me_tells_who_and_where(api: Api, workspace: Workspace) -> None:
    me = api.get("me").body
    assert me["actor"].startswith("key:crl_")
    assert me["workspace"]["slug"] == workspace.slug
    assert me["role"] == "editor"


def test_a_cancelled_post_stays_cancelled_once_its_external_id_is_scheduled_again(
    api: Api, connection: SocialConnection
) -> None:
    first = api.post("posts", wish(connection, external_id="e-1")).body["id"]
    api.post(f"posts/{first}/cancel")
    second = api.post("posts", wish(connection, external_id="e-1"))
    assert second.status == 201
    problem = api.post(f"posts/{first}/retry").problem(409, "illegal_transition")
    assert "e-1 was scheduled again" in problem["detail"]


def test_a_repeat_leaves_no_asset_behind(api: Api, connection: SocialConnection) -> None:
    sent = wish(connection, external_id="e-1", media=[{"url": "https://x.example/a.png"}])
    for _ in range(2):
        api.post("posts", sent)
    assert Asset.objects.count() == 1


def test_warnings_are_shown_while_the_post_waits(api: Api, connection: SocialConnection) -> None:
    shown = api.post("posts", wish(connection)).body
    assert (shown["warnings"], shown["preflight_at"]) == ([], None)
    found = [{"code": "token_ends", "message": "The access ends: reconnect."}]
    ScheduledPost.objects.update(warnings=found, preflight_at=timezone.now())
    shown = api.get(f"posts/{shown['id']}").body
    assert shown["warnings"] == found
    assert shown["preflight_at"].endswith("Z")
    ScheduledPost.objects.update(state="published", due_at=None)
    assert api.get(f"posts/{shown['id']}").body["warnings"] == []


def test_how_late_a_post_may_be_can_be_changed_and_taken_back(
    api: Api, connection: SocialConnection
) -> None:
    post = api.post("posts", wish(connection, late_policy="publish", late_limit_minutes=5)).body
    wanted = {"late_policy": "hold", "late_limit_minutes": None}
    changed = api("PATCH", f"posts/{post['id']}", wanted)
    assert changed.status == 200, changed.body
    assert (changed.body["late_policy"], changed.body["late_limit_minutes"]) == ("hold", None)
