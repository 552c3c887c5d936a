"""The consent page asks, answers as OAuth says, and its codes work once and only as agreed."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest

from sandbox.codes import challenge_of
from sandbox.consent import Consent, with_parameters
from sandbox.exchange import Call, Refusal
from sandbox.tokens import Terms, TokenRefused, Tokens
from tests.sandbox.conftest import Client, Play, Reply

BACK = "http://127.0.0.1:9/oauth/complete/x/"
VERIFIER = "v" * 43
SCOPES = "tweet.read users.read tweet.write offline.access"


def challenge(verifier: str = VERIFIER) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def address(**changes: str | None) -> str:
    """X's authorization request, with parameters changed, added or (None) left out."""
    query: dict[str, str | None] = {
        "response_type": "code",
        "client_id": "sandbox-client",
        "redirect_uri": BACK,
        "scope": SCOPES,
        "state": "s&1",
        "code_challenge": challenge(),
        "code_challenge_method": "S256",
        **changes,
    }
    return "/x/i/oauth2/authorize?" + urlencode({k: v for k, v in query.items() if v is not None})


async def decide(c: Client, path: str, **form: Any) -> Reply:
    return await c.call("POST", path, token=None, data=form, allow_redirects=False)


def sent_back(reply: Reply) -> dict[str, str]:
    assert reply.status == 302
    location = reply.headers["Location"]
    assert location.startswith(BACK)
    return dict(parse_qsl(urlsplit(location).query))


async def allowed_code(c: Client, path: str = "", account: str = "ada") -> str:
    reply = await decide(c, path or address(), decision="allow", account=account)
    return sent_back(reply)["code"]


async def redeem(c: Client, code: str, **changes: str) -> Reply:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
        **changes,
    }
    basic = base64.b64encode(b"sandbox-client:sandbox-client-secret").decode()
    headers = {"Authorization": f"Basic {basic}"}
    return await c.call("POST", "/x/2/oauth2/token", token=None, data=form, headers=headers)


def test_the_page_names_network_client_host_account_and_scopes(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await c.call("GET", address(login_hint="grace"), token=None)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html")
        for part in (
            "Let <b>sandbox-client</b> use your X account?",
            "<b>127.0.0.1:9</b>",
            'value="grace"',
            'value="tweet.write" checked',
            'name="decision" value="allow"',
            'name="decision" value="cancel"',
        ):
            assert part in reply.text
        assert "<script" not in reply.text
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "form-action 'self' http://127.0.0.1:9;" in policy
        assert 'value="ada"' in (await c.call("GET", address(), token=None)).text

    play(story)


def test_what_the_client_sends_cannot_write_into_the_page(play: Play) -> None:
    async def story(c: Client) -> None:
        evil = '"><script>alert(1)</script>'
        for path in (
            address(client_id=evil),
            address(login_hint=evil),
            address(scope=f"tweet.read {evil}"),
            address(redirect_uri=f"https://example.org/{evil}"),
            address(redirect_uri="https://a.example;script-src"),
        ):
            reply = await c.call("GET", path, token=None)
            assert "<script" not in reply.text
            assert "script-src" not in reply.headers["Content-Security-Policy"]
        wrong = await decide(c, address(), decision="allow", account=evil)
        assert wrong.status == 400
        assert "<script" not in wrong.text

    play(story)


def test_allow_brings_a_code_that_buys_tokens_for_the_account(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await decide(c, address(), decision="allow", account="grace")
        back = sent_back(reply)
        assert back["state"] == "s&1"
        tokens = (await redeem(c, back["code"])).json
        assert tokens["expires_in"] == 7200
        assert set(tokens["scope"].split()) == set(SCOPES.split())
        me = await c.call("GET", "/x/2/users/me", token=tokens["access_token"])
        assert me.json["data"]["username"] == "grace"
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        basic = base64.b64encode(b"sandbox-client:sandbox-client-secret").decode()
        headers = {"Authorization": f"Basic {basic}"}
        path = "/x/2/oauth2/token"
        renewed = await c.call("POST", path, token=None, data=form, headers=headers)
        assert set(renewed.json["scope"].split()) == set(SCOPES.split())

    play(story)


def test_cancel_goes_back_with_access_denied(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await decide(c, address(), decision="cancel", account="ada")
        assert sent_back(reply) == {"error": "access_denied", "state": "s&1"}

    play(story)


def test_an_impossible_account_name_asks_again(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await decide(c, address(), decision="allow", account="a b")
        assert reply.status == 400
        assert 'value="a b"' in reply.text
        assert 'role="alert"' in reply.text

    play(story)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_id": "stranger"}, "There is no client stranger"),
        ({"client_id": None}, "no client_id"),
        ({"redirect_uri": None}, "no redirect_uri"),
        ({"redirect_uri": "javascript:alert(1)"}, "must be an absolute address"),
        ({"redirect_uri": "/here"}, "must be an absolute address"),
        ({"redirect_uri": "https://example.org/#a"}, "must be an absolute address"),
        ({"response_type": "token"}, "must be code"),
        ({"state": None}, "state is missing"),
        ({"scope": "tweet.fly"}, "Unknown scope: tweet.fly"),
        ({"scope": ""}, "names no scope"),
        ({"code_challenge": None}, "code_challenge is missing"),
        ({"code_challenge_method": "plain"}, "must be S256"),
        ({"code_challenge_method": None}, "must be S256"),
    ],
)
def test_x_shows_wrong_requests_as_pages_and_sends_nobody_back(
    play: Play, changes: dict[str, str | None], words: str
) -> None:
    async def story(c: Client) -> None:
        for method in ("GET", "POST"):
            reply = await c.call(method, address(**changes), token=None, allow_redirects=False)
            assert reply.status == 400
            assert words in reply.text

    play(story)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"redirect_uri": f"{BACK}?a=1"}, "redirect uri did not match"),
        ({"code_verifier": "w" * 43}, "code verifier did not match"),
        ({"code_verifier": "short"}, "code verifier did not match"),
        ({"code": "unknown"}, "authorization code was invalid"),
        ({"code_verifier": ""}, "Missing required parameter [code_verifier]"),
    ],
)
def test_a_code_is_good_only_as_agreed_and_survives_a_wrong_try(
    play: Play, changes: dict[str, str], words: str
) -> None:
    async def story(c: Client) -> None:
        code = await allowed_code(c)
        refused = await redeem(c, **{"code": code, **changes})
        assert refused.status == 400
        assert words in refused.json["error_description"]
        assert (await redeem(c, code)).status == 200

    play(story)


