"""The Bot API's routes: `/telegram/bot<token>/<method>`, GET or POST, method in any case."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence

from sandbox.door import Endpoint, Prepare, Protocol
from sandbox.exchange import Answer, Call, Refusal
from sandbox.rates import Allowance, Charge, Window
from sandbox.records import Account
from sandbox.telegram import changes, chats, errors, files, messages
from sandbox.tokens import TokenRefused

_REAL_TOKEN = re.compile(r"(\d{1,12}):[A-Za-z0-9_-]{3,64}")
_PATIENCE = Allowance(1000, 60)


def _authenticate(call: Call) -> Account:
    """`demo-<name>` is the bot `<name>`, `123:ABC` the bot `bot123`; anything else is a 404."""
    token, tokens = call.params["token"], call.site.tokens
    real = _REAL_TOKEN.fullmatch(token)
    try:
        if real is None:
            return call.site.account(tokens.account_name(token))
        tokens.check_alive(token)
    except TokenRefused as refused:
        raise Refusal(errors.error(404 if refused.reason == "invalid" else 401)) from None
    return call.site.account(f"bot{real[1]}")


def _limit_headers(window: Window, now: float) -> dict[str, str]:
    """Only a 429 says anything."""
    if not window.used_up:
        return {}
    return {"Retry-After": str(max(1, math.ceil(window.resets_at - now)))}


def _unknown(_call: Call) -> Answer:
    return errors.error(404)


def _both(
    name: str,
    operation: str,
    handler: Callable[[Call], Answer],
    *,
    charges: Callable[[Call], Sequence[Charge]] | None = None,
    prepare: Prepare | None = None,
) -> Iterator[Endpoint]:
    allowance = _PATIENCE if charges is None else messages.PER_BOT
    path = r"/bot{token:[^/]+}/" + f"{{method:(?i:{name})}}"
    for method in ("GET", "POST"):
        yield Endpoint(
            method, path, operation, handler, allowance, name, prepare=prepare, charges=charges
        )


def _send(
    name: str, handler: Callable[[Call], Answer], prepare: Prepare | None = None
) -> Iterator[Endpoint]:
    return _both(name, "create", handler, charges=messages.charges, prepare=prepare)


PROTOCOL = Protocol(
    prefix="/telegram",
    site_name=lambda _params: "telegram",
    authenticate=_authenticate,
    limit_headers=_limit_headers,
    failure=errors.error,
    request_id_header="X-Request-Id",
    limited=errors.limited,
    endpoints=(
        *_both("getMe", "account", chats.get_me),
        *_both("getChat", "account", chats.get_chat),
        *_both("getChatMember", "account", chats.get_chat_member),
        *_send("sendMessage", messages.send_text),
        *_send("sendPhoto", messages.send_photo, files.fetch),
        *_send("sendVideo", messages.send_video, files.fetch),
        *_send("sendMediaGroup", messages.send_album, files.fetch),
        *_both("editMessageText", "create", changes.edit_text),
        *_both("deleteMessage", "delete", changes.delete_one),
        *_both("deleteMessages", "delete", changes.delete_many),
        *_both("[A-Za-z]+", "account", _unknown),
    ),
)
