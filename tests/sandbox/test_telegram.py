"""Telegram's imitation answers as the Bot API's documentation and its open server say."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from sandbox.telegram.markup import parse_html
from tests.sandbox.conftest import ADA, Client, Play, Reply

MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0"


async def bot(c: Client, method: str, token: str = ADA, **params: Any) -> Reply:
    """Call a method with JSON."""
    headers = params.pop("headers", {})
    path = f"/telegram/bot{token}/{method}"
    return await c.call("POST", path, token=None, json=params, headers=headers)


async def say(c: Client, text: str = "Hello", chat: Any = "@news", **params: Any) -> Reply:
    return await bot(c, "sendMessage", chat_id=chat, text=text, **params)


async def send_file(
    c: Client, method: str, name: str, data: bytes, files: dict[str, bytes] | None = None, **f: str
) -> Reply:
    form = aiohttp.FormData({"chat_id": "@news", **f})
    for key, content in {name: data, **(files or {})}.items():
        form.add_field(key, content, filename=key, content_type="application/octet-stream")
    return await c.call("POST", f"/telegram/botdemo-ada/{method}", token=None, data=form)


async def send_album(c: Client, items: list[dict[str, Any]], files: dict[str, bytes]) -> Reply:
    form = aiohttp.FormData({"chat_id": "@news", "media": json.dumps(items)})
    for key, content in files.items():
        form.add_field(key, content, filename=key, content_type="image/png")
    return await c.call("POST", "/telegram/botdemo-ada/sendMediaGroup", token=None, data=form)


def photo(name: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": "photo", "media": f"attach://{name}", **more}


def test_a_message_is_numbered_within_its_channel(play: Play) -> None:
    async def story(c: Client) -> None:
        first = await say(c)
        assert first.status == 200
        message = first.json["result"]
        assert (message["message_id"], message["text"]) == (1, "Hello")
        chat = message["chat"]
        assert (chat["username"], chat["type"]) == ("news", "channel")
        assert str(chat["id"]).startswith("-100")
        second = await say(c, "Again", chat=chat["id"])
        assert second.json["result"]["message_id"] == 2
        assert (await say(c, chat="@other")).json["result"]["message_id"] == 1
        stats = await c.stats("telegram")
        assert stats["by_account"]["news"]["count"] == 2
        assert (stats["count"], stats["duplicates"]) == (3, 0)

    play(story)


def test_repeating_a_send_makes_a_copy(play: Play) -> None:
    async def story(c: Client) -> None:
        await say(c)
        await say(c)
        assert (await c.stats("telegram"))["duplicates"] == 1

    play(story)


@pytest.mark.parametrize("how", ["json", "data", "params"])
def test_parameters_come_as_json_form_or_query_and_methods_in_any_case(
    play: Play, how: str
) -> None:
    async def story(c: Client) -> None:
        method = "GET" if how == "params" else "POST"
        values = {"chat_id": "@news", "text": "Hello"}
        path = "/telegram/botdemo-ada/SENDMESSAGE"
        reply = await c.call(method, path, token=None, **{how: values})
        assert reply.json["result"]["text"] == "Hello"

    play(story)


def test_html_becomes_entities_counted_in_utf16_units(play: Play) -> None:
    async def story(c: Client) -> None:
        text = '🚀 <b>New &amp; <i>bold</i></b> <a href="https://example.org/?a=1&amp;b">here</a>'
        message = (await say(c, text, parse_mode="HTML")).json["result"]
        assert message["text"] == "🚀 New & bold here"
        assert message["entities"] == [
            {"offset": 3, "length": 10, "type": "bold"},
            {"offset": 9, "length": 4, "type": "italic"},
            {"offset": 14, "length": 4, "type": "text_link", "url": "https://example.org/?a=1&b"},
        ]
        assert (await say(c, text)).json["result"]["text"] == text

    play(story)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a <b>bold", 'Can\'t find end tag corresponding to start tag "b"'),
        ("ä <div>x</div>", 'Unsupported start tag "div" at byte offset 3'),
        ("1 < 2", 'Unsupported start tag "" at byte offset 2'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("<span>x</span>", 'Unsupported start tag "span" at byte offset 0'),
    ],
)
def test_broken_html_is_a_400_that_says_where(play: Play, text: str, reason: str) -> None:
    async def story(c: Client) -> None:
        reply = await say(c, text, parse_mode="HTML")
        assert reply.status == 400
        assert reply.json == {
            "ok": False,
            "error_code": 400,
            "description": f"Bad Request: can't parse entities: {reason}",
        }
        assert (await c.stats("telegram"))["count"] == 0

    play(story)


def test_unknown_escapes_stay_and_spoilers_are_known() -> None:
    plain, entities = parse_html('&nbsp;&#33;<span class="tg-spoiler">x</span><pre></pre>')
    assert plain == "&nbsp;!x"
    assert entities == [{"offset": 7, "length": 1, "type": "spoiler"}]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"chat_id": "@news"}, "message text is empty"),
        ({"chat_id": "@news", "text": " \n"}, "message text is empty"),
        ({"chat_id": "@news", "text": "a" * 4097}, "message is too long"),
        ({"chat_id": "@news", "text": "a", "parse_mode": "Prose"}, "unsupported parse_mode"),
        ({"text": "a"}, "chat_id is empty"),
        ({"chat_id": "@nobody", "text": "a"}, "chat not found"),
        ({"chat_id": 4711, "text": "a"}, "chat not found"),
        ({"chat_id": "@readonly", "text": "a"}, "need administrator rights in the channel chat"),
        (
            {"chat_id": "@news", "text": "a", "reply_parameters": {"message_id": 7}},
            "message to be replied not found",
        ),
    ],
)
def test_what_cannot_be_sent_is_a_400_with_the_reason(
    play: Play, params: dict[str, Any], reason: str
) -> None:
    async def story(c: Client) -> None:
        reply = await bot(c, "sendMessage", **params)
        assert (reply.status, reply.json["description"]) == (400, f"Bad Request: {reason}")

    play(story)


def test_text_is_counted_after_parsing(play: Play) -> None:
    async def story(c: Client) -> None:
        assert (await say(c, f"<b>{'é' * 4096}</b>", parse_mode="HTML")).status == 200
        assert (await say(c, f"<b>{'é' * 4097}</b>", parse_mode="HTML")).status == 400

    play(story)


@pytest.mark.parametrize(
    ("chat", "reason"),
    [
        ("@closed_club", "Forbidden: bot is not a member of the channel chat"),
        ("@kicked", "Forbidden: bot was kicked from the channel chat"),
    ],
)
def test_chats_without_the_bot_are_403(play: Play, chat: str, reason: str) -> None:
    async def story(c: Client) -> None:
        for reply in (await say(c, chat=chat), await bot(c, "getChat", chat_id=chat)):
            assert (reply.status, reply.json["description"]) == (403, reason)

    play(story)


def test_an_upgraded_group_tells_its_new_id(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await say(c, chat=-512345)
        assert (reply.status, reply.json["parameters"]) == (
            400,
            {"migrate_to_chat_id": -100512345},
        )
        moved = await say(c, chat=reply.json["parameters"]["migrate_to_chat_id"])
        assert moved.json["result"]["chat"]["type"] == "supergroup"
        assert "username" not in moved.json["result"]["chat"]

    play(story)


def test_threads_are_replies(play: Play) -> None:
    async def story(c: Client) -> None:
        first = (await say(c, "one")).json["result"]["message_id"]
        second = await say(c, "two", reply_parameters={"message_id": first})
        assert second.json["result"]["reply_to_message"]["message_id"] == first
        posts = (await c.stats("telegram"))["posts"]
        assert posts[1]["reply_to"] == posts[0]["id"]

    play(story)


def test_photos_and_videos_are_uploaded_with_captions(play: Play) -> None:
    async def story(c: Client) -> None:
        sent = await send_file(
            c, "sendPhoto", "photo", c.png, caption="<i>See</i>", parse_mode="HTML"
        )
        message = sent.json["result"]
        assert message["caption"] == "See"
        assert message["caption_entities"] == [{"offset": 0, "length": 3, "type": "italic"}]
        file_id = message["photo"][-1]["file_id"]
        again = await bot(c, "sendPhoto", chat_id="@other", photo=file_id)
        assert again.status == 200
        video = await send_file(c, "sendVideo", "video", MP4, supports_streaming="true")
        assert video.json["result"]["video"]["mime_type"] == "video/mp4"
        attached = await send_file(
            c, "sendVideo", "film", b"no film", video="attach://film", caption="odd"
        )
        assert "document" in attached.json["result"]
        posts = (await c.stats("telegram"))["posts"]
        assert [post["text"] for post in posts] == ["See", "", "", "odd"]
        assert posts[0]["media"][0]["bytes"] == len(c.png)

    play(story)


def test_files_are_fetched_from_addresses(play: Play) -> None:
    async def story(c: Client) -> None:
        await send_file(c, "sendPhoto", "photo", c.png)
        media_id = (await c.stats("telegram"))["posts"][0]["media"][0]["id"]
        url = f"{c.url}/_media/telegram/{media_id}"
        assert (await bot(c, "sendPhoto", chat_id="@other", photo=url)).status == 200
        gone = await bot(c, "sendPhoto", chat_id="@news", photo=f"{url}0")
        assert gone.json["description"] == "Bad Request: failed to get HTTP URL content"
        page = await bot(c, "sendPhoto", chat_id="@news", photo=f"{c.url}/")
        assert page.json["description"] == "Bad Request: wrong type of the web page content"
        odd = await bot(c, "sendPhoto", chat_id="@news", photo="nonsense")
        assert "wrong file identifier" in odd.json["description"]

    play(story)


def test_files_that_will_not_do_are_refused(play: Play) -> None:
    async def story(c: Client) -> None:
        async def refused(method: str, name: str, data: bytes, **fields: str) -> str:
            return (await send_file(c, method, name, data, **fields)).json["description"]

        assert await refused("sendPhoto", "photo", b"text") == "Bad Request: IMAGE_PROCESS_FAILED"
        long = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x20\0\0\0\x20\0"
        assert "PHOTO_INVALID_DIMENSIONS" in await refused("sendPhoto", "photo", long)
        caption = await refused("sendPhoto", "photo", c.png, caption="a" * 1025)
        assert caption == "Bad Request: message caption is too long"
        missing = await bot(c, "sendPhoto", chat_id="@news")
        assert missing.json["description"] == "Bad Request: there is no photo in the request"

    play(story)


def test_photos_end_at_10_megabytes_and_uploads_at_50(play: Play) -> None:
    async def story(c: Client) -> None:
        async def send(method: str, name: str, size_mb: int) -> Reply:
            path = f"/telegram/botdemo-ada/{method}?chat_id=@news&{name}=attach://f"
            head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + c.png
            body = head + bytes(size_mb * 1024 * 1024) + b"\r\n--b--\r\n"
            headers = {"Content-Type": "multipart/form-data; boundary=b"}
            async with c.session.post(
                c.url + path, data=_pieces(body), headers=headers
            ) as response:
                return Reply(response.status, response.headers, await response.text())

        large = await send("sendPhoto", "photo", 10)
        assert "is too big for a photo" in large.json["description"]
        huge = await send("sendVideo", "video", 50)
        assert (huge.status, huge.json["description"]) == (413, "Request Entity Too Large")

    play(story)


async def _pieces(body: bytes) -> Any:
    for start in range(0, len(body), 1 << 20):
        yield body[start : start + (1 << 20)]


def test_an_album_is_one_post_of_several_messages(play: Play) -> None:
    async def story(c: Client) -> None:
        items = [photo("a", caption="Three"), photo("b"), {"type": "video", "media": "attach://v"}]
        sent = await send_album(c, items, {"a": c.png, "b": c.png + b"b", "v": MP4})
        messages = sent.json["result"]
        assert [m["message_id"] for m in messages] == [1, 2, 3]
        assert len({m["media_group_id"] for m in messages}) == 1
        stats = await c.stats("telegram")
        assert (stats["count"], stats["posts"][0]["text"]) == (1, "Three")
        assert len(stats["posts"][0]["media"]) == 3
        assert (await say(c)).json["result"]["message_id"] == 4
        for number in (1, 2):
            await bot(c, "deleteMessage", chat_id="@news", message_id=number)
        assert (await c.stats("telegram"))["deleted"] == 0
        await bot(c, "deleteMessages", chat_id="@news", message_ids=[3, 99])
        assert (await c.stats("telegram"))["deleted"] == 1

    play(story)


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([], 'parameter "media" is required'),
        ([photo()], "expected 2-10 media"),
        ([photo()] * 11, "too many messages to send as an album"),
        ([photo(), {"type": "poem"}], "can't parse InputMedia: type must be photo or video"),
        ([photo(), {"type": "photo"}], "can't parse InputMedia: media not found"),
        ([photo(), photo("z")], "wrong file identifier/HTTP URL specified"),
    ],
)
def test_albums_have_2_to_10_photos_and_videos(play: Play, items: Any, reason: str) -> None:
    async def story(c: Client) -> None:
        reply = await send_album(c, items, {"a": c.png})
        assert (reply.status, reply.json["description"]) == (400, f"Bad Request: {reason}")
        assert (await c.stats("telegram"))["count"] == 0

    play(story)


def test_messages_can_be_deleted_once(play: Play) -> None:
    async def story(c: Client) -> None:
        number = (await say(c)).json["result"]["message_id"]
        gone = await bot(c, "deleteMessage", chat_id="@news", message_id=number)
        assert gone.json == {"ok": True, "result": True}
        again = await bot(c, "deleteMessage", chat_id="@news", message_id=number)
        assert again.json["description"] == "Bad Request: message to delete not found"
        assert (await c.stats("telegram"))["deleted"] == 1

    play(story)


def test_texts_can_be_edited_into_something_else(play: Play) -> None:
    async def story(c: Client) -> None:
        number = (await say(c)).json["result"]["message_id"]

        async def edit(text: str, message_id: int = number) -> Reply:
            params = {"chat_id": "@news", "message_id": message_id, "text": text}
            return await bot(c, "editMessageText", **params, parse_mode="HTML")

        edited = (await edit("<b>Better</b>")).json["result"]
        assert (edited["text"], edited["entities"][0]["type"]) == ("Better", "bold")
        assert edited["edit_date"] >= edited["date"]
        assert "is not modified" in (await edit("<b>Better</b>")).json["description"]
        assert "not found" in (await edit("x", 99)).json["description"]
        stats = await c.stats("telegram")
        assert [post["text"] for post in stats["posts"]] == ["Better"]
        await send_file(c, "sendPhoto", "photo", c.png)
        assert "no text in the message" in (await edit("x", 2)).json["description"]

    play(story)


def test_the_bot_knows_itself_and_its_rights(play: Play) -> None:
    async def story(c: Client) -> None:
        me = (await bot(c, "getMe")).json["result"]
        assert (me["is_bot"], me["username"]) == (True, "ada_bot")
        chat = (await bot(c, "getChat", chat_id="@news")).json["result"]
        assert (chat["type"], chat["username"]) == ("channel", "news")

        async def member(chat_id: str, user_id: Any) -> Any:
            reply = await bot(c, "getChatMember", chat_id=chat_id, user_id=user_id)
            return reply.json

        own = (await member("@news", me["id"]))["result"]
        assert (own["status"], own["can_post_messages"]) == ("administrator", True)
        assert (await member("@readonly", me["id"]))["result"]["status"] == "member"
        assert (await member("@news", 4711))["result"]["status"] == "left"
        assert (await member("@news", "me"))["ok"] is False

    play(story)


def test_tokens_are_part_of_the_path(play: Play) -> None:
    async def story(c: Client) -> None:
        real = await bot(c, "getMe", token="123456:ABC-def_ghi")
        assert real.json["result"]["username"] == "bot123456_bot"
        odd = await bot(c, "getMe", token="nonsense")
        assert (odd.status, odd.json["description"]) == (404, "Not Found")
        for token in ("123456:ABC-def_ghi", "demo-ada"):
            body = {"network": "telegram", "token": token, "action": "revoke"}
            await c.call("POST", "/_control/tokens", token=None, json=body)
            dead = await bot(c, "getMe", token=token)
            assert (dead.status, dead.json["description"]) == (401, "Unauthorized")

    play(story)


def test_nothing_can_be_read_back(play: Play) -> None:
    async def story(c: Client) -> None:
        number = (await say(c)).json["result"]["message_id"]
        for method in ("getMessage", "getHistory", "getMessages"):
            reply = await bot(c, method, chat_id="@news", message_id=number)
            assert (reply.status, reply.json["error_code"]) == (404, 404)

    play(story)


def test_a_chat_takes_20_messages_a_minute_and_says_how_long_to_wait(play: Play) -> None:
    async def story(c: Client) -> None:
        codes = [(await say(c, f"n {n}")).status for n in range(20)]
        assert codes == [200] * 20
        refused = await say(c, "one more")
        assert refused.status == 429
        seconds = refused.json["parameters"]["retry_after"]
        assert 0 < seconds <= 60
        assert refused.json["description"] == f"Too Many Requests: retry after {seconds}"
        assert refused.headers["Retry-After"] == str(seconds)
        c.clock.advance(2)
        assert (await say(c, chat="@other")).status == 200
        c.clock.advance(60)
        assert (await say(c, "one more")).status == 200

    play(story)


def test_an_ordered_429_tells_its_seconds_in_the_body(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("telegram", fail={"status": 429, "retry_after": 13})
        refused = await say(c)
        assert refused.json["parameters"] == {"retry_after": 13}
        assert (await say(c)).status == 200

    play(story)


def test_the_feed_page_knows_the_public_address(play: Play) -> None:
    async def story(c: Client) -> None:
        await say(c)
        (thread,) = (await c.call("GET", "/_feed.json", token=None)).json["threads"]
        assert thread["posts"][0]["url"] == "https://t.me/news/1"

    play(story)


def test_lateness_is_known_from_the_header(play: Play) -> None:
    async def story(c: Client) -> None:
        await say(c, headers={"X-Carillon-Due-At": "2026-11-22T09:00:00Z"})
        assert (await c.stats("telegram"))["posts"][0]["due_at"] is not None
        odd = await say(c, headers={"X-Carillon-Due-At": "tomorrow"})
        assert odd.status == 400

    play(story)