def test_another_client_cannot_use_the_code(play: Play) -> None:
    async def story(c: Client) -> None:
        code = await allowed_code(c, address(client_id="sandbox-public"))
        assert (await redeem(c, code)).status == 400

    play(story)


def test_a_code_dies_after_its_short_life(play: Play) -> None:
    async def story(c: Client) -> None:
        code = await allowed_code(c)
        c.clock.advance(31)
        assert (await redeem(c, code)).status == 400

    play(story)


def test_a_replayed_code_burns_the_tokens_it_brought(play: Play) -> None:
    async def story(c: Client) -> None:
        code = await allowed_code(c)
        token = (await redeem(c, code)).json["access_token"]
        assert (await c.call("GET", "/x/2/users/me", token=token)).status == 200
        assert (await redeem(c, code)).status == 400
        assert (await c.call("GET", "/x/2/users/me", token=token)).status == 401
        assert (await c.call("GET", "/x/2/users/me")).status == 200  # demo-ada is another consent

    play(story)


def test_tokens_do_only_what_was_granted(play: Play) -> None:
    async def story(c: Client) -> None:
        code = await allowed_code(c, address(scope="tweet.read users.read"))
        tokens = (await redeem(c, code)).json
        assert "refresh_token" not in tokens
        token = tokens["access_token"]
        assert (await c.call("GET", "/x/2/users/me", token=token)).status == 200
        refused = await c.tweet("no", token=token)
        assert (refused.status, refused.json["title"]) == (403, "Forbidden")
        assert (await c.stats("x"))["count"] == 0

    play(story)


def test_a_token_with_chosen_scopes_can_be_ordered(play: Play) -> None:
    async def story(c: Client) -> None:
        order = {"network": "x", "account": "eve", "action": "issue"}
        path = "/_control/tokens"
        body = {**order, "scopes": ["users.read", "tweet.read"], "life_s": 60}
        token = (await c.call("POST", path, token=None, json=body)).json["access_token"]
        me = await c.call("GET", "/x/2/users/me", token=token)
        assert me.json["data"]["username"] == "eve"
        assert (await c.tweet("no", token=token)).status == 403
        c.clock.advance(61)
        assert (await c.call("GET", "/x/2/users/me", token=token)).status == 401
        wrong = await c.call("POST", path, token=None, json={**order, "scopes": "all"})
        assert wrong.status == 400

    play(story)


