"""Telegram: a bot posts texts, photos, videos and albums to a channel or group.

Source: core.telegram.org/bots/api (sendMessage, sendPhoto, sendVideo, sendMediaGroup,
deleteMessage, getChat, getChatMember, "Making requests"). Recalled, not read: all
numbers but the 4,096 characters of a text, and in which words a file is refused.

Progress: `published` lists the finished parts as "chat/message" (an album: "chat/first,second"),
the first comment last; `chat` is the chat's new id if it moved since it was connected.
A file can only be uploaded by the message that shows it. There is neither a key for repeats nor a
way to read a chat: after a lost answer only a person can tell.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Http, InAddress, Part, Response
from platforms.adapters.base import (
    Account,
    Adapter,
    Bucket,
    Capability,
    Continue,
    Draft,
    Limits,
    Media,
    Notice,
    Progress,
    Published,
    RetrySafety,
    Safety,
    Segment,
    Violation,
)
from platforms.adapters.checks import draft_violations
from platforms.adapters.telegram_reading import (
    ERRORS,
    explain,
    is_public,
    may_post,
    moved_to,
    permalink,
    place_of,
    provider_code,
    remote_id_in,
    retry_after,
    sent,
)

CAPTION_CHARS = 1024
LARGE_BYTES = 10 * 1024 * 1024
KINDS = {"image": ("sendPhoto", "photo"), "video": ("sendVideo", "video")}


@dataclass(frozen=True, slots=True)
class TelegramConfig:
    """Where the Bot API is; a server of one's own is possible."""

    api_base: str = "https://api.telegram.org"


@dataclass(frozen=True, slots=True)
class Bot(InAddress):
    """A bot's token, and the chat it posts to."""

    chat: str = ""


class Telegram(Adapter):
    slug = "telegram"
    name = "Telegram"
    limits = Limits(
        text_chars=4096,
        images=10,
        image_bytes=10 * 1024 * 1024,
        alt_text_chars=0,
        thread_segments=25,  # ours: each part is a message that answers the one before
        checked="2026-11-22",
        source="core.telegram.org/bots/api: sendMessage, Sending files, sendMediaGroup",
        image_types=frozenset({"image/jpeg", "image/png", "image/webp"}),
        videos=10,
        video_bytes=50 * 1024 * 1024,
        video_types=frozenset({"video/mp4"}),
        files=10,
        mixes=True,
    )
    capabilities = frozenset(
        {
            Capability.THREADS,
            Capability.IMAGES,
            Capability.VIDEOS,
            Capability.FIRST_COMMENT,
            Capability.DELETE,
        }
    )
    errors = ERRORS
    buckets = (Bucket("publish", "connection", 20, timedelta(minutes=1), counted=True),)
    in_flight_per_connection = 1  # about one message a second and chat
    retry_safety = RetrySafety(Safety.PERSON, ttl=timedelta())
    credential_keys: ClassVar[Mapping[str, str]] = {
        "bot_token": "From @BotFather in Telegram; make the bot an administrator who may post",
        "chat_id": "@name of a public channel or group, else its number, e.g. -1001234567890",
    }
    options_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "silent": {"type": "boolean"},
            "protected": {"type": "boolean"},
            "no_preview": {"type": "boolean"},
        },
    }
    config_class = TelegramConfig
    post_address = "https://t.me/carillon_news/55"
    config: TelegramConfig

    # --- what the http layer needs ----------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        return self.config.api_base  # without the token: base addresses are shown

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token, chat = (str(credentials.get(n) or "").strip() for n in ("bot_token", "chat_id"))
        if not re.fullmatch(r"\d+:[\w-]+", token) or not chat:
            detail = "The connection to Telegram has no token of a bot, or no chat."
            raise ServiceError(C.AUTH_ERROR, detail)
        return Bot(token, chat=chat)

    # --- before publishing --------------------------------------------------------------------
    def violations(self, draft: Draft) -> list[Violation]:
        found = draft_violations(draft, self.limits, self.options_schema, excess=self.excess)
        for number, segment in enumerate(draft.segments):
            over = len(segment.text) - CAPTION_CHARS
            if segment.media and over > 0:
                message = f"With a file the text is {over} over the limit of {CAPTION_CHARS}."
                place = f"segments[{number}].text"
                found.append(Violation(place, "text_too_long", f"{message} Shorten it."))
        return found

    def notices(self, draft: Draft) -> list[Notice]:
        found = []
        if any(file.alt_text for _, file in draft.files):
            message = "Telegram has no alt texts: those of the files are not sent."
            found.append(Notice("alt_text_not_sent", message))
        if any(file.size_bytes > LARGE_BYTES for _, file in draft.files):
            message = "Telegram takes files at the moment only: a large one may come seconds late."
            found.append(Notice("sent_at_the_moment", message))
        return found

    # --- publishing ---------------------------------------------------------------------------
    async def publish(
        self, http: Http, draft: Draft, progress: Progress, *, key: str
    ) -> Continue | Published:
        done = list(progress.get("published", ()))
        if len(done) < len(draft.parts):
            chat = str(progress.get("chat") or draft.account.external_id)
            method, fields, files = _message(draft, len(done))
            fields |= {"chat_id": chat, **_manner(draft)}
            if done:
                parent = int(place_of(done[-1])[1][0])
                fields["reply_parameters"] = {"message_id": parent}
            body: dict[str, Any] = (
                {"multipart": _parts(fields, files)} if files else {"json": fields}
            )
            response = await http.post(_path(http, method), writes=True, **body)
            if (new_chat := moved_to(response)) and new_chat != chat:
                return Continue({**progress, "chat": new_chat})  # nothing was sent yet
            if not response.ok:
                raise self.error(response, wrote=True)
            messages = sent(response)
            if not messages:
                raise self.unreadable(response, wrote=True)
            done.append(f"{chat}/{','.join(messages)}")
            progress = {**progress, "published": done}
        if len(done) < len(draft.parts):
            return Continue(progress)
        return Published(tuple(done), permalink(draft.account, done[0]), progress)

    # --- the account ----------------------------------------------------------------------------
    async def validate(self, http: Http) -> Account:
        wanted = _chat_of(http)
        bot = await self._ask(http, "getMe", "id")
        chat = await self._ask(http, "getChat", "id", chat_id=wanted)
        who = {"chat_id": wanted, "user_id": str(bot["id"])}
        member = await self._ask(http, "getChatMember", "status", **who)
        number, title = str(chat["id"]), str(chat.get("title") or "")
        if not may_post(chat, member):
            detail = f"The bot may not post in {title or wanted}: make it an administrator who may."
            raise ServiceError(C.PERMISSION, detail, http_status=200)
        username = str(chat.get("username") or number)
        return Account(number, username, display_name=title)

    async def _ask(self, http: Http, method: str, needed: str, **params: str) -> dict[str, Any]:
        """Return the answer to a question; it tells at least what is `needed`."""
        response = await http.get(_path(http, method), params=params or None)
        if not response.ok:
            raise self.error(response)
        result = response.json_object().get("result")
        if not isinstance(result, dict) or not result.get(needed):
            raise self.unreadable(response)
        return result

    async def delete(self, http: Http, remote_id: str) -> None:
        chat, messages = place_of(remote_id)
        for message in messages:  # an album is as many messages as it has files
            body = {"chat_id": chat or _chat_of(http), "message_id": int(message)}
            response = await http.post(_path(http, "deleteMessage"), json=body)
            if not response.ok:
                raise self.error(response)

    # --- what people see ------------------------------------------------------------------------
    def account_address(self, account: Account) -> str:
        return f"https://t.me/{account.username}" if is_public(account) else ""

    def remote_id_in(self, address: str, account: Account) -> str:
        return remote_id_in(address, account)

    # --- errors -----------------------------------------------------------------------------
    def provider_code(self, response: Response) -> str:
        return provider_code(response)

    def retry_after(self, response: Response) -> timedelta | None:
        return retry_after(response)

    def explain(self, response: Response) -> str:
        return explain(response)


