"""Chats: which there are, how they treat the bot, and what a bot may ask about them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.records import Account, Post
from sandbox.telegram import errors
from sandbox.telegram.params import Params, read

_USERNAME = re.compile(r"@([A-Za-z][A-Za-z0-9_]{2,31})")
_CHANNEL = re.compile(r"-100\d{1,13}")
_GROUP = re.compile(r"-\d{1,13}")
_UPGRADED = "-5"
NOT_FOUND = "chat not found"


@dataclass(slots=True)
class Message:
    """One message of a chat; an album's messages share their post."""

    id: int
    post: Post
    body: dict[str, Any]
    is_deleted: bool = False


@dataclass(slots=True)
class Chat:
    """One chat; `account` is whom the sandbox's statistics count its posts for."""

    id: int
    kind: str
    username: str
    account: Account
    messages: dict[int, Message] = field(default_factory=dict)
    last_id: int = 0

    def shape(self) -> dict[str, Any]:
        shape = {"id": self.id, "title": self.account.display_name, "type": self.kind}
        return {**shape, "username": self.username} if self.username else shape

    @property
    def noun(self) -> str:
        return f"{self.kind} chat"


@dataclass(slots=True)
class _Chats:
    by_key: dict[str, Chat] = field(default_factory=dict)  # by lower-case @name and by id


def find(call: Call, params: Params) -> Chat:
    """The chat that `chat_id` names; raises Refusal when the bot cannot even see it."""
    given = params.text("chat_id").strip()
    if not given:
        raise errors.bad_request("chat_id is empty")
    known = call.site.books(_Chats).by_key
    chat = known.get(given.lower()) or _make(call, given)
    known[given.lower()] = known[str(chat.id)] = chat
    name = chat.username.lower()
    if name.startswith("closed"):
        raise errors.forbidden(f"bot is not a member of the {chat.noun}")
    if name.startswith("kicked"):
        raise errors.forbidden(f"bot was kicked from the {chat.noun}")
    return chat


def find_writable(call: Call, params: Params) -> Chat:
    """The same, where the bot may also post."""
    chat = find(call, params)
    if _is_read_only(chat):
        raise errors.bad_request(f"need administrator rights in the {chat.noun}")
    return chat


def _make(call: Call, given: str) -> Chat:
    """A chat on first sight; raises Refusal for what cannot be one."""
    named = _USERNAME.fullmatch(given)
    if named is not None and named[1].lower() != "nobody":
        digest = hashlib.blake2b(named[1].lower().encode(), digest_size=8).digest()
        chat_id = -1_001_000_000_000 - int.from_bytes(digest) % 10**9
        return Chat(chat_id, "channel", named[1], call.site.account(named[1]))
    if _CHANNEL.fullmatch(given):
        is_group = given.startswith("-100" + _UPGRADED[1:])
        kind = "supergroup" if is_group else "channel"
        return Chat(int(given), kind, "", call.site.account(f"chat{given}"))
    if _GROUP.fullmatch(given) and given.startswith(_UPGRADED):
        text = "group chat was upgraded to a supergroup chat"
        raise errors.bad_request(text, {"migrate_to_chat_id": int(f"-100{given[1:]}")})
    if _GROUP.fullmatch(given):
        return Chat(int(given), "group", "", call.site.account(f"chat{given}"))
    raise errors.bad_request(NOT_FOUND)


def _is_read_only(chat: Chat) -> bool:
    return chat.username.lower().startswith("readonly")


def bot_id(account: Account) -> int:
    return int(account.id) % 10**10


def _bot(account: Account) -> dict[str, Any]:
    return {
        "id": bot_id(account),
        "is_bot": True,
        "first_name": account.display_name,
        "username": f"{account.name.removesuffix('_bot')}_bot",
    }


def get_me(call: Call) -> Answer:
    abilities = {
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
    }
    return Answer(200, {"ok": True, "result": {**_bot(call.account), **abilities}})


def get_chat(call: Call) -> Answer:
    chat = find(call, read(call))
    more = {"accent_color_id": 1, "max_reaction_count": 11, "accepted_gift_types": {}}
    return Answer(200, {"ok": True, "result": {**chat.shape(), **more}})


def get_chat_member(call: Call) -> Answer:
    """Of the bot itself; of anyone else it may learn only that they are not there."""
    params = read(call)
    chat, user_id = find(call, params), params.number("user_id")
    if user_id is None:
        raise errors.bad_request("invalid user_id specified")
    if user_id != bot_id(call.account):
        person = {"id": user_id, "is_bot": False, "first_name": "Somebody"}
        return Answer(200, {"ok": True, "result": {"status": "left", "user": person}})
    if _is_read_only(chat):
        return Answer(200, {"ok": True, "result": {"status": "member", "user": _bot(call.account)}})
    rights = {
        "can_be_edited": False,
        "is_anonymous": False,
        "can_manage_chat": True,
        "can_post_messages": True,
        "can_edit_messages": True,
        "can_delete_messages": True,
        "can_invite_users": True,
    }
    member = {"status": "administrator", "user": _bot(call.account)}
    return Answer(200, {"ok": True, "result": member | rights})
