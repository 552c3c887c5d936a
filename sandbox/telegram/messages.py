"""Sending: texts, photos, videos and albums; each call makes one post of the sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.exchange import Answer, Call, Refusal
from sandbox.rates import Allowance, Charge
from sandbox.records import Media
from sandbox.telegram import chats, errors, files
from sandbox.telegram.chats import Chat, Message
from sandbox.telegram.markup import BadMarkup, parse_html
from sandbox.telegram.params import Params, due_at, read

_TEXT_CHARS, _CAPTION_CHARS = 4096, 1024
_ALBUM = range(2, 11)
PER_BOT, _PER_CHAT = Allowance(30, 1), Allowance(20, 60)


def charges(call: Call) -> Sequence[Charge]:
    """30 messages a second for the bot, 20 a minute in one chat; an album counts by its items."""
    try:
        params = read(call)
        count = max(1, len(params.decoded("media", list) or ()))
    except Refusal:
        return [Charge(call.account.id, "bot", PER_BOT)]
    where = f"chat {params.text('chat_id').lower()}"
    return [
        Charge(call.account.id, "bot", PER_BOT, count),
        Charge(call.account.id, where, _PER_CHAT, count),
    ]


def send_text(call: Call) -> Answer:
    params = read(call)
    chat = chats.find_writable(call, params)
    text, entities = read_text(params.values, "text", _TEXT_CHARS)
    if not text.strip():
        raise errors.bad_request("message text is empty")
    body: dict[str, Any] = {"text": text}
    if entities:
        body["entities"] = entities
    return _sent(_publish(call, params, chat, text, (), [body])[0])


def send_photo(call: Call) -> Answer:
    return _send_file(call, "photo")


def send_video(call: Call) -> Answer:
    """What is no video is sent as a document, silently."""
    return _send_file(call, "video")


def send_album(call: Call) -> Answer:
    """`sendMediaGroup`: 2 to 10 photos and videos; the first caption is the album's."""
    params = read(call)
    chat = chats.find_writable(call, params)
    items = params.decoded("media", list)
    if not items:
        raise errors.bad_request('parameter "media" is required')
    if len(items) not in _ALBUM:
        too_many = len(items) >= _ALBUM.stop
        text = "too many messages to send as an album" if too_many else "expected 2-10 media"
        raise errors.bad_request(text)
    media, bodies, text = [], [], ""
    for item in items:
        if not isinstance(item, dict) or item.get("type") not in ("photo", "video"):
            raise errors.bad_request("can't parse InputMedia: type must be photo or video")
        if not isinstance(item.get("media"), str):
            raise errors.bad_request("can't parse InputMedia: media not found")
        file = files.find(call, params, item["type"], item["media"])
        caption = _caption(item)
        media.append(file)
        bodies.append({**_file_body(file), **caption})
        text = text or caption.get("caption", "")
    group = {"media_group_id": call.site.new_id()}
    sent = _publish(call, params, chat, text, tuple(media), [{**group, **b} for b in bodies])
    return Answer(200, {"ok": True, "result": [message.body for message in sent]})


def read_text(
    values: dict[str, Any], name: str, limit: int = _TEXT_CHARS
) -> tuple[str, list[dict[str, Any]]]:
    """Plain text and entities under the `parse_mode` given; counted after parsing."""
    text = values.get(name) or ""
    if not isinstance(text, str):
        raise errors.bad_request(f"strings must be encoded in UTF-8: {name}")
    mode = str(values.get("parse_mode") or "").lower()
    entities: list[dict[str, Any]] = []
    if mode == "html":
        try:
            text, entities = parse_html(text)
        except BadMarkup as bad:
            raise errors.bad_request(f"can't parse entities: {bad}") from None
    elif mode:
        raise errors.bad_request("unsupported parse_mode")
    if len(text) > limit:
        what = "message caption" if name == "caption" else "message"
        raise errors.bad_request(f"{what} is too long")
    return text, entities


def _send_file(call: Call, kind: str) -> Answer:
    params = read(call)
    chat = chats.find_writable(call, params)
    attached = f"attach://{kind}" if kind in params.files else params.text(kind)
    file = files.find(call, params, kind, attached)
    caption = _caption(params.values)
    body = {**_file_body(file), **caption}
    text = caption.get("caption", "")
    return _sent(_publish(call, params, chat, text, (file,), [body])[0])


def _caption(values: dict[str, Any]) -> dict[str, Any]:
    text, entities = read_text(values, "caption", _CAPTION_CHARS)
    caption: dict[str, Any] = {"caption": text} if text else {}
    return caption | ({"caption_entities": entities} if entities else {})


def _file_body(media: Media) -> dict[str, Any]:
    told = {
        "file_id": files.file_id(media),
        "file_unique_id": f"AQAD{media.id}",
        "file_size": len(media.data),
    }
    if media.category == "photo":
        return {"photo": [{**told, "width": 800, "height": 600}]}
    if media.mime_type.startswith("video/"):
        more = {"width": 1280, "height": 720, "duration": 0, "mime_type": media.mime_type}
        return {"video": {**told, **more}}
    return {"document": {**told, "mime_type": media.mime_type}}


def _publish(
    call: Call,
    params: Params,
    chat: Chat,
    text: str,
    media: tuple[Media, ...],
    bodies: list[dict[str, Any]],
) -> list[Message]:
    """One post with a message per body."""
    above = _replied(params, chat)
    first_id = chat.last_id + 1
    post = call.site.publish(
        f"{chat.id}/{first_id}",
        chat.account,
        text,
        media=media,
        parent=above.post if above is not None else None,
        received_at=call.received_at,
        due_at=due_at(call),
        extra=_extra(chat, first_id, len(bodies)),
    )
    head: dict[str, Any] = {"chat": chat.shape(), "date": int(call.world.now())}
    if chat.kind == "channel":
        head["sender_chat"] = chat.shape()
    if above is not None:
        head["reply_to_message"] = above.body
    messages = []
    for number, body in enumerate(bodies, first_id):
        message = Message(number, post, {"message_id": number, **head, **body})
        chat.messages[number] = message
        messages.append(message)
    chat.last_id += len(bodies)
    return messages


def _extra(chat: Chat, number: int, count: int) -> dict[str, Any]:
    """What the feed page shows of a post, beside its text."""
    where = chat.username or f"c/{str(chat.id).removeprefix('-100')}"
    extra = {"url": f"https://t.me/{where}/{number}"}
    return {**extra, "kind": "album"} if count > 1 else extra


def _replied(params: Params, chat: Chat) -> Message | None:
    """The living message that `reply_parameters` names, unless it may be missing."""
    given = params.decoded("reply_parameters", dict) or {}
    number = given.get("message_id", params.number("reply_to_message_id"))
    if number is None:
        return None
    message = chat.messages.get(number) if isinstance(number, int) else None
    if message is not None and not message.is_deleted:
        return message
    if given.get("allow_sending_without_reply"):
        return None
    raise errors.bad_request("message to be replied not found")


def _sent(message: Message) -> Answer:
    return Answer(200, {"ok": True, "result": message.body})
