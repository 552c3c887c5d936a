"""Telegram: messages, files in the request that publishes, replies, refusals, hidden tokens."""

from __future__ import annotations

import html
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.answers import Response
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from platforms.adapters.base import Account, Continue, Draft, Media, Safety, Segment
from platforms.adapters.telegram import Telegram
from platforms.adapters.telegram_reading import ERRORS
from platforms.adapters.texts import plain_text
from tests.contract.server import Reply
from tests.contract.telegram_case import (
    ADMINISTRATOR,
    CHANNEL,
    CHAT,
    ME,
    SENT,
    TELEGRAM_CASE,
    TOKEN,
    told,
)
from tests.contract.wire import PIXELS, image, video
from tests.platforms import scenes
from tests.platforms.scenes import Scene

tell = partial(scenes.tell, TELEGRAM_CASE)
ADAPTER = Telegram()
ACCOUNT = TELEGRAM_CASE.account


def draft(text: str = "Release 1.4 is out", *media: Media, **more: Any) -> Draft:
    return Draft(**{"segments": (Segment(text, media),), "account": ACCOUNT, **more})


def sent(number: int) -> Reply:
    return told({"message_id": number, "chat": CHANNEL})


def refusal(status: int, description: str = "", **parameters: Any) -> Reply:
    body = {"ok": False, "error_code": status, "description": description}
    return Reply(status, {**body, "parameters": parameters} if parameters else body)


def fields(body: bytes) -> dict[str, bytes]:
    """Return a form's fields by name."""
    boundary = body.partition(b"\r\n")[0]
    found = {}
    for part in body.split(boundary)[1:-1]:
        head, _, content = part.strip(b"\r\n").partition(b"\r\n\r\n")
        found[head.partition(b'name="')[2].partition(b'"')[0].decode()] = content
    return found


# --- texts --------------------------------------------------------------------------------------
def test_a_text_is_sent_as_html_that_says_the_same() -> None:
    options = {"silent": True, "protected": True, "no_preview": True}

    async def story(scene: Scene) -> None:
        step = await scene.published(draft('1 < 2 & "so" <b>on</b>', options=options))
        assert step.remote_ids == (f"{CHAT}/55",)
        assert step.permalink == "https://t.me/carillon_news/55"
        (request,) = scene.requests
        assert request.path == f"/bot{TOKEN}/sendMessage"
        assert request.json == {
            "chat_id": CHAT,
            "text": '1 &lt; 2 &amp; "so" &lt;b&gt;on&lt;/b&gt;',
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
            "disable_notification": True,
            "protect_content": True,
        }

    tell(story, SENT)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=80))
def test_no_text_is_taken_for_markup(text: str) -> None:
    escaped = html.escape(text, quote=False)
    assert plain_text(escaped) == text
    assert not set(escaped) & {"<", ">"}


def test_a_thread_and_its_comment_answer_the_message_before() -> None:
    async def story(scene: Scene) -> None:
        thread = draft(segments=(Segment("a"), Segment("b")), first_comment="c")
        step = await scene.published(thread)
        assert step.remote_ids == (f"{CHAT}/55", f"{CHAT}/56", f"{CHAT}/57")
        assert [request.json.get("reply_parameters") for request in scene.requests] == [
            None,
            {"message_id": 55},
            {"message_id": 56},
        ]

    tell(story, sent(55), sent(56), sent(57))


# --- files --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("file", "method", "name", "more"),
    [
        (image(), "sendPhoto", "photo", {}),
        (
            video(300, width=1280, height=720, seconds=61.6),
            "sendVideo",
            "video",
            {
                "supports_streaming": b"true",
                "width": b"1280",
                "height": b"720",
                "duration": b"62",
            },
        ),
    ],
)
def test_one_file_has_the_text_as_its_caption(
    file: Media, method: str, name: str, more: dict[str, bytes]
) -> None:
    async def story(scene: Scene) -> None:
        await scene.published(draft("1 < 2", file))
        (request,) = scene.requests
        assert request.path == f"/bot{TOKEN}/{method}"
        found = fields(request.body)
        assert len(found.pop(name)) == file.size_bytes
        assert found == {
            "chat_id": CHAT.encode(),
            "caption": b"1 &lt; 2",
            "parse_mode": b"HTML",
            **more,
        }

    tell(story, SENT)


def test_an_album_is_several_messages_with_one_caption() -> None:
    async def story(scene: Scene) -> None:
        album = draft("Two", image(), video(300), first_comment="more")
        step = await scene.published(album)
        assert step.remote_ids == (f"{CHAT}/55,56", f"{CHAT}/57")
        first, second = scene.requests
        assert first.path == f"/bot{TOKEN}/sendMediaGroup"
        found = fields(first.body)
        assert json.loads(found["media"]) == [
            {"type": "photo", "media": "attach://file0", "caption": "Two", "parse_mode": "HTML"},
            {"type": "video", "media": "attach://file1", "supports_streaming": True},
        ]
        assert (found["file0"], len(found["file1"])) == (PIXELS, 300)
        assert second.json["reply_parameters"] == {"message_id": 55}

    tell(story, told([{"message_id": 55}, {"message_id": 56}]), sent(57))


