"""Somebody's callback address, `/hooks/<name>`: takes everything and shows it in the inbox."""

from __future__ import annotations

import secrets
from typing import Any

from sandbox.door import Endpoint, Protocol
from sandbox.exchange import Answer, Call, Malformed, Refusal
from sandbox.inbox import deliver
from sandbox.rates import Allowance, Window
from sandbox.records import Account

_SHOWN = ("webhook-id", "webhook-timestamp", "webhook-signature")


def _nobody(_call: Call) -> Account:
    raise Refusal(Answer(401))


def take(call: Call) -> Answer:
    try:
        body: dict[str, Any] = call.json_object()
    except Malformed:
        body = {"raw": call.body.decode("utf-8", "replace")[:10_000]}
    headers = {name: call.headers[name] for name in _SHOWN if name in call.headers}
    deliver(
        call.world,
        "callbacks",
        to=call.path,
        sender=call.headers.get("User-Agent", ""),
        # The signature is the attempt's own: without it a repeat is the same letter.
        content={"body": body, "id": headers.get("webhook-id", "")},
        id=secrets.token_hex(8),
    ).content["headers"] = headers
    return Answer(200, {"taken": True})


def _limit_headers(_window: Window, _now: float) -> dict[str, str]:
    return {}


PROTOCOL = Protocol(
    prefix="/hooks",
    site_name=lambda _params: "callbacks",
    authenticate=_nobody,
    limit_headers=_limit_headers,
    failure=lambda status: Answer(status, {"error": "told to refuse"}),
    request_id_header="X-Request-Id",
    endpoints=(
        Endpoint("POST", "/{name}", "create", take, Allowance(100_000, 1), signed_in=False),
    ),
)
