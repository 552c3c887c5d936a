"""Changing what was sent: deleting messages and editing texts."""

from __future__ import annotations

from sandbox.exchange import Answer, Call
from sandbox.telegram import chats, errors
from sandbox.telegram.chats import Chat, Message
from sandbox.telegram.messages import read_text
from sandbox.telegram.params import read

_NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)


def delete_one(call: Call) -> Answer:
    """`deleteMessage`; of an album it takes one picture away, the last takes the post."""
    params = read(call)
    chat = chats.find_writable(call, params)
    message = _living(chat, params.number("message_id"))
    if message is None:
        raise errors.bad_request("message to delete not found")
    _delete(call, chat, message)
    return Answer(200, {"ok": True, "result": True})


def delete_many(call: Call) -> Answer:
    """`deleteMessages`: those that are not there are skipped."""
    params = read(call)
    chat = chats.find_writable(call, params)
    numbers = params.decoded("message_ids", list) or []
    if not 1 <= len(numbers) <= 100:
        raise errors.bad_request("message identifiers are not specified")
    for number in numbers:
        message = _living(chat, number if isinstance(number, int) else None)
        if message is not None:
            _delete(call, chat, message)
    return Answer(200, {"ok": True, "result": True})


def edit_text(call: Call) -> Answer:
    params = read(call)
    chat = chats.find_writable(call, params)
    message = _living(chat, params.number("message_id"))
    if message is None:
        raise errors.bad_request("message to edit not found")
    if "text" not in message.body:
        raise errors.bad_request("there is no text in the message to edit")
    text, entities = read_text(params.values, "text")
    if not text.strip():
        raise errors.bad_request("message text is empty")
    if (text, entities) == (message.body["text"], message.body.get("entities", [])):
        raise errors.bad_request(_NOT_MODIFIED)
    call.site.rewrite(message.post, text, message.post.media)
    message.body = {**message.body, "text": text, "edit_date": int(call.world.now())}
    message.body.pop("entities", None)
    if entities:
        message.body["entities"] = entities
    return Answer(200, {"ok": True, "result": message.body})


def _living(chat: Chat, number: int | None) -> Message | None:
    message = chat.messages.get(number) if number is not None else None
    return None if message is None or message.is_deleted else message


def _delete(call: Call, chat: Chat, message: Message) -> None:
    message.is_deleted = True
    if all(m.is_deleted for m in chat.messages.values() if m.post is message.post):
        call.site.delete(message.post)