def test_a_reply_with_a_file_says_so_in_the_form() -> None:
    async def story(scene: Scene) -> None:
        thread = draft(segments=(Segment("a"), Segment("", (image(),))))
        await scene.published(thread, {"published": [f"{CHAT}/55"]})
        found = fields(scene.requests[0].body)
        assert json.loads(found["reply_parameters"]) == {"message_id": 55}
        assert "caption" not in found

    tell(story, sent(56))


def test_a_film_is_never_held_in_memory_as_a_whole() -> None:
    largest = 0
    film = video(20 * 1024 * 1024)

    async def read(start: int = 0, size: int | None = None) -> AsyncIterator[bytes]:
        nonlocal largest
        async for chunk in film.read(start, size):
            largest = max(largest, len(chunk))
            yield chunk

    async def story(scene: Scene) -> None:
        await scene.published(draft("x", replace(film, read=read)))
        assert int(scene.requests[0].headers["content-length"]) > film.size_bytes
        assert largest == 1024 * 1024

    tell(story, SENT)


def test_an_album_that_is_not_told_whole_is_in_doubt() -> None:
    async def story(scene: Scene) -> None:
        await scene.published(draft("x", image(), image()))

    with pytest.raises(ServiceError) as caught:
        tell(story, told([{"message_id": 55}, {}]))
    assert caught.value.category is C.OUTCOME_UNKNOWN


def test_doubts_are_for_people() -> None:
    assert ADAPTER.retry_safety.kind is Safety.PERSON


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (draft("x" * 1025, image()), "text_too_long"),
        (draft("x", *[image()] * 11), "too_many_images"),
        (draft("x", *[image()] * 6, *[video()] * 5), "too_many_files"),
        (draft("x", image(size_bytes=10 * 1024 * 1024 + 1)), "image_too_large"),
    ],
)
def test_what_telegram_would_refuse_is_named(what: Draft, code: str) -> None:
    assert code in [violation.code for violation in ADAPTER.violations(what)]


def test_what_fits_is_in_order() -> None:
    for what in (draft("x" * 4096), draft("x" * 1024, *[image()] * 5, *[video()] * 5)):
        assert ADAPTER.violations(what) == []


def test_people_hear_what_telegram_does_not_do() -> None:
    large = video(11 * 1024 * 1024, alt_text="a film")
    codes = [notice.code for notice in ADAPTER.notices(draft("x", large))]
    assert codes == ["alt_text_not_sent", "sent_at_the_moment"]
    assert ADAPTER.notices(draft("x", image())) == []


# --- errors -------------------------------------------------------------------------------------
ROWS = (
    (400, "Bad Request: message text is empty", C.VALIDATION_ERROR, ""),
    (400, "Bad Request: chat not found", C.VALIDATION_ERROR, ""),
    (400, "Bad Request: IMAGE_PROCESS_FAILED", C.MEDIA_ERROR, "file"),
    (400, "Bad Request: PHOTO_INVALID_DIMENSIONS", C.MEDIA_ERROR, "file"),
    (401, "Unauthorized", C.AUTH_ERROR, ""),
    (403, "Forbidden: bot was kicked from the channel chat", C.AUTH_ERROR, ""),
    (404, "Not Found", C.AUTH_ERROR, ""),
    (413, "Request Entity Too Large", C.MEDIA_ERROR, ""),
    (429, "Too Many Requests: retry after 13", C.RATE_LIMIT, ""),
    (500, "Internal Server Error", C.OUTCOME_UNKNOWN, ""),
    (502, "Bad Gateway", C.OUTCOME_UNKNOWN, ""),
)


@pytest.mark.parametrize(("status", "description", "category", "code"), ROWS)
def test_error_rows(status: int, description: str, category: C, code: str) -> None:
    answer = Response(status, {}, refusal(status, description).encode().partition(b"\r\n\r\n")[2])
    error = ADAPTER.error(answer, wrote=True)
    assert (error.category, error.provider_code) == (category, code)
    assert f"{description}." in error.detail


def test_every_row_of_the_table_has_a_test() -> None:
    assert set(ERRORS) <= {(status, code) for status, _, _, code in ROWS} | {(400, "moved")}


def test_the_wait_is_in_the_body() -> None:
    body = json.dumps({"ok": False, "parameters": {"retry_after": 13}}).encode()
    assert ADAPTER.error(Response(429, {}, body)).retry_after == timedelta(seconds=13)


# --- a group that moves ---------------------------------------------------------------------------
MOVED = refusal(
    400,
    "Bad Request: group chat was upgraded to a supergroup chat",
    migrate_to_chat_id=-1009876543210,
)
GROUP = Account("-4711", "-4711", display_name="The group")


def test_a_post_follows_a_group_that_became_a_supergroup() -> None:
    async def story(scene: Scene) -> None:
        what = draft(account=GROUP, first_comment="more")
        step = await scene.adapter.publish(scene.http, what, {}, key="k")
        assert step == Continue({"chat": "-1009876543210"})
        done = await scene.published(what, step.progress)
        assert [request.json["chat_id"] for request in scene.requests] == [
            "-4711",
            "-1009876543210",
            "-1009876543210",
        ]
        assert done.remote_ids[0] == "-1009876543210/55"
        assert done.permalink == "https://t.me/c/9876543210/55"

    tell(story, MOVED, sent(55), sent(56))


