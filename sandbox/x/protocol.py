"""X's routes, allowances and the check of who is calling (OAuth 2.0 Bearer or OAuth 1.0a)."""

from __future__ import annotations

from sandbox import oauth1
from sandbox.door import Endpoint, Protocol
from sandbox.exchange import Call
from sandbox.rates import Allowance, Window
from sandbox.records import Account
from sandbox.tokens import NAME, TokenRefused
from sandbox.x import media, oauth2, posts, problems, reading

_QUARTER_HOUR_SECONDS = 900


def _per_window(calls: int) -> Allowance:
    return Allowance(calls, _QUARTER_HOUR_SECONDS)


def _authenticate(call: Call) -> Account:
    header = call.headers.get("Authorization", "")
    try:
        if header.lower().startswith("oauth "):
            return call.site.account(_oauth1_name(call, header))
        return call.site.account(call.site.tokens.account_name(call.bearer_token))
    except TokenRefused as refused:
        raise problems.unauthorized(f"the token is {refused.reason}") from None
    except oauth1.Denied as denied:
        raise problems.unauthorized(str(denied)) from None


def _oauth1_name(call: Call, header: str) -> str:
    token = oauth1.verify(
        header,
        method=call.method,
        url=call.url,
        form=call.raw_form(),
        consumers=call.world.consumers,
        token_secret=_token_secret,
        nonces=call.site.nonces,
        now=call.world.now(),
    )
    call.site.tokens.check_alive(token)
    return token.removesuffix("-token")


def _token_secret(token: str) -> str | None:
    """`<name>-token` goes with `<name>-secret`."""
    name = token.removesuffix("-token")
    return f"{name}-secret" if name != token and NAME.fullmatch(name) else None


def _limit_headers(window: Window, _now: float) -> dict[str, str]:
    return {
        "x-rate-limit-limit": str(window.limit),
        "x-rate-limit-remaining": str(window.remaining),
        "x-rate-limit-reset": str(int(window.resets_at)),
    }


_POST_ID = r"/2/tweets/{id:\d+}"
_UPLOAD = "/2/media/upload"

PROTOCOL = Protocol(
    prefix="/x",
    site_name=lambda _params: "x",
    authenticate=_authenticate,
    limit_headers=_limit_headers,
    failure=problems.plain,
    request_id_header="x-request-id",
    endpoints=(
        Endpoint("POST", "/2/tweets", "create", posts.create, _per_window(100)),
        Endpoint("DELETE", _POST_ID, "delete", posts.delete, _per_window(50)),
        Endpoint("GET", _POST_ID, "find", reading.read_one, _per_window(900)),
        Endpoint("GET", "/2/tweets", "find", reading.read_many, _per_window(5000)),
        Endpoint("GET", "/2/users/me", "account", reading.me, _per_window(75)),
        Endpoint("GET", r"/2/users/{id:\d+}/tweets", "find", reading.of_user, _per_window(900)),
        Endpoint("POST", _UPLOAD, "media", media.upload, _per_window(500)),
        Endpoint("GET", _UPLOAD, "media", media.status, _per_window(1000)),
        Endpoint("POST", f"{_UPLOAD}/initialize", "media", media.initialize, _per_window(1875)),
        Endpoint("POST", _UPLOAD + r"/{id:\d+}/append", "media", media.append, _per_window(1875)),
        Endpoint(
            "POST", _UPLOAD + r"/{id:\d+}/finalize", "media", media.finalize, _per_window(1875)
        ),
        Endpoint("POST", "/2/media/metadata", "media", media.metadata, _per_window(500)),
        Endpoint(
            "POST", "/2/oauth2/token", "token", oauth2.token, _per_window(3000), signed_in=False
        ),
        Endpoint(
            "POST", "/2/oauth2/revoke", "token", oauth2.revoke, _per_window(3000), signed_in=False
        ),
    ),
)