def test_consent_pages_have_a_switch_of_their_own(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", on="token", fail={"status": 503})
        assert (await c.call("GET", address(), token=None)).status == 200
        await c.switch("x", on="consent", fail={"status": 503})
        assert (await c.call("GET", address(), token=None)).status == 503
        assert (await c.call("GET", address(), token=None)).status == 200

    play(story)


def ask(consent: Consent, c: Client, body: str = "", **query: str) -> Any:
    """Drive a page that no network has: its answer to a POST with `body`."""
    parameters = {"client_id": "sandbox-client", "redirect_uri": BACK, "response_type": "code"}
    world = c.running.world
    call = Call(
        world=world,
        site=world.site("nowhere"),
        method="POST",
        base_url=c.url,
        path="/authorize",
        raw_query=urlencode({**parameters, **query}),
        params={},
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=body.encode(),
        received_at=world.now(),
    )
    return consent.decide(call)


def test_a_network_chooses_separator_locks_extras_fragment_and_denial(play: Play) -> None:
    async def story(c: Client) -> None:
        consent = Consent(
            network="threads",
            label="Threads",
            scopes={"basic": "", "publish": "", "reply": ""},
            separator=",",
            locked_scopes=frozenset({"basic"}),
            extras=lambda _call, family: {"scopes": ",".join(sorted(family.scopes or ()))},
            fragment="_",
            denial={"error": "access_denied", "error_reason": "user_denied"},
        )
        form = "decision=allow&account=ada&scope=reply"
        yes = ask(consent, c, form, scope="basic,publish,reply", state="1")
        location = yes.headers["Location"]
        assert location.endswith("&scopes=basic%2Creply&state=1#_")
        no = ask(consent, c, "decision=cancel", scope="basic", state="1")
        denied = dict(parse_qsl(urlsplit(no.headers["Location"]).query))
        assert denied == {"error": "access_denied", "error_reason": "user_denied", "state": "1"}

    play(story)


def test_errors_go_back_to_the_client_where_the_network_does_so(play: Play) -> None:
    async def story(c: Client) -> None:
        consent = Consent(network="n", label="N", scopes={"a": ""}, scope_error="bad_scope")
        with pytest.raises(Refusal) as raised:
            ask(consent, c, scope="b", state="7")
        query = dict(parse_qsl(urlsplit(raised.value.answer.headers["Location"]).query))
        assert (query["error"], query["state"]) == ("bad_scope", "7")

    play(story)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("plain", VERIFIER),
        ("S256", challenge()),
        ("S256-hex", hashlib.sha256(VERIFIER.encode()).hexdigest()),
    ],
)
def test_challenges_are_spelt_as_the_method_says(method: str, expected: str) -> None:
    assert challenge_of(VERIFIER, method) == expected


def test_parameters_are_added_to_an_address_that_has_some() -> None:
    assert with_parameters("https://a.example/b?c=1", {"d": "é&"}) == (
        f"https://a.example/b?c=1&d={quote('é&')}"
    )


class Hands:
    """A clock that the test turns."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_refresh_token_that_does_not_rotate_stays_and_counts_down() -> None:
    clock = Hands()
    tokens = Tokens(clock)
    terms = Terms(access_life_s=60, refresh_life_s=100, rotates=False)
    first = tokens.issue(tokens.consent("ada", "c", ["a"]), terms)
    clock.now += 30
    second = tokens.refresh(first.refresh_token, terms, client_id="c")
    assert second.refresh_token == first.refresh_token
    assert (second.expires_in, second.refresh_expires_in) == (60, 70)
    assert tokens.grant(second.access_token).scopes == {"a"}
    with pytest.raises(TokenRefused, match="invalid"):
        tokens.refresh(first.refresh_token, terms, client_id="other")
    clock.now += 70
    with pytest.raises(TokenRefused, match="expired"):
        tokens.refresh(first.refresh_token, terms)


def test_a_spent_refresh_token_may_be_refused_without_burning_the_family() -> None:
    tokens = Tokens(Hands())
    terms = Terms(replay_burns=False)
    first = tokens.issue(tokens.consent("ada", "c", []), terms)
    second = tokens.refresh(first.refresh_token, terms)
    with pytest.raises(TokenRefused, match="revoked"):
        tokens.refresh(first.refresh_token, terms)
    assert tokens.account_name(second.access_token) == "ada"


def test_a_token_is_exchanged_for_a_longer_one_and_for_a_pages() -> None:
    clock = Hands()
    tokens = Tokens(clock)
    no_refresh = Terms(access_life_s=60, has_refresh=False)
    short = tokens.issue(tokens.consent("ada", "c", ["a"]), no_refresh)
    assert short.refresh_token == ""
    long = tokens.exchange(short.access_token, life_s=5000)
    page = tokens.exchange(long.access_token, life_s=None, name="ada-page", kind="page")
    clock.now += 61
    with pytest.raises(TokenRefused, match="expired"):
        tokens.grant(short.access_token)
    assert tokens.account_name(long.access_token) == "ada"
    grant = tokens.grant(page.access_token)
    assert (grant.name, grant.kind, grant.scopes, grant.expires_at) == (
        "ada-page", "page", {"a"}, None,
    )  # fmt: skip
    assert (page.expires_in, long.expires_in) == (None, 5000)
    assert tokens.burn(long.access_token)
    with pytest.raises(TokenRefused, match="revoked"):
        tokens.grant(page.access_token)


def test_demo_tokens_may_do_everything_and_can_be_exchanged_and_burnt() -> None:
    tokens = Tokens(Hands())
    assert tokens.grant("demo-ada").allows("anything", "at all")
    long = tokens.exchange("demo-ada", life_s=60)
    assert tokens.account_name(long.access_token) == "ada"
    assert tokens.burn("demo-ada")
    for token in ("demo-ada", long.access_token):
        with pytest.raises(TokenRefused, match="revoked"):
            tokens.grant(token)
    assert not tokens.burn("nonsense")


def test_the_second_consent_of_an_account_is_not_its_first_until_all_are_burnt() -> None:
    tokens = Tokens(Hands())
    assert tokens.consent("ada", "c", []).is_first
    assert not tokens.consent("ada", "c", []).is_first
    assert tokens.consent("ada", "other", []).is_first
    tokens.burn_all("ada", "c")
    assert tokens.consent("ada", "c", []).is_first