def test_a_group_that_keeps_moving_is_not_followed_for_ever() -> None:
    async def story(scene: Scene) -> None:
        what = draft(account=GROUP)
        await scene.adapter.publish(scene.http, what, {"chat": "-1009876543210"}, key="k")

    with pytest.raises(ServiceError) as caught:
        tell(story, MOVED)
    assert (caught.value.category, caught.value.provider_code) == (C.VALIDATION_ERROR, "moved")
    assert "chat id -1009876543210" in caught.value.detail


# --- the account --------------------------------------------------------------------------------
def validated(chat: dict[str, Any], member: dict[str, Any]) -> Any:
    async def story(scene: Scene) -> Any:
        account = await scene.adapter.validate(scene.http)
        assert [request.path.partition("?")[2] for request in scene.requests] == [
            "",
            "chat_id=@carillon_news",
            "chat_id=@carillon_news&user_id=110201543",
        ]
        return account

    return tell(story, told(ME), told(chat), told(member))


def test_a_channel_is_reported() -> None:
    account = validated(CHANNEL, ADMINISTRATOR)
    assert (account.external_id, account.username, account.display_name) == (
        CHAT,
        "carillon_news",
        "News",
    )
    assert ADAPTER.account_address(account) == "https://t.me/carillon_news"
    private = validated({"id": int(CHAT), "type": "channel", "title": "News"}, ADMINISTRATOR)
    assert private.username == CHAT
    assert ADAPTER.account_address(private) == ""


@pytest.mark.parametrize(
    ("kind", "member", "may"),
    [
        ("channel", {"status": "creator"}, True),
        ("channel", {"status": "administrator", "can_post_messages": False}, False),
        ("channel", {"status": "member"}, False),
        ("supergroup", {"status": "member"}, True),
        ("supergroup", {"status": "restricted", "can_send_messages": True}, True),
        ("supergroup", {"status": "restricted"}, False),
        ("group", {"status": "left"}, False),
        ("group", {"status": "kicked"}, False),
    ],
)
def test_a_bot_that_may_not_post_is_named(kind: str, member: dict[str, Any], may: bool) -> None:
    chat = {**CHANNEL, "type": kind}
    if may:
        assert validated(chat, member).external_id == CHAT
        return
    with pytest.raises(ServiceError) as caught:
        validated(chat, member)
    assert caught.value.category is C.PERMISSION
    assert "administrator" in caught.value.detail


@pytest.mark.parametrize("token", ["", "no-token", "123:a b", "12/3:abc", "../x"])
def test_what_is_no_token_never_becomes_part_of_an_address(token: str) -> None:
    with pytest.raises(ServiceError):
        ADAPTER.authorize({"bot_token": token, "chat_id": "@x"})


def test_the_token_is_in_no_repr_no_log_and_no_base_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    async def story(scene: Scene) -> str:
        response = await scene.http.get(f"/bot{TOKEN}/getMe")
        with pytest.raises(ServiceError) as caught:
            await scene.published(draft())
        shown = [scene.http, scene.http.auth, scene.http.base_url, response, caught.value]
        shown += [vars(caught.value), caught.value.__context__]
        return " ".join(map(repr, shown)) + scene.adapter.base_url({"bot_token": TOKEN})

    echo = f"https://api.telegram.org/bot{TOKEN}/sendMessage failed"
    shown = tell(story, told(ME), refusal(400, echo))
    assert TOKEN not in shown + caplog.text
    assert TOKEN.partition(":")[2] not in shown + caplog.text


# --- afterwards ---------------------------------------------------------------------------------
def test_all_messages_of_an_album_are_deleted() -> None:
    async def story(scene: Scene) -> None:
        await scene.adapter.delete(scene.http, f"{CHAT}/55,56")
        assert [request.json for request in scene.requests] == [
            {"chat_id": CHAT, "message_id": 55},
            {"chat_id": CHAT, "message_id": 56},
        ]

    tell(story, told(True), told(True))


@pytest.mark.parametrize(
    ("address", "remote_id"),
    [
        ("https://t.me/carillon_news/55", f"{CHAT}/55"),
        (" https://t.me/Carillon_News/55?single ", f"{CHAT}/55"),
        ("https://t.me/c/1234567890/55", f"{CHAT}/55"),
        ("https://t.me/other/55", ""),
        ("https://t.me/c/99/55", ""),
        ("https://t.me/carillon_news", ""),
    ],
)
def test_a_posts_address_tells_its_id(address: str, remote_id: str) -> None:
    assert ADAPTER.remote_id_in(address, ACCOUNT) == remote_id


def test_messages_of_small_groups_have_no_address() -> None:
    async def story(scene: Scene) -> None:
        step = await scene.published(draft(account=GROUP))
        assert (step.remote_ids, step.permalink) == (("-4711/55",), "")

    tell(story, SENT)
