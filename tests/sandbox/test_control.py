"""The judge's counting is right, the page works, and the process starts and ends politely."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from tests.sandbox.conftest import Client, Play


def test_duplicates_are_counted_by_text_media_and_thread(play: Play) -> None:
    async def story(c: Client) -> None:
        first = (await c.toot("root")).json["id"]
        second = (await c.toot("root")).json["id"]
        await c.toot("reply", in_reply_to_id=first)
        await c.toot("reply", in_reply_to_id=second)
        await c.toot("reply")
        stats = await c.stats("mastodon/one")
        assert (stats["count"], stats["duplicates"]) == (5, 2)
        assert stats["by_account"]["ada"]["duplicates"] == 2

    play(story)


def test_lateness_is_arrival_minus_due_time(play: Play) -> None:
    async def story(c: Client) -> None:
        due = datetime.now(UTC) - timedelta(seconds=2)
        headers = {"X-Carillon-Due-At": due.isoformat()}
        await c.tweet("late", headers=headers)
        await c.call("POST", "/sandbox/posts", json={"text": "late", "due_at": due.isoformat()})
        await c.tweet("unknown")
        late, unknown = (await c.stats("x"))["posts"]
        own = (await c.stats("sandbox"))["posts"][0]
        for post in (late, own):
            assert 2000 <= post["lateness_ms"] < 4000
            assert post["due_at"] == pytest.approx(due.timestamp())
        assert unknown["lateness_ms"] is None

    play(story)


def test_an_unreadable_due_time_is_refused(play: Play) -> None:
    async def story(c: Client) -> None:
        headers = {"X-Carillon-Due-At": "tomorrow"}
        assert (await c.tweet("a", headers=headers)).status == 400

    play(story)


def test_every_call_is_logged_with_its_time_and_status(play: Play) -> None:
    async def story(c: Client) -> None:
        before = time.time()
        await c.tweet("a")
        await c.call("GET", "/x/2/tweets/1")
        await c.toot("b")
        await c.call("GET", "/x/2/users/me", token="nonsense")
        log = (await c.call("GET", "/_calls", token=None)).json
        assert [
            (k["network"], k["operation"], k["account"], k["status"]) for k in log["calls"]
        ] == [
            ("x", "create", "ada", 201),
            ("x", "find", "ada", 200),
            ("mastodon/one", "create", "ada", 200),
            ("x", "account", None, 401),
        ]
        times = [k["at"] for k in log["calls"]]
        assert before <= times[0] <= times[1] <= times[2] <= time.time()
        one = await c.call("GET", "/_calls?network=x&operation=find", token=None)
        assert [k["path"] for k in one.json["calls"]] == ["/x/2/tweets/1"]
        later = await c.call("GET", f"/_calls?since={times[2]}&limit=1", token=None)
        assert (later.json["total"], len(later.json["calls"])) == (2, 1)
        assert (await c.call("GET", "/_calls?since=noon", token=None)).status == 400

    play(story)


def test_forgetting_clears_posts_keys_calls_and_windows_but_not_switches(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", rate={"limit": 1})
        await c.tweet("a")
        first = (await c.toot("a", key="k")).json["id"]
        await c.call("DELETE", "/_data", token=None)
        assert (await c.call("GET", "/_stats", token=None)).json == {}
        assert (await c.call("GET", "/_calls", token=None)).json["total"] == 0
        assert (await c.tweet("a")).status == 201
        assert (await c.toot("a", key="k")).json["id"] != first
        assert len((await c.call("GET", "/_control", token=None)).json["rules"]) == 1

    play(story)


def test_control_takes_json_only_so_that_foreign_pages_cannot_post(play: Play) -> None:
    async def story(c: Client) -> None:
        for path in ("/_control", "/_control/tokens", "/_control/consumers", "/_control/clients"):
            reply = await c.call("POST", path, token=None, data='{"network": "x"}')
            assert reply.status == 415
            bad = await c.call("POST", path, token=None, json=[])
            assert bad.status == 400

    play(story)


def test_half_a_request_publishes_nothing_and_is_no_alarm(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(c: Client) -> None:
        _reader, writer = await asyncio.open_connection("127.0.0.1", int(c.url.rpartition(":")[2]))
        head = "POST /x/2/tweets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-ada\r\n"
        writer.write(head.encode() + b'Content-Length: 99\r\n\r\n{"text": "ha')
        while not c.running.world.calls:
            await asyncio.sleep(0)
        writer.transport.abort()
        assert (await c.tweet("whole")).status == 201
        stats = await c.stats("x")
        assert (stats["count"], stats["calls"]) == (1, 2)

    play(story)
    assert not caplog.records


def test_the_feed_tells_what_a_network_says_of_a_post_in_neutral_words(play: Play) -> None:
    async def story(c: Client) -> None:
        site = c.running.world.site("nowhere")
        told = {"kind": "reel", "visibility": "friends", "tags": ["a"], "options": {"duet": "off"}}
        own = {"shortcode": b"not for the page"}
        site.publish(
            "at://1",
            site.account("ada"),
            "Bells\n\nat noon",
            received_at=c.clock(),
            extra={**told, **own, "title": "Bells", "cover": "7"},
        )
        feed = (await c.call("GET", "/_feed.json", token=None)).json
        shown = feed["threads"][0]["posts"][0]
        assert told.items() <= shown.items()
        assert (shown["title"], shown["text"]) == ("Bells", "at noon")
        assert shown["cover"] == "/_media/nowhere/7"
        assert "shortcode" not in shown

    play(story)


@pytest.mark.parametrize(
    ("wanted", "status", "start", "told"),
    [
        ("bytes=0-3", 206, 0, "bytes 0-3/32"),
        ("bytes=30-99", 206, 30, "bytes 30-31/32"),
        ("bytes=-4", 206, 28, "bytes 28-31/32"),
        ("bytes=32-", 416, 0, "bytes */32"),
        ("bytes=0-1,4-5", 200, 0, None),
        ("", 200, 0, None),
    ],
)
def test_players_may_ask_for_a_part_of_a_file(
    play: Play, wanted: str, status: int, start: int, told: str | None
) -> None:
    async def story(c: Client) -> None:
        form = aiohttp.FormData()
        form.add_field("file", c.png, filename="a.png", content_type="image/png")
        media_id = (await c.call("POST", "/sandbox/media", data=form)).json["id"]
        headers = {"Range": wanted} if wanted else {}
        url = f"{c.url}/_media/sandbox/{media_id}"
        async with c.session.get(url, headers=headers) as reply:
            assert reply.status == status
            assert reply.headers.get("Content-Range") == told
            body = await reply.read()
        if status == 206:
            length = int((told or "").partition("-")[2].partition("/")[0]) - start + 1
            assert body == c.png[start : start + length]

    play(story)


def test_the_feed_joins_threads_newest_first(play: Play) -> None:
    async def story(c: Client) -> None:
        root = (await c.tweet("one")).json["data"]["id"]
        await c.toot("between")
        await c.tweet("two", reply={"in_reply_to_tweet_id": root})
        feed = (await c.call("GET", "/_feed.json", token=None)).json
        texts = [[post["text"] for post in thread["posts"]] for thread in feed["threads"]]
        assert texts == [["between"], ["one", "two"]]
        assert feed["networks"]["x"]["count"] == 2
        unchanged = await c.call("GET", f"/_feed.json?after={feed['revision']}", token=None)
        assert unchanged.json.keys() == {"revision", "now", "rules"}
        await c.tweet("three")
        changed = await c.call("GET", f"/_feed.json?after={feed['revision']}", token=None)
        assert changed.json["threads"][0]["posts"][0]["text"] == "three"

    play(story)


def test_the_page_needs_nothing_from_elsewhere(play: Play) -> None:
    async def story(c: Client) -> None:
        page = await c.call("GET", "/", token=None)
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert {"/_static/feed.css", "/_static/feed.js"} <= set(links)
        assert not [link for link in links if not link.startswith(("/", "#"))]
        assert not re.search(r"<script>|<style|style=| on\w+=", page.text)
        for link in links:
            assert (await c.call("GET", link, token=None)).status == 200
        assert (await c.call("GET", "/_static/../server.py", token=None)).status == 404
        assert (await c.call("GET", "/_media/x/1", token=None)).status == 404

    play(story)


def _command(port: int) -> list[str]:
    return [sys.executable, "-m", "sandbox", "--port", str(port), "--seed-accounts"]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_at_once_even_while_calls_hang(
    free_port: int, number: signal.Signals
) -> None:
    with subprocess.Popen(_command(free_port), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert f":{free_port}/" in process.stdout.readline()
        with socket.create_connection(("127.0.0.1", free_port), timeout=5) as idle:
            body = b'{"network": null, "on": "all", "hang": true}'
            head = "POST /_control HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            idle.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert idle.recv(12) == b"HTTP/1.1 200"
            with socket.create_connection(("127.0.0.1", free_port)) as hung:
                hung.sendall(b"GET /sandbox/me HTTP/1.1\r\nHost: x\r\n\r\n")
                started = time.monotonic()
                process.send_signal(number)
                assert process.wait(timeout=10) == 0
                assert time.monotonic() - started < 2


def test_a_taken_port_is_one_line_and_exit_1() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        ended = subprocess.run(_command(port), capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"sandbox: 127.0.0.1:{port} is already taken; choose another with --port\n"
    )
