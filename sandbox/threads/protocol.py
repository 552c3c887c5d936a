"""Threads' routes and the scopes they need."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.door import Endpoint, Handler, Prepare, Protocol
from sandbox.exchange import Answer, Call
from sandbox.graph.errors import missing_permission
from sandbox.graph.usage import CALLS
from sandbox.rates import Window
from sandbox.threads import creating, errors, insights, oauth, publishing, reading, users

_VERSION = r"/{version:v[0-9.]+}"
_USER = _VERSION + r"/{id:me|\d+}"
_ID = _VERSION + r"/{id:\d+}"


def _scope_missing(_call: Call, missing: Sequence[str]) -> Answer:
    message = f"Application does not have permission for this action: {', '.join(missing)}"
    return missing_permission(message).answer


def _no_headers(_window: Window, _now: float) -> dict[str, str]:
    return {}


def _endpoint(
    method: str,
    path: str,
    operation: str,
    handler: Handler,
    *scopes: str,
    prepare: Prepare | None = None,
) -> Endpoint:
    bucket = "create" if operation == "create" else "calls"
    needed = ("threads_basic", *scopes)
    return Endpoint(method, path, operation, handler, CALLS, bucket, prepare=prepare, scopes=needed)


def _token_endpoint(method: str, path: str, handler: Handler) -> Endpoint:
    return Endpoint(method, path, "token", handler, CALLS, "token", signed_in=False)


PROTOCOL = Protocol(
    prefix="/threads",
    site_name=lambda _params: "threads",
    authenticate=users.authenticate,
    limit_headers=_no_headers,
    failure=errors.failure,
    request_id_header="x-fb-trace-id",
    scope_missing=_scope_missing,
    endpoints=(
        *oauth.CONSENT.endpoints("/oauth/authorize"),
        _token_endpoint("POST", "/oauth/access_token", oauth.token),
        _token_endpoint("GET", "/access_token", oauth.lengthen),
        _token_endpoint("GET", "/refresh_access_token", oauth.renew),
        _endpoint("GET", "/debug_token", "token", oauth.debug_token),
        _endpoint("GET", f"{_VERSION}/debug_token", "token", oauth.debug_token),
        _endpoint("GET", f"{_VERSION}/me", "account", users.me),
        _endpoint(
            "POST",
            f"{_USER}/threads",
            "media",
            creating.create,
            "threads_content_publish",
            prepare=creating.fetch_image,
        ),
        _endpoint(
            "POST",
            f"{_USER}/threads_publish",
            "create",
            publishing.publish,
            "threads_content_publish",
        ),
        _endpoint("GET", f"{_USER}/threads_publishing_limit", "account", publishing.limit),
        _endpoint("GET", f"{_USER}/threads", "find", reading.posts),
        _endpoint("GET", f"{_USER}/replies", "find", reading.replies),
        _endpoint(
            "GET",
            f"{_USER}/threads_insights",
            "find",
            insights.of_profile,
            "threads_manage_insights",
        ),
        _endpoint("GET", f"{_ID}/insights", "find", insights.of_post, "threads_manage_insights"),
        _endpoint("GET", _ID, "find", reading.read),
        _endpoint("DELETE", _ID, "delete", publishing.delete, "threads_delete"),
    ),
)
