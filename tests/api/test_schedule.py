"""POST /schedule, GET and DELETE /schedule/{job_id}: the shapes the predecessor's callers know."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import adapter_for
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.api.client import Answer, Api, soon
from tests.factories import make_connection, make_post, make_workspace


def wish(**fields: Any) -> dict[str, Any]:
    return {
        "content_id": "c-1",
        "platform": "sandbox",
        "scheduled_at": soon(),
        "user_id": "u1",
        "org_id": "o1",
        "text": "hello",
        **fields,
    }


def scheduled(answer: Answer, status: int = 201) -> ScheduledPost:
    assert answer.status == status, answer.body
    return ScheduledPost.objects.get(pk=answer.body["job_id"])


# --- the happy path -------------------------------------------------------------------------


def test_a_text_for_a_connection_is_scheduled(api: Api, connection: SocialConnection) -> None:
    answer = api.post(
        "schedule",
        wish(connection_id=str(connection.pk), scheduled_at="2099-02-15T11:00:00+01:00"),
    )
    post = scheduled(answer)
    assert answer.body == {
        "job_id": str(post.pk),
        "status": "scheduled",
        "scheduled_at": "2099-02-15T10:00:00Z",
    }
    assert post.state == PostState.SCHEDULED
    assert post.due_at == post.scheduled_at == datetime(2099, 2, 15, 10, tzinfo=UTC)
    assert (post.external_id, post.segments) == ("c-1", [{"text": "hello"}])


def test_the_job_is_echoed_without_any_secret(
    api: Api, connection: SocialConnection, settings: Any
) -> None:
    settings.DJANGO_API_URL = "https://django.example/"
    sent = wish(connection_id=str(connection.pk), priority=3, scheduled_at="2099-02-15T10:00:00Z")
    job_id = api.post("schedule/", sent).body["job_id"]
    assert api.get(f"schedule/{job_id}").body == {
        "job_id": job_id,
        "status": "delayed",
        "state": "scheduled",
        "progress": 0,
        "data": {
            "content_id": "c-1",
            "platform": "sandbox",
            "scheduled_at": "2099-02-15T10:00:00Z",
            "user_id": "u1",
            "org_id": "o1",
            "connection_id": str(connection.pk),
            "text": "hello",
            "media_urls": [],
            "priority": 3,
            "callback_url": "https://django.example/api/v1/scheduling/callback/",
        },
        "return_value": None,
    }


def test_the_same_content_is_scheduled_once(api: Api, connection: SocialConnection) -> None:
    first = scheduled(api.post("schedule", wish()))
    again = api.post("schedule", wish(scheduled_at=soon(hours=9)))
    assert scheduled(again, 200) == first
    assert again.body["status"] == "scheduled"
    assert again.body["scheduled_at"] == first.scheduled_at.isoformat().replace("+00:00", "Z")
    other = api.post("schedule", wish(text="other"))
    assert (other.status, other.body["errors"][0]["code"]) == (422, "external_id_taken")
    ScheduledPost.objects.update(state=PostState.PUBLISHED, due_at=None)
    assert api.post("schedule", wish()).body["status"] == "completed"


def test_cancelled_content_may_be_scheduled_again(api: Api, connection: SocialConnection) -> None:
    first = api.post("schedule", wish()).body["job_id"]
    assert api("DELETE", f"schedule/{first}").status == 200
    second = api.post("schedule", wish())
    assert second.status == 201
    assert second.body["job_id"] != first


def test_media_are_noted_to_be_fetched_ahead(api: Api, connection: SocialConnection) -> None:
    urls = ["https://cdn.example/a.png", "https://cdn.example/b.jpg?x=1"]
    post = scheduled(api.post("schedule", wish(media_urls=urls)))
    assets = [row.asset for row in post.post_media.all()]
    assert [asset.source_url for asset in assets] == urls
    assert [asset.kind for asset in assets] == ["image", "image"]
    assert [asset.mime_type for asset in assets] == ["image/png", "image/jpeg"]
    assert post.media_count == 2
    assert post.needs_preparation
    assert api.get(f"schedule/{post.pk}").body["data"]["media_urls"] == urls


def test_null_counts_as_absent(api: Api, connection: SocialConnection) -> None:
    sent = wish(access_token=None, connection_id=None, media_urls=None, priority=None)
    post = scheduled(api.post("schedule", {**sent, "callback_url": None}))
    assert (post.priority, post.callback_url) == (0, "")


def test_twitter_is_x_and_is_echoed_as_it_was_sent(api: Api, workspace: Workspace) -> None:
    make_connection(workspace, platform="x", credentials={"access_token": "t"})
    post = scheduled(api.post("schedule", wish(platform="twitter")))
    assert post.platform == "x"
    assert api.get(f"schedule/{post.pk}").body["data"]["platform"] == "twitter"


# --- drafts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["id", "external_id"])
def test_without_a_text_the_stored_draft_is_scheduled(
    api: Api, connection: SocialConnection, by: str
) -> None:
    draft = make_post(connection, state=PostState.DRAFT, text="kept", external_id="draft-1")
    sent = wish(content_id=str(draft.pk) if by == "id" else "draft-1")
    del sent["text"]
    post = scheduled(api.post("schedule", sent))
    assert post.pk == draft.pk
    assert (post.state, post.segments) == (PostState.SCHEDULED, [{"text": "kept"}])
    assert post.due_at == post.scheduled_at > timezone.now()
    assert post.transitions.get().target == "scheduled"
    assert scheduled(api.post("schedule", sent), 200).pk == draft.pk


def test_a_text_completes_the_draft_of_the_same_content(
    api: Api, connection: SocialConnection
) -> None:
    draft = make_post(connection, state=PostState.DRAFT, text="old", external_id="c-1")
    post = scheduled(api.post("schedule", wish(text="new")))
    assert post.pk == draft.pk
    assert (post.state, post.segments) == (PostState.SCHEDULED, [{"text": "new"}])


@pytest.mark.parametrize("text", [None, ""])
def test_without_a_text_an_unknown_content_id_is_refused(
    api: Api, connection: SocialConnection, text: str | None
) -> None:
    make_post(make_connection(), state=PostState.DRAFT, external_id="c-1")  # another workspace's
    problem = api.post("schedule", wish(text=text)).problem(422, "invalid", "text")
    assert "content_id" in problem["detail"]


def test_a_draft_that_breaks_a_rule_stays_a_draft(api: Api, connection: SocialConnection) -> None:
    draft = make_post(connection, state=PostState.DRAFT, text="x" * 501, external_id="c-1")
    api.post("schedule", wish(text=None)).problem(422, "invalid", "text")
    draft.refresh_from_db()
    assert draft.state == PostState.DRAFT


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "status", "code", "field", "field_code"),
    [
        ({"scheduled_at": "2099-02-15T10:00:00"}, 422, "invalid", "scheduled_at", "naive_datetime"),
        ({"scheduled_at": "2099-02-15"}, 422, "invalid", "scheduled_at", "naive_datetime"),
        ({"scheduled_at": "tomorrow"}, 422, "invalid", "scheduled_at", "not_an_instant"),
        (
            {"scheduled_at": "9999-12-31T23:59:59-12:00"},
            422, "invalid", "scheduled_at", "not_an_instant",
        ),
        ({"scheduled_at": 4070908800}, 400, "malformed", "scheduled_at", "wrong_type"),
        ({"scheduled_at": "2020-01-01T00:00:00Z"}, 422, "invalid", "scheduled_at", "too_late"),
        ({"scheduled_at": "0001-01-01T00:00:00Z"}, 422, "invalid", "scheduled_at", "too_late"),
        ({"platform": "friendster"}, 422, "invalid", "platform", "unknown"),
        ({"text": "x" * 501}, 422, "invalid", "text", "text_too_long"),
        ({"text": ["x"]}, 400, "malformed", "text", "wrong_type"),
        ({"priority": 10}, 422, "invalid", "priority", "out_of_range"),
        ({"priority": "high"}, 400, "malformed", "priority", "wrong_type"),
        ({"priority": True}, 400, "malformed", "priority", "wrong_type"),
        ({"callback_url": "ftp://x.example"}, 422, "invalid", "callback_url", "not_a_url"),
        ({"callback_url": "x"}, 422, "invalid", "callback_url", "not_a_url"),
        ({"media_urls": "https://x.example/a.png"}, 400, "malformed", "media_urls", "not_a_list"),
        (
            {"media_urls": ["https://x.example/film.mp4"]},
            422, "invalid", "media_urls[0]", "media_unsupported",
        ),
        ({"media_urls": ["file:///etc/passwd"]}, 422, "invalid", "media_urls[0]", "not_a_url"),
        ({"content_id": "c" * 256}, 422, "invalid", "content_id", "max_length"),
        ({"content_id": {"a": 1}}, 400, "malformed", "content_id", "wrong_type"),
        ({"org_id": ""}, 422, "invalid", "org_id", "blank"),
        ({"connection_id": "nonsense"}, 404, "not_found", "connection_id", "unknown"),
        ({"connection_id": 7}, 400, "malformed", "connection_id", "wrong_type"),
    ],
)  # fmt: skip
def test_bad_values_name_their_field(
    api: Api,
    connection: SocialConnection,
    fields: dict[str, Any],
    status: int,
    code: str,
    field: str,
    field_code: str,
) -> None:
    problem = api.post("schedule", wish(**fields)).problem(status, code, field)
    assert problem["errors"][0]["code"] == field_code
    assert not ScheduledPost.objects.exists()


def test_missing_fields_are_all_named(api: Api, workspace: Workspace) -> None:
    problem = api.post("schedule", {}).problem(
        422, "invalid", "content_id", "platform", "scheduled_at", "user_id", "org_id"
    )
    assert {error["code"] for error in problem["errors"]} == {"required"}


def test_a_connection_of_another_workspace_is_not_found(
    api: Api, connection: SocialConnection
) -> None:
    other = make_connection()
    api.post("schedule", wish(connection_id=str(other.pk))).problem(
        404, "not_found", "connection_id"
    )


def test_a_connection_of_another_platform_is_refused(api: Api, workspace: Workspace) -> None:
    other = make_connection(workspace, platform="x")
    api.post("schedule", wish(connection_id=str(other.pk))).problem(422, "invalid", "connection_id")


def test_without_a_connection_the_choice_must_be_clear(api: Api, workspace: Workspace) -> None:
    answer = api.post("schedule", wish())
    assert answer.problem(422, "invalid", "connection_id")["errors"][0]["code"] == "required"
    make_connection(workspace)
    make_connection(workspace)
    answer = api.post("schedule", wish())
    assert answer.problem(422, "invalid", "connection_id")["errors"][0]["code"] == "ambiguous"


def test_a_refused_post_leaves_no_asset(api: Api, connection: SocialConnection) -> None:
    sent = wish(media_urls=["https://x.example/a.png"], text="x" * 501)
    assert api.post("schedule", sent).status == 422
    assert not connection.workspace.assets.exists()


# --- tokens ---------------------------------------------------------------------------------


def test_a_bare_token_makes_a_verified_encrypted_connection(
    as_user: Callable[..., Api], networks: Callable[..., None], token: str
) -> None:
    caller = as_user("u1", org_id="o1")
    answer = caller.post("schedule", wish(access_token=token))
    connection = scheduled(answer).connection
    assert connection.username == token.removeprefix("demo-")
    assert connection.get_credentials() == {"access_token": token}
    assert token.encode() not in bytes(connection.secret)
    assert connection.workspace.external_id == "o1"
    assert connection.created_by is not None
    assert connection.created_by.external_id == "u1"
    job = caller.get(f"schedule/{answer.body['job_id']}")
    assert token not in str(job.body)
    assert "access_token" not in str(job.body)


def test_the_next_post_with_the_same_token_uses_the_same_connection(
    api: Api, networks: Callable[..., None], token: str
) -> None:
    first = scheduled(api.post("schedule", wish(access_token=token))).connection
    networks(network="sandbox", on="all", fail={"status": 500})  # no further call is made
    second = scheduled(api.post("schedule", wish(access_token=token, content_id="c-2"))).connection
    assert (second.pk, second.version) == (first.pk, first.version)


def test_a_known_account_gets_the_new_credentials(
    api: Api, workspace: Workspace, networks: Callable[..., None], token: str
) -> None:
    first = scheduled(api.post("schedule", wish(access_token=token))).connection
    first.set_credentials({"access_token": "old"})
    first.state, first.version = ConnectionState.NEEDS_RECONNECT, 5
    first.save()
    second = scheduled(api.post("schedule", wish(access_token=token, content_id="c-2"))).connection
    assert (second.pk, second.version, second.state) == (first.pk, 6, ConnectionState.ACTIVE)
    assert second.get_credentials() == {"access_token": token}


def test_a_paused_account_stays_paused(api: Api, networks: Callable[..., None], token: str) -> None:
    first = scheduled(api.post("schedule", wish(access_token=token))).connection
    SocialConnection.objects.update(state=ConnectionState.PAUSED, state_reason="holidays")
    second = scheduled(api.post("schedule", wish(access_token=token, content_id="c-2"))).connection
    assert (second.pk, second.state) == (first.pk, ConnectionState.PAUSED)


@pytest.mark.parametrize("platform", ["sandbox", "twitter"])
def test_a_token_the_network_refuses_is_named(
    api: Api, networks: Callable[..., None], platform: str
) -> None:
    sent = wish(access_token="nobody's", platform=platform)
    problem = api.post("schedule", sent).problem(422, "invalid", "access_token")
    assert "nobody's" not in str(problem)
    assert not SocialConnection.objects.exists()
    assert not ScheduledPost.objects.exists()


def test_a_network_that_needs_more_than_a_token_says_what(
    api: Api, networks: Callable[..., None], token: str
) -> None:
    sent = wish(access_token=token, platform="mastodon")
    problem = api.post("schedule", sent).problem(422, "invalid", "access_token")
    assert "instance" in problem["detail"]


def test_a_network_that_is_down_is_no_fault_of_the_caller(
    api: Api, settings: Any, token: str, networks: Callable[..., None]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings.PLATFORMS = {
            **settings.PLATFORMS,
            "sandbox": {"api_base": f"http://127.0.0.1:{closed.getsockname()[1]}"},
        }
        adapter_for.cache_clear()
        answer = api.post("schedule", wish(access_token=token))
    answer.problem(503, "platform_unavailable")
    assert answer.headers["Retry-After"] == "30"
    assert not SocialConnection.objects.exists()


def test_a_rate_limited_network_says_when_to_ask_again(
    api: Api, token: str, networks: Callable[..., None]
) -> None:
    networks(network="sandbox", on="account", fail={"status": 429, "retry_after": 77})
    answer = api.post("schedule", wish(access_token=token))
    answer.problem(503, "platform_unavailable")
    assert answer.headers["Retry-After"] == "77"


# --- the life of a job ------------------------------------------------------------------------

LATER = timedelta(hours=1)


@pytest.mark.parametrize(
    ("state", "due_in", "status", "progress"),
    [
        (PostState.DRAFT, None, "waiting", 0),
        (PostState.SCHEDULED, LATER, "delayed", 0),
        (PostState.QUEUED, LATER, "delayed", 0),
        (PostState.QUEUED, -LATER, "waiting", 0),
        (PostState.BLOCKED, None, "waiting", 0),
        (PostState.HELD, None, "waiting", 0),
        (PostState.PROCESSING, LATER, "active", 50),
        (PostState.OUTCOME_UNKNOWN, LATER, "active", 50),
        (PostState.PUBLISHED, None, "completed", 100),
        (PostState.FAILED, None, "failed", 0),
        (PostState.DEAD_LETTER, None, "failed", 0),
        (PostState.CANCELLED, None, "cancelled", 0),
    ],
)
def test_states_are_told_in_the_predecessors_words(
    api: Api,
    connection: SocialConnection,
    state: PostState,
    due_in: timedelta | None,
    status: str,
    progress: int,
) -> None:
    due_at = timezone.now() + due_in if due_in else None
    post = make_post(connection, state=state, due_at=due_at)
    job = api.get(f"schedule/{post.pk}").body
    assert (job["status"], job["state"], job["progress"]) == (status, state.value, progress)


def test_a_thread_tells_how_many_segments_are_live(api: Api, connection: SocialConnection) -> None:
    post = make_post(
        connection,
        segments=[{"text": "a"}, {"text": "b"}, {"text": "c"}, {"text": "d"}],
        progress={"published": ["1", "2", "3"]},
    )
    assert api.get(f"schedule/{post.pk}").body["progress"] == 75


def test_a_completed_job_returns_the_platforms_id(api: Api, connection: SocialConnection) -> None:
    post = make_post(
        connection,
        state=PostState.PUBLISHED,
        remote_ids=["17", "18"],
        permalink="https://x.example/17",
        published_at=datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=UTC),
    )
    assert api.get(f"schedule/{post.pk}").body["return_value"] == {
        "post_id": "17",
        "post_ids": ["17", "18"],
        "url": "https://x.example/17",
        "published_at": "2026-01-02T03:04:05.600000Z",
    }


def test_a_failed_job_tells_why_and_what_to_do(api: Api, connection: SocialConnection) -> None:
    post = make_post(
        connection,
        state=PostState.FAILED,
        last_category="validation_error",
        last_error="Too long.",
        attempts=1,
    )
    value = api.get(f"schedule/{post.pk}").body["return_value"]
    assert value["error"]["category"] == "validation_error"
    assert value["error"]["message"] == "Too long."
    assert value["error"]["next_step"]
    assert value["attempts"] == 1


def test_a_job_is_cancelled_once(api: Api, connection: SocialConnection) -> None:
    job_id = api.post("schedule", wish()).body["job_id"]
    answer = api("DELETE", f"schedule/{job_id}/")
    assert answer.status == 200
    assert answer.body == {"message": "Job canceled successfully", "job_id": job_id}
    assert api.get(f"schedule/{job_id}").body["status"] == "cancelled"
    problem = api("DELETE", f"schedule/{job_id}").problem(409, "illegal_transition")
    assert "cancelled before" in problem["detail"]


@pytest.mark.parametrize("state", [PostState.PUBLISHED, PostState.OUTCOME_UNKNOWN])
def test_what_was_sent_cannot_be_cancelled(
    api: Api, connection: SocialConnection, state: PostState
) -> None:
    post = make_post(connection, state=state)
    api("DELETE", f"schedule/{post.pk}").problem(409, "illegal_transition")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_jobs_of_others_and_of_nobody_are_not_found(api: Api, method: str) -> None:
    other = make_post(make_connection(make_workspace()))
    for job_id in (str(other.pk), "123", "01900000-0000-7000-8000-000000000001"):
        api(method, f"schedule/{job_id}").problem(404, "not_found", "id")
    other.refresh_from_db()
    assert other.state == PostState.SCHEDULED
