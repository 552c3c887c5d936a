"""Mastodon: its error table, payloads, media that take time, counting, and finding a status."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.answers import Response
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, HttpPool
from platforms.adapters import mastodon
from platforms.adapters.base import Draft, Media, Processing, Published, Ready, Segment
from platforms.adapters.mastodon import Mastodon
from platforms.adapters.mastodon_reading import ERRORS, excess
from platforms.adapters.texts import comparable, plain_text
from tests.contract.cases import MASTODON_CASE, image, video
from tests.contract.server import Reply, Scripted, serve

ACCOUNT = MASTODON_CASE.account
SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ADAPTER = Mastodon()

Story = Callable[[Http, Scripted], Awaitable[Any]]


def tell(story: Story, *answers: Reply) -> Any:
    async def main() -> Any:
        pool = HttpPool()
        try:
            async with serve() as server:
                server.in_turn(*answers)
                credentials = MASTODON_CASE.credentials(server.url)
                http = pool.http(
                    base_url=ADAPTER.base_url(credentials),
                    auth=ADAPTER.authorize(credentials),
                    guard_private=True,
                    allow_private=["127.0.0.1"],
                )
                return await story(http, server)
        finally:
            await pool.close()

    return asyncio.run(main())


def draft(*texts: str, **more: Any) -> Draft:
    segments = tuple(Segment(text) for text in texts)
    return Draft(**{"segments": segments, "account": ACCOUNT, **more})


# --- errors -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Row:
    """A recorded answer, and what it must be taken for."""

    status: int
    category: C
    error: str = ""
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


ROWS = (
    Row(400, C.VALIDATION_ERROR, "Bad request"),
    Row(401, C.AUTH_ERROR, "The access token was revoked"),
    Row(403, C.PERMISSION, "This action is outside the authorized scopes"),
    Row(404, C.VALIDATION_ERROR, "Record not found"),
    Row(410, C.VALIDATION_ERROR),
    Row(413, C.MEDIA_ERROR),
    Row(422, C.VALIDATION_ERROR, "Validation failed: Text can't be blank"),
    Row(
        422,
        C.SERVER_ERROR,
        "Cannot attach files that have not finished processing. Try again in a moment!",
        "media-processing",
    ),
    Row(
        422,
        C.DUPLICATE,
        "Validation failed: Media 1 not found or already attached to another post",
        "media-attached",
    ),
    Row(429, C.RATE_LIMIT, "Too many requests"),
    Row(500, C.OUTCOME_UNKNOWN),
    Row(503, C.OUTCOME_UNKNOWN, "There was a temporary problem serving your request"),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.status}-{row.code}")
def test_error_rows(row: Row) -> None:
    async def story(http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await ADAPTER.publish(http, draft("hi"), {}, key="k")
        assert (caught.value.category, caught.value.provider_code) == (row.category, row.code)
        assert row.error in caught.value.detail

    tell(story, Reply(row.status, {"error": row.error}, row.headers))


def test_every_row_of_the_table_has_a_test() -> None:
    assert set(ERRORS) <= {(row.status, row.code) for row in ROWS}


def test_a_429_waits_until_the_window_ends() -> None:
    headers = {
        "date": "Sun, 22 Nov 2026 09:40:00 GMT",
        "x-ratelimit-limit": "300",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "2026-11-22T09:41:30.000000Z",
    }
    answer = Response(429, headers, b"", "POST", "/api/v1/statuses")
    assert ADAPTER.error(answer).retry_after == timedelta(seconds=90)
    (hint,) = ADAPTER.rate_hints(answer)
    assert (hint.bucket, hint.limit, hint.remaining) == ("publish", 300, 0)
    assert hint.resets_at == datetime(2026, 11, 22, 9, 41, 30, tzinfo=UTC)


# --- payloads -------------------------------------------------------------------------------------
def test_a_thread_with_options() -> None:
    options = {"visibility": "unlisted", "spoiler_text": "cw", "sensitive": True, "language": "en"}

    async def story(http: Http, server: Scripted) -> None:
        thread, progress = draft("one", first_comment="two", options=options), {}
        for number in range(2):
            step = await ADAPTER.publish(http, thread, progress, key=f"post:1:1:{number}")
            progress = dict(step.progress)
        assert isinstance(step, Published)
        assert step.permalink == "https://mastodon.example/@ada/11"
        first, second = server.requests
        assert first.json == {"status": "one", **options}
        assert second.json == {"status": "two", "in_reply_to_id": "11", **options}
        assert first.headers["idempotency-key"] == "post:1:1:0"
        assert second.headers["idempotency-key"] == "post:1:1:1"

    tell(
        story,
        Reply(200, {"id": "11", "url": "https://mastodon.example/@ada/11"}),
        Reply(200, {"id": "12", "url": "https://mastodon.example/@ada/12"}),
    )


def test_the_permalink_is_made_up_if_it_got_lost() -> None:
    async def story(http: Http, server: Scripted) -> None:
        step = await ADAPTER.publish(http, draft("a"), {"published": ["11"]}, key="k")
        assert isinstance(step, Published)
        assert step.permalink == "https://mastodon.example/@ada/11"

    tell(story)


def test_media_that_take_time_are_asked_for_again() -> None:
    async def story(http: Http, server: Scripted) -> None:
        film = video(alt_text="a film")
        pictured = draft(segments=(Segment("", (film,)),))
        step = await ADAPTER.prepare(http, pictured, {})
        busy = await ADAPTER.prepare(http, pictured, step.progress)
        assert busy == Processing(step.progress, mastodon.POLL_AGAIN)
        step = await ADAPTER.prepare(http, pictured, step.progress)
        step = await ADAPTER.prepare(http, pictured, step.progress)
        assert isinstance(step, Ready)
        assert [(r.method, r.path) for r in server.requests] == [
            ("POST", "/api/v2/media"),
            ("GET", "/api/v1/media/7"),
            ("GET", "/api/v1/media/7"),
        ]
        sent = server.requests[0].body
        assert b'name="description"\r\n\r\na film' in sent
        assert b'filename="film.mp4"\r\nContent-Type: video/mp4' in sent

    tell(story, Reply(202, {"id": "7", "url": None}), Reply(206, {"id": "7"}), Reply(200, {}))


def test_media_that_are_gone_are_uploaded_again() -> None:
    async def story(http: Http, server: Scripted) -> None:
        pictured = draft(segments=(Segment("", (image(),)),))
        step = await ADAPTER.prepare(http, pictured, {})
        step = await ADAPTER.prepare(http, pictured, step.progress)
        assert step.progress["media"] == {}

    tell(story, Reply(202, {"id": "7"}), Reply(404, {"error": "Record not found"}))


def test_media_that_failed_are_a_media_error() -> None:
    async def story(http: Http, server: Scripted) -> None:
        progress = {"media": {"0.0": {"id": "7", "ready": False, "since": 1, "expires_at": 1}}}
        with pytest.raises(ServiceError) as caught:
            await ADAPTER.prepare(http, draft(segments=(Segment("", (image(),)),)), progress)
        assert caught.value.category is C.MEDIA_ERROR

    tell(story, Reply(422, {"error": "Error processing thumbnail"}))


def test_patience_with_a_server_has_an_end() -> None:
    long_ago = int(time.time() - mastodon.PATIENCE.total_seconds()) - 5
    entry = {"id": "7", "ready": False, "since": long_ago, "expires_at": 1}

    async def story(http: Http, server: Scripted) -> None:
        film = draft(segments=(Segment("", (video(),)),))
        with pytest.raises(ServiceError) as caught:
            await ADAPTER.prepare(http, film, {"media": {"0.0": entry}})
        assert caught.value.category is C.MEDIA_ERROR

    tell(story, Reply(206, {"id": "7"}))


def test_a_video_that_is_not_ready_is_not_left_out() -> None:
    entry = {"id": "7", "ready": False, "since": 1, "expires_at": 1}

    async def story(http: Http, server: Scripted) -> None:
        film = draft(segments=(Segment("", (video(),)),))
        with pytest.raises(ServiceError) as caught:
            await ADAPTER.publish(http, film, {"media": {"0.0": entry}}, key="k")
        assert caught.value.category is C.UNKNOWN
        assert server.requests == []

    tell(story)


GIF = {"kind": "gif", "mime_type": "image/gif"}


@pytest.mark.parametrize(
    ("media", "limits", "codes"),
    [
        ((video(),), {}, []),
        ((image(**GIF),), {}, []),
        ((video(), image()), {}, ["mixed_media"]),
        ((video(), video()), {}, ["too_many_videos"]),
        ((video(width=3840, height=2161),), {}, ["video_too_large"]),
        ((video(width=3840, height=2161),), {"video_pixels": 10_000_000}, []),
        ((image(width=8000, height=5000),), {}, ["image_too_large"]),
        ((image(width=100, height=100, **GIF),), {"image_pixels": 9999}, ["gif_too_large"]),
        ((video(size_bytes=2000),), {"video_bytes": 1000}, ["video_too_large"]),
    ],
)
def test_files_are_judged_by_the_servers_own_limits(
    media: tuple[Media, ...], limits: dict[str, int], codes: list[str]
) -> None:
    post = draft(segments=(Segment("", media),), limits=limits)
    assert [violation.code for violation in ADAPTER.violations(post)] == codes


# --- the account --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://mastodon.social", "https://mastodon.social"),
        (" https://mastodon.social/ ", "https://mastodon.social"),
        ("mastodon.social", "https://mastodon.social"),
        ("http://127.0.0.1:8010/mastodon/one", "http://127.0.0.1:8010/mastodon/one"),
    ],
)
def test_the_server_is_taken_as_people_write_it(given: str, base: str) -> None:
    assert ADAPTER.base_url({"instance_url": given}) == base
    assert ADAPTER.user_given_host()


def test_an_account_has_its_servers_limits() -> None:
    configuration = {
        "statuses": {"max_characters": 1000, "max_media_attachments": "many"},
        "media_attachments": {
            "image_size_limit": 5,
            "video_size_limit": 7,
            "video_matrix_limit": 9,
            "description_limit": -1,
        },
    }

    async def story(http: Http, server: Scripted) -> None:
        account = await ADAPTER.validate(http)
        assert account.external_id == f"{server.url.partition('//')[2]}:14715"
        assert account.instance_url == server.url
        assert account.limits == {
            "text_chars": 1000,
            "image_bytes": 5,
            "gif_bytes": 5,
            "video_bytes": 7,
            "video_pixels": 9,
        }

    tell(story, MASTODON_CASE.me[0], Reply(200, {"configuration": configuration}))


def test_a_server_that_does_not_tell_its_limits_gets_the_usual_ones() -> None:
    async def story(http: Http, server: Scripted) -> None:
        assert (await ADAPTER.validate(http)).limits == {}

    tell(story, MASTODON_CASE.me[0], Reply(404, {"error": "Not found"}))


def test_statuses_that_are_gone_have_no_metrics() -> None:
    async def story(http: Http, server: Scripted) -> None:
        found = await ADAPTER.metrics(http, ["1", "2"])
        assert [entry.remote_id for entry in found] == ["2"]

    tell(story, Reply(404, b""), Reply(200, {"favourites_count": 1}))


# --- counting -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "over"),
    [
        ("x" * 500, 0),
        ("x" * 501, 1),
        ("👨‍👩‍👧‍👦" * 500, 0),
        ("👨‍👩‍👧‍👦" * 501, 1),
        ("e\u0301" * 500, 0),
        ("x" * 476 + " https://example.org/" + "y" * 200, 0),
        ("x" * 477 + " https://example.org/" + "y" * 200, 1),
        ("x" * 477 + " http://a.b", 1),
        ("x" * 494 + " @user@example.social", 0),
        ("x" * 495 + " @user@example.social", 1),
        ("x" * 477 + " example.org/" + "y" * 20, 10),
    ],
)
def test_length_is_counted_in_graphemes(text: str, over: int) -> None:
    assert excess(text, 500) == over


@given(st.text(max_size=80))
def test_no_text_has_more_graphemes_than_characters(text: str) -> None:
    if "://" not in text:
        assert excess(text, 10) <= max(0, len(text) - 10)


@given(
    st.lists(st.text(st.sampled_from("abc é👩日,!\n"), max_size=20), max_size=4),
    st.sampled_from(["https://example.org/", "http://a.b/c_(d)?e=f#g", "HTTPS://EXAMPLE.ORG/"]),
    st.integers(0, 300),
)
def test_a_link_counts_23_whatever_its_length(words: list[str], link: str, longer: int) -> None:
    text = " ".join([*words, ""])
    assert excess(text + link + "x" * longer, 0) == excess(text, 0) + 23


@given(st.text(st.sampled_from("abc é👩日,!\n"), max_size=40), st.integers(1, 60))
def test_a_remote_mention_counts_without_its_server(text: str, longer: int) -> None:
    local, remote = f"{text} @ada", f"{text} @ada@{'x' * longer}.social"
    assert excess(remote, 0) == excess(local, 0)


def test_the_content_warning_counts_too() -> None:
    found = ADAPTER.violations(draft("x" * 495, options={"spoiler_text": "spoils"}))
    assert [(v.field, v.code) for v in found] == [("segments[0].text", "text_too_long")]


# --- find -----------------------------------------------------------------------------------------
def status(content: str, **more: Any) -> dict[str, Any]:
    plain = {
        "id": "5",
        "created_at": "2026-11-22T09:30:00.000Z",
        "content": content,
        "in_reply_to_id": None,
        "media_attachments": [],
        "spoiler_text": "",
        "url": "https://mastodon.example/@ada/5",
    }
    return {**plain, **more}


def found(what: Draft, *pages: Reply, segment: int = 0, done: tuple[str, ...] = ()) -> Any:
    async def story(http: Http, server: Scripted) -> Published | None:
        progress = {"published": list(done)}
        result = await ADAPTER.find(http, what, progress, segment=segment, since=SINCE)
        assert server.requests[0].path.startswith("/api/v1/accounts/14715/statuses?")
        return result

    return tell(story, *pages)


RICH = (
    '<p>Hi <span class="h-card"><a href="https://remote.social/@bob" class="u-url mention">@<span>'
    'bob</span></a></span> &amp; all<br />see <a href="https://example.org/r/14"><span class='
    '"invisible">https://</span><span class="ellipsis">example.org/r</span><span class="invisible">'
    '/14</span></a></p><p><a href="#" class="mention hashtag">#<span>django</span></a></p>'
)


def test_a_status_is_recognised_through_its_html() -> None:
    wanted = draft("Hi @bob@remote.social & all\nsee https://example.org/r/14\n\n#django")
    step = found(wanted, Reply(200, [status("<p>another</p>", id="9"), status(RICH)]))
    assert step.remote_ids == ("5",)
    assert step.permalink == "https://mastodon.example/@ada/5"
    assert step.progress == {"published": ["5"], "permalink": step.permalink}


@pytest.mark.parametrize(
    "listed",
    [
        status("<p>hi there</p>"),
        status("<p>hi</p>", in_reply_to_id="1"),
        status("<p>hi</p>", media_attachments=[{"id": "1"}]),
        status("<p>hi</p>", spoiler_text="cw"),
        status("<p>hi</p>", id="4"),
        status("<p>hi</p>", created_at="2026-11-22T08:59:59.999Z"),
    ],
)
def test_another_status_is_not_taken_for_ours(listed: dict[str, Any]) -> None:
    assert found(draft("hi"), Reply(200, [listed]), done=("4",)) is None


def test_a_reply_is_recognised_below_its_parent() -> None:
    listed = status("<p>hi</p>", in_reply_to_id="4")
    step = found(draft("a", "hi"), Reply(200, [listed]), segment=1, done=("4",))
    assert step.progress["published"] == ["4", "5"]


MORE = {"link": '<https://x.example/?max_id=9>; rel="next", <https://x.example/>; rel="prev"'}


def test_further_pages_are_read_until_the_moment_is_reached() -> None:
    old = status("<p>old</p>", id="3", created_at="2026-11-22T08:00:00.000Z")
    pages = (
        Reply(200, [status("<p>x</p>", id="9")], MORE),
        Reply(200, [status("<p>y</p>", id="8"), old], MORE),
    )
    assert found(draft("hi"), *pages) is None


def test_a_list_that_does_not_reach_the_moment_is_not_trusted() -> None:
    with pytest.raises(ServiceError) as caught:
        found(draft("hi"), *[Reply(200, [status("<p>x</p>", id="9")], MORE)] * 5)
    assert caught.value.category is C.OUTCOME_UNKNOWN


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<>&@"), max_size=60))
def test_escaped_text_compares_equal_to_itself(text: str) -> None:
    shown = "<p>" + text.replace("\n\n", "</p><p>").replace("\n", "<br />") + "</p>"
    assert comparable(plain_text(shown)) == comparable(text)
