"""Connected accounts over the API: how they are, in words, and what people do with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, Role, Workspace
from engine.models import RateLimitState
from platforms.models import ConnectionState, SocialConnection
from scheduling import preflight_calls
from scheduling.models import AccountCheck, PublishAttempt, ScheduledPost
from scheduling.states import PostState
from tests.api.client import Api, keyed
from tests.factories import make_connection, make_post, make_user, make_workspace

S = ConnectionState
ACTIONS = ("pause", "resume", "disconnect", "check")


def test_the_list_is_filtered_and_says_how_each_account_is(workspace: Workspace, api: Api) -> None:
    broken = make_connection(workspace, state=S.NEEDS_RECONNECT, state_reason="It was taken back.")
    works = make_connection(workspace, platform="x")
    make_connection()

    def listed(query: str) -> list[str]:
        return [one["id"] for one in api.get(f"connections{query}").body["results"]]

    assert set(listed("")) == {str(works.pk), str(broken.pk)}
    assert listed("?platform=twitter") == [str(works.pk)]
    assert listed("?state=needs_reconnect,paused") == [str(broken.pk)]
    api.get("connections?state=ill").problem(422, "invalid", "state")
    api.get("connections?platform=myspace").problem(422, "invalid", "platform")
    health = api.get("connections?state=needs_reconnect").body["results"][0]["health"]
    assert health == {"status": "bad", "word": "connect again", "message": "It was taken back."}
    assert "demo-ada" not in str(api.get("connections").body)


def test_one_account_is_shown_with_what_became_of_its_posts(
    workspace: Workspace, api: Api, connection: SocialConnection
) -> None:
    now = timezone.now()
    for hours in (3, 2):
        at = now - timedelta(hours=hours)
        make_post(connection, state=PostState.PUBLISHED, published_at=at, due_at=at)
    failed = make_post(
        connection,
        state=PostState.FAILED,
        due_at=now - timedelta(hours=1),
        last_category="validation_error",
        last_error="The text is too long.",
    )
    PublishAttempt.objects.create(
        post=failed,
        number=1,
        fencing_token=1,
        started_at=now,
        finished_at=now,
        category="validation_error",
    )
    make_post(connection, due_at=now + timedelta(hours=1))
    make_post(connection, state=PostState.BLOCKED)
    make_post(make_connection(workspace), due_at=now + timedelta(hours=1))
    shown = api.get(f"connections/{connection.pk}").body
    assert shown["last_success_at"] == (now - timedelta(hours=2)).isoformat().replace("+00:00", "Z")
    assert shown["last_failure"] == {
        "at": now.isoformat().replace("+00:00", "Z"),
        "post": str(failed.pk),
        "category": "validation_error",
        "message": "The text is too long.",
    }
    assert (shown["posts_waiting"], shown["health"]["word"]) == (2, "works")
    assert shown["network_limits"]["text_chars"] > 0
    assert shown["token"]["expires_at"] is None


def test_an_account_without_posts_has_no_history(api: Api, connection: SocialConnection) -> None:
    shown = api.get(f"connections/{connection.pk}").body
    assert (shown["last_success_at"], shown["last_failure"], shown["posts_waiting"]) == (
        None,
        None,
        0,
    )


@pytest.mark.parametrize("action", ["", *[f"/{action}" for action in ACTIONS]])
def test_accounts_of_others_and_of_nobody_do_not_exist(api: Api, action: str) -> None:
    for pk in (make_connection().pk, "0", "%00", "9" * 400):
        method = "POST" if action else "GET"
        api(method, f"connections/{pk}{action}", {} if action else None).problem(
            404, "not_found", "connection_id"
        )


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_take_an_editor_or_a_key_with_the_scope(
    workspace: Workspace,
    connection: SocialConnection,
    as_user: Callable[..., Api],
    action: str,
) -> None:
    make_user(workspace, role=Role.APPROVER, external_id="u-1")
    path = f"connections/{connection.pk}/{action}"
    as_user("u-1").post(path).problem(403, "role_missing")
    keyed(workspace, "connections:read", "posts:write").post(path).problem(403, "scope_missing")
    assert not AuditEvent.objects.filter(action__startswith="connection.").exists()


def test_pausing_and_resuming_notes_who_and_why(api: Api, connection: SocialConnection) -> None:
    path = f"connections/{connection.pk}"
    paused = api.post(f"{path}/pause", {"reason": "holidays"}).body
    assert (paused["state"], paused["health"]["word"]) == ("paused", "paused")
    assert "holidays" in paused["health"]["message"]
    api.post(f"{path}/pause").problem(409, "illegal_transition")
    assert api.post(f"{path}/resume").body["state"] == "active"
    event = AuditEvent.objects.get(action="connection.paused")
    assert (event.reason, event.target) == ("holidays", f"connection:{connection.pk}")
    assert event.actor.startswith("key:crl_")


def test_disconnecting_deletes_the_credentials_and_says_what_remains(
    api: Api, connection: SocialConnection, networks: Callable[..., None]
) -> None:
    post = make_post(connection)
    gone = api.post(f"connections/{connection.pk}/disconnect", {"reason": "sold"}).body
    assert (gone["state"], gone["health"]["status"]) == ("revoked", "off")
    assert gone["note"] is None or gone["note"].endswith(".")
    connection.refresh_from_db()
    assert bytes(connection.secret) == b""
    post.refresh_from_db()
    assert post.state == PostState.BLOCKED
    for action in ("disconnect", "check"):
        api.post(f"connections/{connection.pk}/{action}").problem(409, "illegal_transition")


# --- checking ---------------------------------------------------------------------------------


def checked(api: Api, connection: SocialConnection) -> dict[str, Any]:
    body: dict[str, Any] = api.post(f"connections/{connection.pk}/check").body
    return {**body["check"], "state": body["state"]}


def test_a_working_account_is_found_working_and_that_is_remembered(
    api: Api, connection: SocialConnection, networks: Callable[..., None]
) -> None:
    found = checked(api, connection)
    assert (found["finding"], found["category"], found["state"]) == ("works", None, "active")
    assert AccountCheck.objects.get().asked_at is not None
    assert AuditEvent.objects.get(action="connection.checked").detail["finding"] == "works"
    assert api.get(f"connections/{connection.pk}").body["last_check_at"] is not None


def test_a_refused_account_waits_for_its_owner_and_its_posts_with_it(
    api: Api, connection: SocialConnection, networks: Callable[..., None]
) -> None:
    networks(network="sandbox", on="account", fail={"status": 401})
    post = make_post(connection)
    found = checked(api, connection)
    assert (found["finding"], found["state"]) == ("refused", "needs_reconnect"), found
    assert "Connect the account again." in found["message"]
    post.refresh_from_db()
    assert post.state == PostState.BLOCKED


def test_a_refused_token_that_can_be_renewed_is_renewed_and_ends_nothing(
    api: Api, workspace: Workspace, networks: Callable[..., None]
) -> None:
    networks(network="x", on="all", fail={"status": 401})
    connection = make_connection(
        workspace, platform="x", credentials={"access_token": "demo-ada", "refresh_token": "r"}
    )
    found = checked(api, connection)
    assert (found["finding"], found["state"]) == ("refused", "active"), found
    connection.refresh_from_db()
    assert connection.expires_at is not None
    assert checked(api, connection)["finding"] == "not_asked"


def test_a_network_in_trouble_proves_nothing(
    api: Api, connection: SocialConnection, networks: Callable[..., None]
) -> None:
    networks(network="sandbox", on="account", fail={"status": 503})
    found = checked(api, connection)
    assert (found["finding"], found["category"], found["state"]) == (
        "silent",
        "server_error",
        "active",
    )


@pytest.mark.django_db(transaction=True)  # what is learnt of limits is committed at once
def test_no_call_starts_while_the_network_asked_to_wait(
    api: Api, connection: SocialConnection, networks: Callable[..., None]
) -> None:
    networks(network="sandbox", on="account", fail={"status": 429, "retry_after": 600, "times": 1})
    assert checked(api, connection)["category"] == "rate_limit"
    found = checked(api, connection)
    assert found["finding"] == "not_asked"
    assert found["ask_again_at"] is not None
    holding = [one for one in api.get("rate-limits").body["results"] if one["is_holding"]]
    assert {one["connection"] for one in holding} == {str(connection.pk)}
    for one in holding:
        assert not api.post(f"rate-limits/{one['id']}/clear").body["is_holding"]
    assert not RateLimitState.objects.exclude(blocked_until=None).exists()
    assert checked(api, connection)["finding"] == "works"


def test_a_network_that_does_not_answer_is_not_waited_for_for_ever(
    api: Api,
    connection: SocialConnection,
    networks: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preflight_calls, "DEADLINE", timedelta(seconds=0.3))
    networks(network="sandbox", on="account", hang=1)
    assert checked(api, connection)["finding"] == "silent"


def test_credentials_that_no_key_opens_are_said_to_be_lost(
    api: Api, connection: SocialConnection
) -> None:
    SocialConnection.objects.update(secret=b"?")
    found = checked(api, connection)
    assert found["finding"] == "not_asked"
    assert found["message"]
    assert not ScheduledPost.objects.exists()


# --- rate limits ------------------------------------------------------------------------------


def limit(scope: str, key: object, **fields: Any) -> RateLimitState:
    known = {"bucket": "all", "reason": "secret words", "blocked_until": timezone.now()}
    return RateLimitState.objects.create(scope=scope, key=str(key), **{**known, **fields})


def test_limits_are_those_of_own_accounts_and_of_what_they_share(
    workspace: Workspace, api: Api
) -> None:
    own = make_connection(workspace, platform="x", username="ada")
    at_host = make_connection(
        workspace,
        platform="mastodon",
        credentials={"access_token": "a", "instance_url": "https://one.example"},
    )
    gone = make_connection(workspace, platform="linkedin", credentials={}, state=S.REVOKED)
    other = make_connection(make_workspace(), platform="bluesky", credentials={})
    seen = [
        limit("connection", own.pk, platform="x"),
        limit("connection", at_host.pk, platform="mastodon"),
        limit("connection", gone.pk, platform="linkedin"),
        limit("app", "x"),
        limit("host", "one.example", platform="mastodon"),
    ]
    limit("connection", other.pk)
    limit("app", "bluesky")
    limit("app", "linkedin")
    limit("host", "two.example")
    limit("host", "one.example", bucket="notify")  # somebody's receiver of callbacks
    shown = api.get("rate-limits").body["results"]
    assert {one["id"] for one in shown} == {state.pk for state in seen}
    by_scope = {(one["scope"], one["platform"]): one for one in shown}
    assert by_scope["connection", "x"]["account"] == "ada"
    assert by_scope["connection", "x"]["reason"] == "secret words"
    assert by_scope["app", "x"]["reason"] is by_scope["host", "mastodon"]["reason"] is None
    assert by_scope["host", "mastodon"]["host"] == "one.example"


def test_owners_clear_limits_of_accounts_and_nobody_shared_ones(
    workspace: Workspace, api: Api, as_user: Callable[..., Api]
) -> None:
    own = make_connection(workspace, platform="x")
    mine, shared = limit("connection", own.pk), limit("app", "x")
    theirs = limit("connection", make_connection(platform="x").pk)
    make_user(workspace, role=Role.EDITOR, external_id="u-1")
    as_user("u-1").post(f"rate-limits/{mine.pk}/clear").problem(403, "role_missing")
    keyed(workspace, "limits:read", "connections:write").post(
        f"rate-limits/{mine.pk}/clear"
    ).problem(403, "scope_missing")
    assert api.post(f"rate-limits/{mine.pk}/clear", {"reason": "lifted"}).body["reason"] is None
    event = AuditEvent.objects.get(action="rate_limit.cleared")
    assert (event.workspace, event.reason) == (workspace, "lifted")
    api.post(f"rate-limits/{shared.pk}/clear").problem(403, "staff_only")
    for unknown in (theirs.pk, 0, "x", "9" * 400, "-1", "1.5", "٣"):
        api.post(f"rate-limits/{unknown}/clear").problem(404, "not_found", "limit_id")


def test_limits_take_their_scope(workspace: Workspace) -> None:
    keyed(workspace, "connections:read").get("rate-limits").problem(403, "scope_missing")
    assert keyed(workspace, "limits:read").get("rate-limits").status == 200
