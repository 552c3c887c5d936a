"""Reading Telegram: its answers, its errors, and the addresses and ids of posts.

Source: as in `platforms.adapters.telegram`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.http import Response
from platforms.adapters.base import Account, ErrorTable

ERRORS: ErrorTable = {  # (status, our code for the words) -> category; Telegram has no codes
    (400, ""): C.VALIDATION_ERROR,
    (400, "file"): C.MEDIA_ERROR,
    (400, "moved"): C.VALIDATION_ERROR,  # the group became a supergroup and has another id now
    (401, ""): C.AUTH_ERROR,  # the bot's token was revoked
    (403, ""): C.AUTH_ERROR,  # the bot was removed from the chat or may not post there
    (404, ""): C.AUTH_ERROR,  # no bot has this token: it is part of the address
    (413, ""): C.MEDIA_ERROR,
    (429, ""): C.RATE_LIMIT,
}
# Last resort: (part of the description in lower case, our code). Recalled.
WORDS = (("image_process_failed", "file"), ("photo_", "file"), ("wrong file", "file"))
POST_ADDRESS = re.compile(
    r"https://t\.me/(?:c/(?P<private>\d+)|(?P<name>[A-Za-z]\w+))/(?P<id>\d+)(?:[?#].*)?"
)


# --- answers --------------------------------------------------------------------------------
def sent(response: Response) -> list[str]:
    """Return the ids of the messages that were made; none if the answer does not tell all."""
    result = response.json_object().get("result")
    messages = result if isinstance(result, list) else [result]
    ids = [message.get("message_id") if isinstance(message, dict) else 0 for message in messages]
    return [str(one) for one in ids] if all(type(one) is int and one > 0 for one in ids) else []


def description(response: Response) -> str:
    return str(response.json_object().get("description") or "")


def parameters(response: Response) -> dict[str, Any]:
    found = response.json_object().get("parameters")
    return found if isinstance(found, dict) else {}


def moved_to(response: Response) -> str:
    """Return the id that a group has since it became a supergroup, "" if it has not."""
    new = parameters(response).get("migrate_to_chat_id")
    return str(new) if not response.ok and type(new) is int else ""


def may_post(chat: Mapping[str, Any], member: Mapping[str, Any]) -> bool:
    status = member.get("status")
    if chat.get("type") == "channel":
        return status == "creator" or member.get("can_post_messages") is True
    if status == "restricted":
        return member.get("can_send_messages") is True
    return status in {"creator", "administrator", "member"}


# --- errors ---------------------------------------------------------------------------------
def provider_code(response: Response) -> str:
    if moved_to(response):
        return "moved"
    text = description(response).lower()
    return next((code for words, code in WORDS if words in text), "")


def retry_after(response: Response) -> timedelta | None:
    """Telegram says how long to wait in the body."""
    seconds = parameters(response).get("retry_after")
    if type(seconds) is int and 0 <= seconds < 10**7:
        return timedelta(seconds=seconds)
    return response.retry_after


def explain(response: Response) -> str:
    said = description(response).rstrip(".")
    remedy = ""
    if new_chat := moved_to(response):
        remedy = f" Connect it again with the chat id {new_chat}."
    elif response.status == 403:
        remedy = " Add the bot to the chat, let it post, then connect the chat again."
    elif response.status in {401, 404}:
        remedy = " Connect the chat again with the bot's present token."
    return f"Telegram answered HTTP {response.status}{f': {said}' if said else ''}.{remedy}"


# --- addresses ------------------------------------------------------------------------------
def place_of(remote_id: str) -> tuple[str, list[str]]:
    """Return the chat and the messages of a remote id."""
    chat, _, messages = remote_id.rpartition("/")
    return chat, messages.split(",")


def is_public(account: Account) -> bool:
    return account.username != account.external_id


def permalink(account: Account, remote_id: str) -> str:
    """Return a post's address; "" in small groups, whose messages have none."""
    chat, messages = place_of(remote_id)
    if is_public(account):
        return f"https://t.me/{account.username}/{messages[0]}"
    return f"https://t.me/c/{chat[4:]}/{messages[0]}" if chat.startswith("-100") else ""


def remote_id_in(address: str, account: Account) -> str:
    found = POST_ADDRESS.fullmatch(address.strip())
    if found is None:
        return ""
    is_here = f"-100{found['private']}" == account.external_id
    is_here = is_here or (found["name"] or "").lower() == account.username.lower()
    return f"{account.external_id}/{found['id']}" if is_here else ""
