"""Bluesky's routes below `/bluesky`, and its rate limit headers (reset in epoch seconds)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from sandbox.bluesky import blobs, errors, identity, reading, sessions, video, writes
from sandbox.door import Endpoint, Protocol
from sandbox.exchange import Answer, Call
from sandbox.rates import Allowance, Charge, Window
from sandbox.records import Account

_GLOBAL = Allowance(3000, 300)  # per address, whatever is called


def _authenticate(call: Call) -> Account:
    if call.path.endswith((video.UPLOAD, video.LIMITS)):
        return video.authenticate(call)
    return sessions.authenticate(call)


def _limit_headers(window: Window, now: float) -> dict[str, str]:
    headers = {
        "RateLimit-Limit": str(window.limit),
        "RateLimit-Remaining": str(window.remaining),
        "RateLimit-Reset": str(int(window.resets_at)),
        "RateLimit-Policy": f"{window.limit};w={window.length_s:.0f}",
    }
    if window.used_up:
        headers["Retry-After"] = str(max(0, math.ceil(window.resets_at - now)))
    return headers


def _per_address(call: Call) -> Sequence[Charge]:
    return [Charge(call.client, "global", _GLOBAL)]


def _get(
    nsid: str, operation: str, handler: Callable[[Call], Answer], *, signed_in: bool = False
) -> Endpoint:
    path = f"/xrpc/{nsid}"
    return Endpoint(
        "GET", path, operation, handler, _GLOBAL, signed_in=signed_in, charges=_per_address
    )


def _post(
    nsid: str,
    operation: str,
    handler: Callable[[Call], Answer],
    allowance: Allowance = _GLOBAL,
    charges: Callable[[Call], Sequence[Charge]] = _per_address,
    *,
    signed_in: bool = True,
) -> Endpoint:
    path = f"/xrpc/{nsid}"
    return Endpoint(
        "POST", path, operation, handler, allowance, signed_in=signed_in, charges=charges
    )


_SERVER, _REPO = "com.atproto.server", "com.atproto.repo"

PROTOCOL = Protocol(
    prefix="/bluesky",
    site_name=lambda _params: "bluesky",
    authenticate=_authenticate,
    limit_headers=_limit_headers,
    failure=errors.error,
    request_id_header="X-Request-Id",
    endpoints=(
        _post(
            f"{_SERVER}.createSession",
            "token",
            sessions.create,
            Allowance(30, 300),
            sessions.session_charges,
            signed_in=False,
        ),
        _post(f"{_SERVER}.refreshSession", "token", sessions.refresh, signed_in=False),
        _post(f"{_SERVER}.deleteSession", "token", sessions.delete, signed_in=False),
        _get(f"{_SERVER}.getSession", "account", sessions.show, signed_in=True),
        _get(f"{_SERVER}.getServiceAuth", "media", sessions.service_auth, signed_in=True),
        _get(f"{_SERVER}.describeServer", "account", identity.describe_server),
        _get("com.atproto.identity.resolveHandle", "account", identity.resolve_handle),
        _post(f"{_REPO}.uploadBlob", "media", blobs.upload, blobs.PER_ADDRESS, blobs.charges),
        _post(f"{_REPO}.putRecord", "create", writes.put, writes.PER_HOUR, writes.points(2)),
        _post(f"{_REPO}.createRecord", "create", writes.create, writes.PER_HOUR, writes.points(3)),
        # Two creates' worth: what clients write together is a post and its gate.
        _post(f"{_REPO}.applyWrites", "create", writes.apply, writes.PER_HOUR, writes.points(6)),
        _post(f"{_REPO}.deleteRecord", "delete", writes.delete, writes.PER_HOUR, writes.points(1)),
        _get(f"{_REPO}.getRecord", "find", reading.get_record),
        _get(f"{_REPO}.listRecords", "find", reading.list_records),
        _get("app.bsky.feed.getPosts", "find", reading.get_posts),
        _get("app.bsky.actor.getProfile", "account", reading.get_profile),
        _post(video.UPLOAD, "media", video.upload),
        _get("app.bsky.video.getJobStatus", "find", video.status),
        _get(video.LIMITS, "account", video.limits, signed_in=True),
        Endpoint(
            "GET",
            r"/{did:did:plc:[a-z2-7]{24}}",
            "account",
            identity.directory,
            _GLOBAL,
            signed_in=False,
            charges=_per_address,
        ),
    ),
)