# --- messages -------------------------------------------------------------------------------
def _message(draft: Draft, number: int) -> tuple[str, dict[str, Any], list[tuple[str, Media]]]:
    """Return the method that sends part `number`, its own fields, and its files by field name."""
    part = draft.parts[number]
    text = html.escape(part.text, quote=False)
    if not part.media:
        fields: dict[str, Any] = {"text": text, "parse_mode": "HTML"}
        if draft.options.get("no_preview"):
            fields["link_preview_options"] = {"is_disabled": True}
        return "sendMessage", fields, []
    words = {"caption": text, "parse_mode": "HTML"} if text else {}
    if len(part.media) == 1:
        method, name = KINDS[part.media[0].kind]
        return method, {**words, **_shape(part.media[0])}, [(name, part.media[0])]
    return (
        "sendMediaGroup",
        {"media": _album(part, words)},
        [(f"file{position}", file) for position, file in enumerate(part.media)],
    )


def _album(part: Segment, words: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the items of an album; the first one's caption is shown below all of it."""
    return [
        {
            "type": KINDS[file.kind][1],
            "media": f"attach://file{position}",
            **(words if position == 0 else {}),
            **_shape(file),
        }
        for position, file in enumerate(part.media)
    ]


def _shape(file: Media) -> dict[str, Any]:
    if file.kind != "video":
        return {}
    known = {"width": file.width, "height": file.height, "duration": round(file.seconds)}
    return {"supports_streaming": True, **{name: size for name, size in known.items() if size}}


def _manner(draft: Draft) -> dict[str, bool]:
    names = {"silent": "disable_notification", "protected": "protect_content"}
    return {theirs: True for ours, theirs in names.items() if draft.options.get(ours)}


def _parts(fields: Mapping[str, Any], files: Sequence[tuple[str, Media]]) -> list[Part]:
    """Return a form: the files are read in chunks while they are sent."""
    texts = [
        Part(name, value if isinstance(value, str) else json.dumps(value))
        for name, value in fields.items()
    ]
    return texts + [
        Part(name, file.read, file.size_bytes, file.file_name or name, file.mime_type)
        for name, file in files
    ]


def _chat_of(http: Http) -> str:
    return http.auth.chat if isinstance(http.auth, Bot) else ""


def _path(http: Http, method: str) -> str:
    token = http.auth.token if isinstance(http.auth, Bot) else ""
    return f"/bot{token}/{method}"
