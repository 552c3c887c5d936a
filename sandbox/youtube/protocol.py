"""YouTube's routes and the check of who is calling; a session's address speaks for its owner."""

from __future__ import annotations

from sandbox.door import Endpoint, Handler, Protocol
from sandbox.exchange import Call
from sandbox.rates import Allowance
from sandbox.records import Account
from sandbox.tokens import TokenRefused
from sandbox.youtube import (
    channels,
    comments,
    errors,
    figures,
    oauth,
    playlists,
    sessions,
    thumbnails,
    videos,
)

_BURST = Allowance(3000, 60)  # the quota is another matter: sandbox/youtube/quota.py
_DATA = r"/youtube/{version:v[0-9.]+}"
_UPLOADS = r"{resumable:/resumable|}/upload/youtube/{version:v[0-9.]+}"


def _authenticate(call: Call) -> Account:
    session = sessions.of_call(call) if call.method == "PUT" else None
    if session is not None:
        return session.account
    if call.method == "PUT" and "upload_id" in call.query:
        raise errors.refused(404, "notFound", "Not Found", domain="global")
    if not call.bearer_token:
        raise errors.bad_token(is_missing=True)
    try:
        call.grant = call.site.tokens.grant(call.bearer_token)
    except TokenRefused:
        raise errors.bad_token() from None
    return call.site.account(call.grant.name)


def _data(method: str, path: str, operation: str, handler: Handler) -> Endpoint:
    return Endpoint(method, _DATA + path, operation, handler, _BURST, "data")


def _open(method: str, path: str, handler: Handler) -> Endpoint:
    """One route of the token service, which knows the client and not the user."""
    return Endpoint(method, path, "token", handler, _BURST, "oauth", signed_in=False)


PROTOCOL = Protocol(
    prefix="/youtube",
    site_name=lambda _params: "youtube",
    authenticate=_authenticate,
    limit_headers=lambda _window, _now: {},  # Google tells nothing of quota and limits
    failure=errors.plain,
    request_id_header="X-Request-Id",
    endpoints=(
        Endpoint("POST", _UPLOADS + "/videos", "media", sessions.start, _BURST),
        Endpoint(
            "PUT",
            _UPLOADS + "/videos",
            "media",
            sessions.put,
            _BURST,
            operation_of=sessions.operation,
        ),
        Endpoint("POST", _UPLOADS + "/thumbnails/set", "media", thumbnails.put, _BURST),
        _data("GET", "/videos", "find", videos.read),
        _data("PUT", "/videos", "create", videos.update),
        _data("DELETE", "/videos", "delete", videos.delete),
        _data("GET", "/videoCategories", "account", videos.categories),
        _data("GET", "/channels", "account", channels.read),
        _data("POST", "/commentThreads", "create", comments.create_thread),
        _data("GET", "/commentThreads", "find", comments.threads),
        _data("POST", "/comments", "create", comments.create_answer),
        _data("DELETE", "/comments", "delete", comments.delete),
        _data("GET", "/playlistItems", "find", playlists.items),
        _data("POST", "/playlistItems", "create", playlists.add),
        _data("GET", "/playlists", "account", playlists.read),
        _data("POST", "/playlists", "account", playlists.create),
        _data("GET", "/search", "find", playlists.search),
        Endpoint("GET", r"/{version:v[0-9.]+}/reports", "find", figures.report, _BURST),
        Endpoint("GET", r"/oauth2/{version:v[0-9.]+}/userinfo", "account", oauth.userinfo, _BURST),
        *oauth.CONSENT.endpoints("/o/oauth2/v2/auth"),
        *oauth.CONSENT.endpoints("/o/oauth2/auth"),
        _open("POST", "/token", oauth.token),
        _open("POST", "/o/oauth2/token", oauth.token),
        _open("POST", "/revoke", oauth.revoke),
        _open("POST", "/o/oauth2/revoke", oauth.revoke),
    ),
)
