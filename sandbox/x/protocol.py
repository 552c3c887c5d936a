"""X's routes, allowances and the check of who is calling (OAuth 2.0 Bearer or OAuth 1.0a)."""

from __future__ import annotations

from sandbox import oauth1
from sandbox.consent import consent_endpoints
from sandbox.door import Endpoint, Handler, Protocol
from sandbox.exchange import Call
from sandbox.rates import Allowance, Window
from sandbox.records import Account
from sandbox.tokens import TokenRefused
from sandbox.x import media, oauth2, posts, problems, reading, three_legs

_QUARTER_HOUR_SECONDS = 900


def _endpoint(
    method: str, path: str, operation: str, handler: Handler, calls: int, scopes: tuple[str, ...]
) -> Endpoint:
    """One route for signed-in callers; `calls` per quarter of an hour."""
    allowance = Allowance(calls, _QUARTER_HOUR_SECONDS)
    return Endpoint(method, path, operation, handler, allowance, scopes=scopes)


def _open(method: str, path: str, handler: Handler) -> Endpoint:
    """One route of the token service, which knows the client and not the user."""
    allowance = Allowance(3000, _QUARTER_HOUR_SECONDS)
    return Endpoint(method, path, "token", handler, allowance, signed_in=False)


def _authenticate(call: Call) -> Account:
    header = call.headers.get("Authorization", "")
    try:
        if header.lower().startswith("oauth "):
            return call.site.account(three_legs.account_name(call, header))
        call.grant = call.site.tokens.grant(call.bearer_token)
        return call.site.account(call.grant.name)
    except TokenRefused as refused:
        raise problems.unauthorized(f"the token is {refused.reason}") from None
    except oauth1.Denied as denied:
        raise problems.unauthorized(str(denied)) from None


def _limit_headers(window: Window, _now: float) -> dict[str, str]:
    return {
        "x-rate-limit-limit": str(window.limit),
        "x-rate-limit-remaining": str(window.remaining),
        "x-rate-limit-reset": str(int(window.resets_at)),
    }


_POST_ID = r"/2/tweets/{id:\d+}"
_UPLOAD = "/2/media/upload"
_UPLOAD_ID = _UPLOAD + r"/{id:\d+}"

_READ = ("tweet.read", "users.read")
_WRITE = (*_READ, "tweet.write")
_MEDIA = ("media.write",)

PROTOCOL = Protocol(
    prefix="/x",
    site_name=lambda _params: "x",
    authenticate=_authenticate,
    limit_headers=_limit_headers,
    failure=problems.plain,
    request_id_header="x-request-id",
    endpoints=(
        *oauth2.CONSENT.endpoints("/i/oauth2/authorize"),
        *oauth2.CONSENT.endpoints("/2/oauth2/authorize"),
        _open("POST", "/2/oauth2/token", oauth2.token),
        _open("POST", "/2/oauth2/revoke", oauth2.revoke),
        _open("POST", "/oauth/request_token", three_legs.request_token),
        *consent_endpoints("/oauth/authorize", three_legs.ask, three_legs.decide),
        *consent_endpoints("/oauth/authenticate", three_legs.ask, three_legs.decide),
        _open("POST", "/oauth/access_token", three_legs.access_token),
        _endpoint("POST", "/2/tweets", "create", posts.create, 100, _WRITE),
        _endpoint("DELETE", _POST_ID, "delete", posts.delete, 50, _WRITE),
        _endpoint("GET", _POST_ID, "find", reading.read_one, 900, _READ),
        _endpoint("GET", "/2/tweets", "find", reading.read_many, 5000, _READ),
        _endpoint("GET", "/2/users/me", "account", reading.me, 75, _READ),
        _endpoint("GET", r"/2/users/{id:\d+}/tweets", "find", reading.of_user, 900, _READ),
        _endpoint("POST", _UPLOAD, "media", media.upload, 500, _MEDIA),
        _endpoint("GET", _UPLOAD, "media", media.status, 1000, _MEDIA),
        _endpoint("POST", f"{_UPLOAD}/initialize", "media", media.initialize, 1875, _MEDIA),
        _endpoint("POST", f"{_UPLOAD_ID}/append", "media", media.append, 1875, _MEDIA),
        _endpoint("POST", f"{_UPLOAD_ID}/finalize", "media", media.finalize, 1875, _MEDIA),
        _endpoint("POST", "/2/media/metadata", "media", media.metadata, 500, _MEDIA),
    ),
)
