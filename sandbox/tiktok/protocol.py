"""TikTok's routes (all end with a slash) and the check of who is calling."""

from __future__ import annotations

from sandbox.door import Endpoint, Handler, Protocol
from sandbox.exchange import Call
from sandbox.rates import Allowance
from sandbox.records import Account
from sandbox.tiktok import creators, envelopes, oauth, publications, uploads, videos
from sandbox.tokens import TokenRefused

_API = r"/{version:v[0-9.]+}"
_PUBLISH = f"{_API}/post/publish"
_DISPLAY = Allowance(600, 60)
_BYTES = Allowance(100_000, 60)


def _authenticate(call: Call) -> Account:
    """By Bearer token; an upload's address speaks for its owner."""
    if call.method == "PUT":
        upload = uploads.of_call(call)
        if upload is None:
            raise envelopes.refused(404, "invalid_upload", "There is no such upload.")
        return upload.account
    try:
        call.grant = call.site.tokens.grant(call.bearer_token)
    except TokenRefused:
        message = "The access token is invalid or not found in the request."
        raise envelopes.refused(401, "access_token_invalid", message) from None
    return call.site.account(call.grant.name)


def _init(path: str, handler: Handler, *scopes: str) -> Endpoint:
    return Endpoint(
        "POST",
        f"{_PUBLISH}{path}init/",
        "media",
        handler,
        Allowance(6, 60),
        scopes=scopes,
        operation_of=publications.init_operation,
    )


def _post(
    path: str, operation: str, handler: Handler, allowance: Allowance, *scopes: str
) -> Endpoint:
    return Endpoint("POST", path, operation, handler, allowance, scopes=scopes)


def _open(path: str, handler: Handler) -> Endpoint:
    """One route of the token service, which knows the application and not the creator."""
    return Endpoint("POST", _API + path, "token", handler, _BYTES, "oauth", signed_in=False)


PROTOCOL = Protocol(
    prefix="/tiktok",
    site_name=lambda _params: "tiktok",
    authenticate=_authenticate,
    limit_headers=lambda _window, _now: {},  # TikTok tells nothing of its limits
    failure=envelopes.plain,
    request_id_header="X-Tt-Logid",
    scope_missing=lambda _call, _missing: envelopes.scope_missing(),
    endpoints=(
        _init("/video/", publications.direct_video, "video.publish"),
        _init("/inbox/video/", publications.inbox_video, "video.upload"),
        _init("/content/", publications.photos),
        Endpoint("PUT", "/upload/", "media", uploads.put, _BYTES, operation_of=uploads.operation),
        _post(
            f"{_PUBLISH}/creator_info/query/",
            "account",
            creators.creator_info,
            Allowance(20, 60),
            "video.publish",
        ),
        _post(f"{_PUBLISH}/status/fetch/", "find", publications.fetch_status, Allowance(30, 60)),
        Endpoint("GET", f"{_API}/user/info/", "account", creators.user_info, _DISPLAY),
        _post(f"{_API}/video/list/", "find", videos.listed, _DISPLAY, "video.list"),
        _post(f"{_API}/video/query/", "find", videos.query, _DISPLAY, "video.list"),
        *oauth.CONSENT.endpoints(f"{_API}/auth/authorize/"),
        _open("/oauth/token/", oauth.token),
        _open("/oauth/revoke/", oauth.revoke),
    ),
)
