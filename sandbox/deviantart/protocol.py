"""DeviantArt's routes below `/deviantart`; every API call stands behind the secret limits."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.deviantart import (
    access,
    deviations,
    errors,
    oauth,
    people,
    publishing,
    stash,
    writing,
)
from sandbox.deviantart.tarpit import limited
from sandbox.door import Endpoint, Protocol
from sandbox.exchange import Answer, Call
from sandbox.rates import Allowance, Window

_UNTOLD = Allowance(1_000_000, 60)  # the real limits are the tarpit's
_PUBLISH_POINTS = 6.0
_API = r"/api/{version:v[0-9.]+}/oauth2"


def _no_limit_headers(_window: Window, _now: float) -> dict[str, str]:
    return {}


def _endpoint(
    method: str,
    path: str,
    operation: str,
    handler: Callable[[Call], Answer],
    scopes: str = "",
    *,
    points: float = 1.0,
) -> Endpoint:
    behind = limited(handler, operation, points)
    needed = tuple(scopes.split())
    return Endpoint(method, _API + path, operation, behind, _UNTOLD, scopes=needed)


def _create(
    path: str, handler: Callable[[Call], Answer], scopes: str, points: float = _PUBLISH_POINTS
) -> Endpoint:
    return _endpoint("POST", path, "create", handler, scopes, points=points)


def _token(path: str, handler: Callable[[Call], Answer]) -> Endpoint:
    return Endpoint("POST", f"/oauth2/{path}", "token", handler, _UNTOLD, signed_in=False)


_ID = r"{deviationid:[0-9A-Fa-f-]{36}}"

PROTOCOL = Protocol(
    prefix="/deviantart",
    site_name=lambda _params: "deviantart",
    authenticate=access.authenticate,
    limit_headers=_no_limit_headers,
    failure=errors.failure,
    request_id_header="X-Amz-Cf-Id",
    scope_missing=access.scope_missing,
    endpoints=(
        *oauth.CONSENT.endpoints("/oauth2/authorize"),
        _token("token", oauth.token),
        _token("revoke", oauth.revoke),
        _endpoint("GET", "/placebo", "account", people.placebo),
        _endpoint("POST", "/placebo", "account", people.placebo),
        _endpoint("GET", "/user/whoami", "account", people.whoami, "user"),
        _endpoint("GET", "/user/profile/posts", "find", deviations.posts, "browse"),
        _endpoint("GET", "/user/profile/{username}", "account", people.profile, "browse"),
        _create("/user/statuses/post", writing.status, "user.manage"),
        _endpoint("POST", "/stash/submit", "media", stash.submit, "stash"),
        _create("/stash/publish", publishing.publish, "stash publish"),
        _endpoint("GET", "/stash/publish/userdata", "account", stash.userdata, "stash publish"),
        _endpoint("GET", "/stash/space", "account", stash.space, "stash"),
        _endpoint("GET", r"/stash/item/{itemid:\d+}", "find", stash.read, "stash"),
        _endpoint("POST", "/stash/delete", "delete", stash.delete, "stash"),
        _create("/deviation/journal/create", writing.written("journal"), "user.manage"),
        _create("/deviation/literature/create", writing.written("literature"), "user.manage"),
        _endpoint("GET", "/deviation/metadata", "find", deviations.metadata, "browse"),
        _endpoint("GET", f"/deviation/{_ID}", "find", deviations.read, "browse"),
        _create(
            f"/comments/post/deviation/{_ID}", writing.comment, "browse comment.post", points=2.0
        ),
        _endpoint("GET", f"/comments/deviation/{_ID}", "find", writing.comments, "browse"),
        _endpoint("GET", "/gallery/all", "find", deviations.gallery, "browse"),
        _endpoint("GET", "/gallery/folders", "account", people.folders, "browse"),
    ),
)
