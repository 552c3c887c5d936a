"""Facebook's routes, the permissions they need, and which of them make something visible."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.door import Endpoint, Handler, Prepare, Protocol
from sandbox.exchange import Call
from sandbox.facebook import (
    commenting,
    errors,
    feed,
    identity,
    insights,
    oauth,
    photos,
    posts,
    reels,
    videos,
)
from sandbox.graph.usage import APP_CALLS, CALLS, usage_headers

_VERSION = r"/{version:v[0-9.]+}"
_PAGE = r"/{id:me|\d+}"
_ID = r"/{id:\w+}"
_READ, _LIST = ("pages_read_engagement",), ("pages_show_list",)
_PUBLISH = ("pages_manage_posts", "pages_read_engagement")
_COMMENT = ("pages_manage_engagement",)
_INSIGHTS = ("read_insights",)


def _endpoint(
    method: str,
    path: str,
    operation: str,
    handler: Handler,
    scopes: tuple[str, ...] = (),
    *,
    prepare: Prepare | None = None,
    operation_of: Callable[[Call], str] | None = None,
) -> Endpoint:
    bucket = "create" if operation == "create" else "calls"
    if operation_of is not None:
        bucket = ""  # one for each operation
    return Endpoint(
        method,
        _VERSION + path,
        operation,
        handler,
        APP_CALLS if operation == "account" else CALLS,
        "app" if operation == "account" else bucket,
        prepare=prepare,
        scopes=scopes,
        operation_of=operation_of,
    )


def _open(method: str, path: str, handler: Handler) -> tuple[Endpoint, Endpoint]:
    """With and without the version; who may call is the handler's matter."""
    with_version, without = (
        Endpoint(method, prefix + path, "token", handler, CALLS, "token", signed_in=False)
        for prefix in (_VERSION, "")
    )
    return with_version, without


PROTOCOL = Protocol(
    prefix="/facebook",
    site_name=lambda _params: "facebook",
    authenticate=identity.authenticate,
    limit_headers=usage_headers("pages"),
    failure=errors.failure,
    request_id_header="x-fb-trace-id",
    scope_missing=errors.scope_missing,
    endpoints=(
        *oauth.CONSENT.endpoints(f"{_VERSION}/dialog/oauth"),
        *_open("GET", "/oauth/access_token", oauth.token),
        *_open("POST", "/oauth/access_token", oauth.token),
        *_open("GET", "/debug_token", oauth.debug_token),
        _endpoint("GET", "/me", "account", identity.me),
        _endpoint("GET", "/me/accounts", "account", identity.accounts, _LIST),
        _endpoint("GET", "/me/businesses", "account", identity.businesses),
        _endpoint("GET", f"{_PAGE}/permissions", "account", oauth.permissions),
        _endpoint("DELETE", f"{_PAGE}/permissions", "token", oauth.revoke),
        _endpoint("POST", f"{_PAGE}/feed", "create", feed.create, _PUBLISH),
        _endpoint(
            "POST",
            f"{_PAGE}/photos",
            "media",
            photos.create,
            _PUBLISH,
            prepare=photos.fetch,
            operation_of=photos.operation,
        ),
        _endpoint("POST", f"{_PAGE}/photo_stories", "create", photos.make_story, _PUBLISH),
        _endpoint(
            "POST",
            f"{_PAGE}/videos",
            "media",
            videos.upload,
            _PUBLISH,
            operation_of=videos.operation,
        ),
        _endpoint(
            "POST",
            f"{_PAGE}/video_reels",
            "media",
            reels.reel,
            _PUBLISH,
            operation_of=reels.operation,
        ),
        _endpoint(
            "POST",
            f"{_PAGE}/video_stories",
            "media",
            reels.story,
            _PUBLISH,
            operation_of=reels.operation,
        ),
        Endpoint(
            "POST",
            rf"/video-upload{_VERSION}/{{video:\d+}}",
            "media",
            reels.receive,
            CALLS,
            "calls",
            scopes=_PUBLISH,
        ),
        _endpoint("GET", f"{_PAGE}/published_posts", "find", posts.published, _READ),
        _endpoint("GET", f"{_PAGE}/posts", "find", posts.published, _READ),
        _endpoint("GET", f"{_PAGE}/feed", "find", posts.published, _READ),
        _endpoint("GET", f"{_PAGE}/scheduled_posts", "find", posts.scheduled, _READ),
        _endpoint("GET", f"{_PAGE}/videos", "find", videos.listed, _READ),
        _endpoint("GET", f"{_PAGE}/video_reels", "find", videos.listed_reels, _READ),
        _endpoint(
            "POST",
            f"{_ID}/comments",
            "create",
            commenting.comment,
            _COMMENT,
            prepare=photos.fetch,
        ),
        _endpoint("GET", f"{_ID}/comments", "find", commenting.comments, _READ),
        _endpoint("GET", f"{_ID}/insights", "find", insights.insights, _INSIGHTS),
        _endpoint("GET", f"{_ID}/video_insights", "find", insights.of_video, _INSIGHTS),
        _endpoint("GET", _ID, "find", commenting.read),
        _endpoint("DELETE", _ID, "delete", commenting.delete, _PUBLISH),
    ),
)
