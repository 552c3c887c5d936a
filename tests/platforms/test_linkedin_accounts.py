"""LinkedIn: members and organizations behind one token, and how the token is renewed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from tests.contract.linkedin_case import LINKEDIN_CASE, MEMBER, ORGANIZATION, ROLES, SHOWN
from tests.contract.server import Reply
from tests.platforms import scenes
from tests.platforms.scenes import Scene

tell = partial(scenes.tell, LINKEDIN_CASE)
ME = Reply(200, {"sub": "AbC-1", "name": "Ada Lovelace", "picture": "https://media.licdn.com/a"})
FORBIDDEN = Reply(
    403, {"status": 403, "code": "ACCESS_DENIED", "message": "Not enough permissions"}
)
TOKENS = {"access_token": "a", "refresh_token": "r"}


def role(organization: str, name: str, state: str = "APPROVED") -> dict[str, str]:
    return {"organization": f"urn:li:organization:{organization}", "role": name, "state": state}


def test_a_consent_offers_the_member_and_their_organizations() -> None:
    elements = [
        role("1", "ANALYST"),
        role("1", "CONTENT_ADMINISTRATOR"),
        role("2", "ANALYST"),
        role("3", "ADMINISTRATOR", "REQUESTED"),
    ]

    async def story(scene: Scene) -> None:
        targets = await scene.adapter.targets(scene.http, TOKENS)
        assert [(t.account.external_id, t.credentials["author"]) for t in targets] == [
            (MEMBER, "me"),
            ("urn:li:organization:1", "urn:li:organization:1"),
            ("urn:li:organization:2", "urn:li:organization:2"),
        ]
        assert [bool(target.problem) for target in targets] == [False, False, True]
        assert "Devtestco" in targets[2].problem
        assert targets[0].account.display_name == "Ada Lovelace"
        assert targets[1].account.username == "1"
        assert scene.requests[1].path.startswith("/rest/organizationAcls?q=roleAssignee")

    tell(story, ME, Reply(200, {"elements": elements}), Reply(404), Reply(200, {**SHOWN, "id": 2}))


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ((ME, FORBIDDEN), [MEMBER]),
        ((FORBIDDEN, Reply(200, ROLES), FORBIDDEN), [ORGANIZATION]),
        ((FORBIDDEN, FORBIDDEN), []),
    ],
)
def test_what_a_token_may_not_ask_about_is_not_offered(
    answers: tuple[Reply, ...], found: list[str]
) -> None:
    async def story(scene: Scene) -> None:
        targets = await scene.adapter.targets(scene.http, TOKENS)
        assert [target.account.external_id for target in targets] == found

    tell(story, *answers)


def test_who_names_an_author_is_offered_no_other() -> None:
    async def story(scene: Scene) -> None:
        for author in ("me", ORGANIZATION):
            (target,) = await scene.adapter.targets(scene.http, {**TOKENS, "author": author})
            assert target.credentials["author"] == author
        assert target.account.external_id == ORGANIZATION

    tell(story, ME, Reply(200, ROLES), Reply(200, SHOWN))


def test_other_trouble_than_a_missing_permission_is_not_taken_for_one() -> None:
    async def story(scene: Scene) -> None:
        await scene.adapter.targets(scene.http, TOKENS)

    for answers in ((Reply(401),), (ME, Reply(503))):
        with pytest.raises(ServiceError):
            tell(story, *answers)


@pytest.mark.parametrize("author", ["", "me"])
def test_a_member_is_reported_without_an_organization(author: str) -> None:
    async def story(scene: Scene) -> None:
        account = await scene.adapter.validate(scene.http)
        assert (account.external_id, account.username) == (MEMBER, "Ada Lovelace")
        assert scene.adapter.account_address(account) == ""

    tell(story, ME, credentials={"author": author})


def test_a_role_that_is_lost_is_named() -> None:
    async def story(scene: Scene) -> None:
        await scene.adapter.validate(scene.http)

    with pytest.raises(ServiceError) as caught:
        tell(story, Reply(200, {"elements": []}), Reply(200, SHOWN))
    assert caught.value.category is C.PERMISSION
    assert "Devtestco" in caught.value.detail


def refreshed(answer: Reply) -> Any:
    async def story(scene: Scene) -> Any:
        fresh = await scene.adapter.refresh(scene.http, {**TOKENS, "author": ORGANIZATION})
        (request,) = scene.requests
        assert request.path == "/oauth/v2/accessToken"
        assert request.body == (
            b"grant_type=refresh_token&refresh_token=r&client_id=l-client&client_secret=l-secret"
        )
        assert "authorization" not in request.headers
        return fresh

    return tell(story, answer)


def test_a_refresh_keeps_the_refresh_token_and_tells_both_ends() -> None:
    fresh = refreshed(
        Reply(
            200,
            {"access_token": "new", "expires_in": 5184000, "refresh_token_expires_in": 31536000},
        )
    )
    assert (fresh["access_token"], fresh["refresh_token"], fresh["author"]) == (
        "new",
        "r",
        ORGANIZATION,
    )
    for name, days in (("expires_at", 60), ("refresh_expires_at", 365)):
        left = datetime.fromisoformat(fresh[name]) - datetime.now(UTC)
        assert abs(left - timedelta(days=days)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("answer", "category", "code"),
    [
        (Reply(400, {"error": "invalid_grant"}), C.AUTH_ERROR, "invalid_grant"),
        (
            Reply(
                400,
                {
                    "error": "invalid_request",
                    "error_description": "The provided refresh token is expired or revoked",
                },
            ),
            C.AUTH_ERROR,
            "invalid_grant",
        ),
        (Reply(400, {"error": "invalid_request"}), C.VALIDATION_ERROR, "invalid_request"),
        (Reply(401, {"error": "invalid_client"}), C.PERMISSION, "invalid_client"),
        (Reply(503), C.SERVER_ERROR, ""),
    ],
)
def test_only_a_dead_refresh_token_ends_the_connection(
    answer: Reply, category: C, code: str
) -> None:
    with pytest.raises(ServiceError) as caught:
        refreshed(answer)
    assert (caught.value.category, caught.value.provider_code) == (category, code)
    assert caught.value.app_wide is (code == "invalid_client")


def test_a_token_is_revoked() -> None:
    async def story(scene: Scene) -> None:
        await scene.adapter.revoke(scene.http)
        assert scene.requests[0].path == "/oauth/v2/revoke"
        assert scene.requests[0].body.startswith(b"token=l-access-token&client_id=l-client")

    tell(story, Reply(200))
