"""Slack's `chat.postMessage` at `/slack/api/chat.postMessage`: nearly every answer is a 200.

The token is `xoxb-demo-<name>`. Channels whose name (after `#` or `C`) begins with `missing`,
`archived` or `private` refuse as `channel_not_found`, `is_archived`, `not_in_channel`; case does
not matter. A channel takes one message a second, and three at once. After api.slack.com.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.door import Endpoint, Protocol
from sandbox.exchange import Answer, Call, Malformed, Refusal
from sandbox.inbox import deliver
from sandbox.rates import Allowance, Window
from sandbox.records import Account
from sandbox.tokens import TokenRefused

_BURST = 3.0
_MOST_BLOCKS = 50
_MOST_TEXT = 40_000
_LIMITS = {"header": 150, "section": 3000}
_REFUSING = {
    "missing": "channel_not_found",
    "archived": "is_archived",
    "private": "not_in_channel",
}
_TOKEN_ERRORS = {"invalid": "invalid_auth", "expired": "token_expired", "revoked": "token_revoked"}
_USUAL = {
    401: "invalid_auth",
    403: "access_denied",
    429: "ratelimited",
    500: "internal_error",
    503: "service_unavailable",
    504: "request_timeout",
}


def _no(code: str, **more: Any) -> Refusal:
    return Refusal(Answer(200, {"ok": False, "error": code, **more}))


def failure(status: int) -> Answer:
    """Only 429 and 5xx are told by their status."""
    code = _USUAL.get(status, "fatal_error")
    shown = status if status == 429 or status >= 500 else 200
    return Answer(shown, {"ok": False, "error": code})


def _authenticate(call: Call) -> Account:
    token = call.bearer_token
    if not token:
        raise _no("not_authed")
    if not token.startswith("xoxb-"):
        raise _no("invalid_auth")
    tokens = call.site.tokens
    try:
        grant = tokens.grant(token.removeprefix("xoxb-"))
    except TokenRefused as refused:
        raise _no(_TOKEN_ERRORS[refused.reason]) from None
    call.grant = grant
    return call.site.account(grant.name)


@dataclass(slots=True)
class Buckets:
    """How many messages each channel would take now, and when that was counted."""

    left: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, channel: str, now: float) -> bool:
        """Take one; false when the channel had a message less than a second ago, too often."""
        amount, at = self.left.get(channel, (_BURST, now))
        amount = min(_BURST, amount + max(0.0, now - at))
        taken = amount >= 1.0
        self.left[channel] = (amount - 1.0 if taken else amount, now)
        return taken


def post_message(call: Call) -> Answer:
    body = _body(call)
    channel = body.get("channel")
    if not isinstance(channel, str) or not channel:
        raise _no("channel_not_found")
    name = channel.lstrip("#C").lower()
    for beginning, code in _REFUSING.items():
        if name.startswith(beginning):
            raise _no(code)
    text, blocks = body.get("text") or "", body.get("blocks") or []
    if not text and not blocks:
        raise _no("no_text")
    if len(str(text)) > _MOST_TEXT:
        raise _no("msg_too_long")
    _check_blocks(blocks)
    if not call.site.books(Buckets).take(channel, call.received_at):
        raise Refusal(Answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "1"}))
    ts = f"{call.received_at:.6f}"
    deliver(
        call.world,
        "slack",
        to=channel,
        sender=call.account.name,
        content={"text": text, "blocks": blocks},
        id=ts,
    )
    message = {"type": "message", "text": text, "blocks": blocks, "ts": ts}
    return Answer(200, {"ok": True, "channel": channel, "ts": ts, "message": message})


def _body(call: Call) -> dict[str, Any]:
    if not call.content_type.startswith("application/json"):
        return dict(call.form())
    try:
        return call.json_object()
    except Malformed:
        raise _no("invalid_json") from None


def _check_blocks(blocks: Any) -> None:
    if not isinstance(blocks, list) or len(blocks) > _MOST_BLOCKS:
        raise _no("invalid_blocks")
    for block in blocks:
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise _no("invalid_blocks")
        text = block.get("text")
        words = text.get("text") if isinstance(text, dict) else None
        most = _LIMITS.get(block["type"])
        if most is not None and (not isinstance(words, str) or not 0 < len(words) <= most):
            raise _no("invalid_blocks", errors=[f"must be 1 to {most} characters [json-pointer]"])
        if block["type"] == "context" and not 0 < len(block.get("elements") or []) <= 10:
            raise _no("invalid_blocks")


def _scope_missing(_call: Call, missing: Sequence[str]) -> Answer:
    return _no("missing_scope", needed=missing[0], provided="").answer


def _limit_headers(window: Window, now: float) -> dict[str, str]:
    if not window.used_up:
        return {}
    return {"Retry-After": str(max(1, math.ceil(window.resets_at - now)))}


PROTOCOL = Protocol(
    prefix="/slack",
    site_name=lambda _params: "slack",
    authenticate=_authenticate,
    limit_headers=_limit_headers,
    failure=failure,
    request_id_header="x-slack-req-id",
    scope_missing=_scope_missing,
    endpoints=(
        Endpoint(
            "POST",
            "/api/chat.postMessage",
            "create",
            post_message,
            Allowance(1000, 60),
            scopes=("chat:write",),
        ),
    ),
)
