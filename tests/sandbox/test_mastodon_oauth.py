"""Mastodon's OAuth: applications register themselves, people consent, scopes hold."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from sandbox.codes import challenge_of
from tests.sandbox.conftest import Client, Play, Reply

ONE = "/mastodon/one"
BACK = "https://carillon.example/oauth/complete/mastodon/"
SCOPES = "profile read:statuses write:statuses write:media"
VERIFIER = "w" * 64


async def register(c: Client, instance: str = ONE, **changes: Any) -> Reply:
    body = {"client_name": "Carillon", "redirect_uris": [BACK], "scopes": SCOPES, **changes}
    return await c.call("POST", f"{instance}/api/v1/apps", token=None, json=body)


async def agree(c: Client, app: dict[str, Any], instance: str = ONE, **changes: str) -> Reply:
    query = {
        "response_type": "code",
        "client_id": app["client_id"],
        "redirect_uri": BACK,
        "scope": SCOPES,
        "state": "7",
        **changes,
    }
    path = f"{instance}/oauth/authorize?{urlencode(query)}"
    form = {"decision": "allow", "account": "grace"}
    return await c.call("POST", path, token=None, data=form, allow_redirects=False)


def sent_back(reply: Reply) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(reply.headers["Location"]).query))


async def trade(
    c: Client, app: dict[str, Any], code: str = "", instance: str = ONE, **changes: str
) -> Reply:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": app["client_id"],
        "client_secret": app["client_secret"],
        "redirect_uri": BACK,
        **changes,
    }
    return await c.call("POST", f"{instance}/oauth/token", token=None, data=form)


async def connected(c: Client, scope: str = SCOPES) -> str:
    app = (await register(c)).json
    code = sent_back(await agree(c, app, scope=scope))["code"]
    return str((await trade(c, app, code)).json["access_token"])


def test_an_application_registers_itself(play: Play) -> None:
    async def story(c: Client) -> None:
        app = (await register(c, website="https://carillon.example")).json
        assert app["redirect_uris"] == [BACK]
        assert app["redirect_uri"] == BACK
        assert app["scopes"] == SCOPES.split()
        assert app["client_secret_expires_at"] == 0
        assert app["client_id"] != app["client_secret"]
        form = {"client_name": "A", "redirect_uris": f"{BACK}\nurn:ietf:wg:oauth:2.0:oob"}
        text = await c.call("POST", f"{ONE}/api/v1/apps", token=None, data=form)
        assert text.json["redirect_uris"] == [BACK, "urn:ietf:wg:oauth:2.0:oob"]
        assert text.json["scopes"] == ["read"]

    play(story)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_name": " "}, "name can't be blank"),
        ({"redirect_uris": []}, "Redirect URI can't be blank"),
        ({"redirect_uris": "nowhere"}, "must be an absolute URI"),
        ({"scopes": "read fly"}, "Scopes doesn't match"),
    ],
)
def test_a_registration_that_lacks_something_is_a_422(
    play: Play, changes: dict[str, Any], words: str
) -> None:
    async def story(c: Client) -> None:
        reply = await register(c, **changes)
        assert reply.status == 422
        assert words in reply.json["error"]

    play(story)


def test_consent_ends_with_a_token_that_has_no_end(play: Play) -> None:
    async def story(c: Client) -> None:
        app = (await register(c)).json
        back = sent_back(await agree(c, app))
        assert back["state"] == "7"
        reply = (await trade(c, app, back["code"])).json
        assert reply["token_type"] == "Bearer"
        assert set(reply["scope"].split()) == set(SCOPES.split())
        assert abs(reply["created_at"] - c.clock()) < 5
        assert reply.keys() == {"access_token", "token_type", "scope", "created_at"}
        c.clock.advance(10 * 365 * 86_400)
        path = f"{ONE}/api/v1/accounts/verify_credentials"
        me = await c.call("GET", path, token=reply["access_token"])
        assert me.json["username"] == "grace"
        info = await c.call("GET", f"{ONE}/oauth/userinfo", token=reply["access_token"])
        assert info.json["preferred_username"] == "grace"

    play(story)


def test_the_page_names_the_application(play: Play) -> None:
    async def story(c: Client) -> None:
        app = (await register(c)).json
        query = urlencode(
            {"response_type": "code", "client_id": app["client_id"], "redirect_uri": BACK}
        )
        path = f"{ONE}/oauth/authorize?{query}"
        # Without a scope `read` is asked for, which this application did not register.
        reply = await c.call("GET", path, token=None, allow_redirects=False)
        assert sent_back(reply)["error"] == "invalid_scope"
        page = await c.call("GET", f"{path}&scope=profile", token=None)
        assert "Let <b>Carillon</b> use your Mastodon account?" in page.text
        assert "<b>carillon.example</b>" in page.text

    play(story)


def test_unknown_applications_and_redirects_are_pages(play: Play) -> None:
    async def story(c: Client) -> None:
        app = (await register(c)).json
        assert (await agree(c, {"client_id": "gone"})).status == 400
        wrong = await agree(c, app, redirect_uri=BACK + "x")
        assert wrong.status == 400
        assert "redirect uri" in wrong.text
        other = await agree(c, app, instance="/mastodon/two")
        assert other.status == 400

    play(story)


def test_scopes_beyond_the_registration_go_back_as_invalid(play: Play) -> None:
    async def story(c: Client) -> None:
        app = (await register(c)).json
        for scope in ("write", "read:fly", "follow"):
            back = sent_back(await agree(c, app, scope=scope))
            assert (back["error"], back["state"]) == ("invalid_scope", "7")
        wide = (await register(c, scopes="read write")).json
        assert "code" in sent_back(await agree(c, wide, scope="read:accounts write:media"))

    play(story)


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "no"}, 401, "invalid_client"),
        ({"client_id": "gone"}, 401, "invalid_client"),
        ({"code": "no"}, 400, "invalid_grant"),
        ({"redirect_uri": BACK + "x"}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
    ],
)
def test_the_token_service_says_no_in_doorkeepers_words(
    play: Play, changes: dict[str, str], status: int, error: str
) -> None:
    async def story(c: Client) -> None:
        app = (await register(c)).json
        code = sent_back(await agree(c, app))["code"]
        reply = await trade(c, app, **{"code": code, **changes})
        assert (reply.status, reply.json["error"]) == (status, error)
        assert reply.json["error_description"]
        assert (await trade(c, app, code)).status == 200

    play(story)


def test_a_challenge_must_be_answered_except_before_4_3(play: Play) -> None:
    async def story(c: Client) -> None:
        pkce = {
            "code_challenge": challenge_of(VERIFIER, "S256"),
            "code_challenge_method": "S256",
        }
        app = (await register(c)).json
        code = sent_back(await agree(c, app, **pkce))["code"]
        assert (await trade(c, app, code)).json["error"] == "invalid_grant"
        assert (await trade(c, app, code, code_verifier=VERIFIER)).status == 200
        old = "/mastodon/old"
        app = (await register(c, old)).json
        code = sent_back(await agree(c, app, old, **pkce))["code"]
        assert (await trade(c, app, code, old)).status == 200

    play(story)


def test_the_discovery_document_is_there_since_4_3(play: Play) -> None:
    async def story(c: Client) -> None:
        path = "/.well-known/oauth-authorization-server"
        found = (await c.call("GET", ONE + path, token=None)).json
        assert found["app_registration_endpoint"] == f"{c.url}{ONE}/api/v1/apps"
        assert found["code_challenge_methods_supported"] == ["S256"]
        assert {"profile", "read:statuses", "write:media"} <= set(found["scopes_supported"])
        assert (await c.call("GET", f"/mastodon/old{path}", token=None)).status == 404
        version = await c.call("GET", "/mastodon/old/api/v2/instance", token=None)
        assert version.json["version"].startswith("4.2")
        assert "api_versions" not in version.json

    play(story)


@pytest.mark.parametrize(
    ("scope", "method", "path", "is_allowed"),
    [
        ("profile", "GET", "/api/v1/accounts/verify_credentials", True),
        ("write:statuses", "GET", "/api/v1/accounts/verify_credentials", False),
        ("profile", "POST", "/api/v1/statuses", False),
        ("read:statuses", "POST", "/api/v1/statuses", False),
        ("write:statuses", "POST", "/api/v1/statuses", True),
        ("write:statuses", "POST", "/api/v2/media", False),
        ("write:statuses", "GET", "/oauth/userinfo", False),
    ],
)
def test_a_token_does_what_its_scopes_cover(
    play: Play, scope: str, method: str, path: str, is_allowed: bool
) -> None:
    async def story(c: Client) -> None:
        token = await connected(c, scope)
        reply = await c.call(method, ONE + path, token=token, json={"status": "hi"})
        assert reply.status == (200 if is_allowed else 403)
        if not is_allowed:
            assert reply.json == {"error": "This action is outside the authorized scopes"}

    play(story)


def test_a_token_without_a_user_speaks_for_the_application_only(play: Play) -> None:
    async def story(c: Client) -> None:
        app = (await register(c)).json
        form = {"grant_type": "client_credentials", "scope": "read:statuses"}
        token = (await trade(c, app, **form)).json["access_token"]
        path = f"{ONE}/api/v1/apps/verify_credentials"
        assert (await c.call("GET", path, token=token)).json["name"] == "Carillon"
        refused = await c.call("POST", f"{ONE}/api/v1/statuses", token=token, json={"status": "a"})
        assert refused.status == 422
        assert refused.json == {"error": "This method requires an authenticated user"}
        wide = await trade(c, app, grant_type="client_credentials", scope="write")
        assert wide.json["error"] == "invalid_scope"

    play(story)


def test_only_the_tokens_own_application_may_revoke_it(play: Play) -> None:
    async def story(c: Client) -> None:
        app, other = (await register(c)).json, (await register(c)).json
        code = sent_back(await agree(c, app))["code"]
        token = (await trade(c, app, code)).json["access_token"]

        async def revoke(by: dict[str, Any]) -> Reply:
            form = {k: by[k] for k in ("client_id", "client_secret")} | {"token": token}
            return await c.call("POST", f"{ONE}/oauth/revoke", token=None, data=form)

        refused = await revoke(other)
        assert (refused.status, refused.json["error"]) == (403, "unauthorized_client")
        me = f"{ONE}/api/v1/accounts/verify_credentials"
        assert (await c.call("GET", me, token=token)).status == 200
        assert (await revoke(app)).status == 200
        assert (await revoke(app)).status == 200
        dead = await c.call("GET", me, token=token)
        assert (dead.status, dead.json["error"]) == (401, "The access token was revoked")

    play(story)


def test_a_code_can_be_shown_for_copying(play: Play) -> None:
    async def story(c: Client) -> None:
        oob = "urn:ietf:wg:oauth:2.0:oob"
        app = (await register(c, redirect_uris=oob)).json
        page = await agree(c, app, redirect_uri=oob)
        assert page.status == 200
        code = page.text.partition('tabindex="0">')[2].partition("<")[0]
        assert (await trade(c, app, code, redirect_uri=oob)).status == 200

    play(story)
