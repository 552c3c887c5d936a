"""DeviantArt: errors in any status, Sta.sh ahead, one deviation per file, texts, finding works."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import wall_clock
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http
from platforms.adapters.base import (
    Account,
    Adapter,
    Continue,
    Draft,
    Media,
    Progress,
    Published,
    Ready,
    Safety,
    Segment,
)
from platforms.adapters.deviantart import LARGE_BYTES, DeviantArt
from platforms.adapters.deviantart_finding import DeviantArtConfig
from platforms.adapters.deviantart_post import body_of, tag_of
from platforms.adapters.deviantart_reading import CODES, ERRORS
from tests.contract.deviantart_case import (
    ACCOUNT,
    COMMENT_ID,
    CREDENTIALS,
    DEVIANTART_CASE,
    DEVIATION_ID,
    DEVIATION_URL,
    ITEM_ID,
    LIVE,
    SUBMITTED,
    USER_ID,
    fine,
    listed,
    make,
    refusal,
)
from tests.contract.server import DROP, Reply, Scripted
from tests.contract.wire import image, video
from tests.platforms.told import tell

ADAPTER = make("https://deviantart.example")
NOW = int(wall_clock.now())
SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
OTHER_ID = "00000000-3A0F-90A9-3625-AA8E105747AD"
LARGE = video(LARGE_BYTES + 1)


def draft(text: str = "Autumn\nFive colours", *files: Media, **more: Any) -> Draft:
    fields = {"account": ACCOUNT, "options": {}, **more}
    return Draft(segments=(Segment(text, files or (image(),)),), **fields)


def said(text: str = "Hello & welcome", **more: Any) -> Draft:
    return Draft(**{"segments": (Segment(text),), "account": ACCOUNT, **more})


def series(number: int = 3, **more: Any) -> Draft:
    files = [image(file_name=f"{n}.png") for n in range(number)]
    return draft("Autumn", *files, **{"options": {"uploadMode": "multiple"}, **more})


def stashed(number: int = 1, published: int = 0) -> dict[str, Any]:
    """Return the progress with so many files in Sta.sh, of which so many are published."""
    progress: dict[str, Any] = {
        "items": {f"0.{n}": {"id": f"77{n}", "at": NOW} for n in range(number)}
    }
    if published:
        progress["published"] = [f"dev-{n}" for n in range(published)]
        progress["permalink"] = "https://d.example/0"
    return progress


def form_of(request: Any) -> list[tuple[str, str]]:
    return parse_qsl(request.body.decode(), keep_blank_values=True)


# --- errors -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Row:
    """A recorded answer to stash/publish, and what it must be taken for."""

    status: int
    error: str
    category: C
    code: str = ""
    words: str = "No."
    number: int | None = None
    wait: timedelta | None = None
    app_wide: bool = False

    @property
    def reply(self) -> Reply:
        number = {} if self.number is None else {"error_code": self.number}
        return refusal(self.status, self.error, self.words, **number)


DAY = timedelta(hours=24)
ROWS = (
    Row(429, "user_api_threshold", C.RATE_LIMIT, words="User request limit reached."),
    Row(403, "user_api_threshold", C.RATE_LIMIT),
    Row(200, "user_api_threshold", C.RATE_LIMIT),
    Row(429, "", C.RATE_LIMIT),
    Row(401, "invalid_token", C.TOKEN_EXPIRED, words="Expired oAuth2 user token."),
    Row(401, "", C.TOKEN_EXPIRED),
    Row(401, "unauthorized", C.AUTH_ERROR),
    Row(401, "invalid_client", C.PERMISSION, app_wide=True),
    Row(403, "insufficient_scope", C.PERMISSION),
    Row(403, "unverified_account", C.PERMISSION),
    Row(400, "invalid_request", C.VALIDATION_ERROR, words="Request field validation failed."),
    Row(400, "invalid_request", C.VALIDATION_ERROR, "invalid_request/5", number=5),
    Row(200, "invalid_request", C.VALIDATION_ERROR),
    Row(
        400,
        "invalid_request",
        C.QUOTA_EXCEEDED,
        "no-space",
        words="Not enough space in Sta.sh.",
        wait=DAY,
    ),
    Row(
        400,
        "invalid_request",
        C.QUOTA_EXCEEDED,
        "too-many-today",
        words="Daily submission cap reached.",
        wait=DAY,
    ),
    Row(404, "version_error", C.VALIDATION_ERROR),
    Row(500, "server_error", C.OUTCOME_UNKNOWN),  # it may be half published
    Row(500, "invalid_request", C.OUTCOME_UNKNOWN),
    Row(503, "server_error", C.OUTCOME_UNKNOWN),
    Row(200, "server_error", C.OUTCOME_UNKNOWN),
    Row(200, "never_heard_of", C.UNKNOWN),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.status}-{row.code or row.error}")
def test_error_rows(row: Row) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.publish(http, draft(), stashed(), key="k")
        error = caught.value
        assert (error.category, error.provider_code) == (row.category, row.code or row.error)
        assert (error.retry_after, error.app_wide) == (row.wait, row.app_wide)
        assert error.detail.endswith(".")

    tell(DEVIANTART_CASE, story, row.reply)


def test_every_code_of_the_table_is_tried_somewhere() -> None:
    tried = {row.code.partition("/")[0] or row.error for row in ROWS}
    elsewhere = {"already-published", "bot-wall"}
    assert set(CODES) <= tried | elsewhere
    assert {code for _, code in ERRORS} <= tried | elsewhere | {""}


def test_a_robots_wall_is_waited_out() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.publish(http, draft(), stashed(), key="k")
        error = caught.value
        assert (error.category, error.provider_code) == (C.RATE_LIMIT, "bot-wall")
        assert error.retry_after == timedelta(minutes=15)

    tell(DEVIANTART_CASE, story, Reply(403, b"<!DOCTYPE html><title>Forbidden</title>"))


def test_the_fields_that_are_wrong_are_named() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.publish(http, draft(), stashed(), key="k")
        assert caught.value.detail == (
            "DeviantArt answered HTTP 400: Request field validation failed (title: too long)."
        )

    words, details = "Request field validation failed.", {"title": "too long"}
    answer = refusal(400, "invalid_request", words, error_details=details)
    tell(DEVIANTART_CASE, story, answer)


def test_all_calls_name_the_version_and_who_calls() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        await adapter.validate(http)
        await adapter.prepare(http, draft(), {})
        await adapter.publish(http, draft(), stashed(), key="k")
        for request in server.requests:
            assert request.headers["da-minor-version"] == "20240701"
            assert request.headers["user-agent"].startswith("Carillon")
            assert "gzip" in request.headers["accept-encoding"]
            assert request.headers["authorization"] == "Bearer da-access-token"

    tell(DEVIANTART_CASE, story, DEVIANTART_CASE.me[0], SUBMITTED, LIVE)


# --- before the moment ----------------------------------------------------------------------------
def test_a_file_goes_to_sta_sh_with_a_name_and_its_long_id_is_kept_whole() -> None:
    what = draft("Autumn\nFive <colours> & more", image(file_name=""))

    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.prepare(http, what, {})
        assert step.progress["items"]["0.0"]["id"] == str(ITEM_ID)
        body = server.requests[0].body
        assert server.requests[0].path == "/stash/submit"
        assert b'name="title"\r\n\r\nAutumn\r\n' in body
        assert b"\r\n\r\nFive &lt;colours&gt; &amp; more\r\n" in body
        assert b'name="file"; filename="file-0-0"\r\nContent-Type: image/png' in body
        ready = await adapter.prepare(http, what, step.progress)
        assert isinstance(ready, Ready)
        assert ready.expires_at is not None

    tell(DEVIANTART_CASE, story, SUBMITTED)


def test_the_token_is_tried_before_a_large_upload() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.prepare(http, draft("Film", LARGE), {})
        assert isinstance(step, Continue)
        await adapter.prepare(http, draft("Film", LARGE), {**step.progress, "resumed": True})
        assert [request.path for request in server.requests] == ["/placebo", "/stash/submit"]
        with pytest.raises(ServiceError) as caught:
            await adapter.prepare(http, draft("Film", LARGE), {})
        assert caught.value.category is C.TOKEN_EXPIRED

    tell(DEVIANTART_CASE, story, fine(), SUBMITTED, refusal(401, "invalid_token"))


@pytest.mark.parametrize(
    ("answer", "category"),
    [
        (refusal(200, "invalid_request", "File type not allowed."), C.MEDIA_ERROR),
        (refusal(400, "invalid_request", "File type not allowed."), C.MEDIA_ERROR),
        (refusal(500, "server_error"), C.SERVER_ERROR),
        (fine(stack="x"), C.UNKNOWN),
    ],
)
def test_a_refused_upload_may_be_an_http_200(answer: Reply, category: C) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.prepare(http, draft(), {})
        assert caught.value.category is category

    tell(DEVIANTART_CASE, story, answer)


def test_each_file_is_uploaded_once_whoever_goes_on() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        progress: Progress = {}
        for _ in range(3):
            step = await adapter.prepare(http, series(), {**progress, "resumed": True})
            progress = {"items": step.progress["items"]}
        assert isinstance(await adapter.prepare(http, series(), progress), Ready)
        assert [item["id"] for item in progress["items"].values()] == ["1", "2", "3"]

    tell(DEVIANTART_CASE, story, *[fine(itemid=number) for number in (1, 2, 3)])


def test_what_nobody_wants_any_more_is_taken_out_of_sta_sh() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        await adapter.discard(http, stashed(2))
        assert [form_of(request) for request in server.requests] == [
            [("itemid", "770")],
            [("itemid", "771")],
        ]
        with pytest.raises(ServiceError):
            await adapter.discard(http, stashed())

    gone = refusal(400, "invalid_request", "Unknown item.")
    tell(DEVIANTART_CASE, story, fine(), gone, Reply(429))


# --- the moment -----------------------------------------------------------------------------------
PLAIN = [
    ("itemid", "770"),
    ("agree_submission", "1"),
    ("agree_tos", "1"),
    ("is_mature", "0"),
    ("feature", "1"),
    ("allow_comments", "1"),
    ("allow_free_download", "0"),
    ("display_resolution", "0"),
    ("add_watermark", "0"),
    ("is_ai_generated", "0"),
    ("noai", "1"),
    ("license_options[creative_commons]", "0"),
]
CHOSEN = {
    "tags": ["#digital art", "autumn"],
    "galleries": ["1f0c2a44-5b1e-4f6e-9d0a-3a1b2c3d4e5f"],
    "is_mature": True,
    "mature_level": "strict",
    "mature_classification": ["gore", "language"],
    "ai_generated": True,
    "noai": False,
    "feature": False,
    "allow_comments": False,
    "allow_free_download": True,
    "display_resolution": 5,
    "add_watermark": True,
    "sharing": "hide_share_buttons",
    "license": "cc-by-nc-sa",
}
RICH = [
    ("itemid", "770"),
    ("agree_submission", "1"),
    ("agree_tos", "1"),
    ("is_mature", "1"),
    ("mature_level", "strict"),
    ("mature_classification[]", "gore"),
    ("mature_classification[]", "language"),
    ("feature", "0"),
    ("allow_comments", "0"),
    ("allow_free_download", "1"),
    ("display_resolution", "5"),
    ("add_watermark", "1"),
    ("is_ai_generated", "1"),
    ("noai", "0"),
    ("tags[]", "digital_art"),
    ("tags[]", "autumn"),
    ("galleryids[]", "1f0c2a44-5b1e-4f6e-9d0a-3a1b2c3d4e5f"),
    ("license_options[creative_commons]", "1"),
    ("license_options[commercial]", "0"),
    ("license_options[modify]", "share"),
    ("sharing", "hide_share_buttons"),
]


@pytest.mark.parametrize(("options", "expected"), [({}, PLAIN), (CHOSEN, RICH)])
def test_a_file_is_published_with_everything_said(
    options: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    what = draft(options=options)
    assert ADAPTER.violations(what) == []

    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.publish(http, what, stashed(), key="k")
        assert isinstance(step, Published)
        assert (step.remote_ids, step.permalink) == ((DEVIATION_ID,), DEVIATION_URL)
        (request,) = server.requests
        assert request.path == "/stash/publish"
        assert form_of(request) == expected

    tell(DEVIANTART_CASE, story, LIVE)


def made(number: int) -> Reply:
    return fine(url=f"https://d.example/{number}", deviationid=f"dev-{number}")


def test_in_multiple_mode_each_file_becomes_a_deviation_one_request_per_call() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        what = series(first_comment="The end")
        progress: Progress = stashed(3)
        for number in range(4):
            step = await adapter.publish(http, what, progress, key=f"k:{number}")
            assert len(server.requests) == number + 1
            progress = step.progress
            assert len(progress["published"]) == number + 1
        assert isinstance(step, Published)
        assert step.remote_ids == ("dev-0", "dev-1", "dev-2", f"comment/{COMMENT_ID}")
        assert step.permalink == "https://d.example/0"
        assert server.requests[3].path == "/comments/post/deviation/dev-0"
        assert form_of(server.requests[3]) == [("body", "The end")]

    comment = Reply(200, {"commentid": COMMENT_ID})
    tell(DEVIANTART_CASE, story, made(0), made(1), made(2), comment)


def work(**more: Any) -> dict[str, Any]:
    return {
        "deviationid": DEVIATION_ID,
        "url": DEVIATION_URL,
        "title": "Autumn",
        "published_time": str(NOW),
        **more,
    }


PUBLISHED_ALREADY = refusal(400, "invalid_request", "Deviation already published")


def test_a_file_that_was_published_by_a_lost_call_is_adopted() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        assert adapter.safety(series(), stashed(3, published=1)).kind is Safety.KEY
        with pytest.raises(ServiceError) as caught:
            await adapter.publish(http, series(), stashed(3, published=1), key="k")
        assert caught.value.category is C.OUTCOME_UNKNOWN
        repeat = {**stashed(3, published=1), "repeated": True, "taken": [OTHER_ID]}
        step = await adapter.publish(http, series(), repeat, key="k")
        assert isinstance(step, Continue)
        assert step.progress["published"] == ["dev-0", DEVIATION_ID]

    gallery = listed(work(deviationid=OTHER_ID), work(), work(deviationid="dev-0"))
    tell(DEVIANTART_CASE, story, DROP, PUBLISHED_ALREADY, gallery)  # type: ignore[arg-type]


def test_a_published_file_that_is_not_shown_yet_is_asked_about_again() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.publish(http, draft(), {**stashed(), "repeated": True}, key="k")
        assert caught.value.category is C.OUTCOME_UNKNOWN
        assert caught.value.provider_code == "already-published"

    tell(DEVIANTART_CASE, story, PUBLISHED_ALREADY, listed())


# --- texts ----------------------------------------------------------------------------------------
def test_a_text_becomes_a_status() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        what = said("Hello & welcome\nall", first_comment="Hi")
        assert not adapter.needs_preparation(what)
        step = await adapter.publish(http, what, {}, key="k")
        assert step.progress["published"] == ["S-1"]
        step = await adapter.publish(http, what, step.progress, key="k:1")
        assert isinstance(step, Published)
        assert step.remote_ids == ("S-1", f"comment/{COMMENT_ID}")
        assert step.permalink == "https://www.deviantart.com/ada/status/1"
        assert [request.path for request in server.requests] == [
            "/user/statuses/post",
            "/deviation/S-1",
            "/comments/post/deviation/S-1",
        ]
        assert form_of(server.requests[0]) == [("body", "Hello &amp; welcome<br />all")]

    tell(
        DEVIANTART_CASE,
        story,
        Reply(200, {"statusid": "S-1"}),
        Reply(200, {"statusid": "S-1", "url": "https://www.deviantart.com/ada/status/1"}),
        Reply(200, {"commentid": COMMENT_ID}),
    )


def test_a_text_with_a_title_becomes_a_journal_and_a_lost_address_does_not_matter() -> None:
    what = said("Long story", options={"title": "News", "tags": ["a b"], "license": "cc-by"})

    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.publish(http, what, {}, key="k")
        assert isinstance(step, Published)
        assert (step.remote_ids, step.permalink) == (
            (DEVIATION_ID,),
            "https://www.deviantart.com/ada",
        )
        assert server.requests[0].path == "/deviation/journal/create"
        assert form_of(server.requests[0]) == [
            ("title", "News"),
            ("body", "Long story"),
            ("is_mature", "0"),
            ("allow_comments", "1"),
            ("tags[]", "a_b"),
            ("license_options[creative_commons]", "1"),
            ("license_options[commercial]", "1"),
            ("license_options[modify]", "yes"),
        ]

    tell(DEVIANTART_CASE, story, Reply(200, {"deviationid": DEVIATION_ID}), Reply(500))


def test_html_is_sent_as_it_is() -> None:
    what = said("<b>Hi</b>\nall", options={"format": "html"})
    assert body_of(what) == "<b>Hi</b>\nall"


@given(st.text(max_size=60))
def test_no_text_can_break_out_of_its_html(text: str) -> None:
    body = body_of(said(text))
    assert "<" not in body.replace("<br />", "")
    assert ">" not in body.replace("<br />", "")


# --- find -----------------------------------------------------------------------------------------
def found(what: Draft, progress: Progress, *pages: Reply, segment: int = 0) -> Any:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> Published | None:
        return await adapter.find(http, what, progress, segment=segment, since=SINCE)

    return tell(DEVIANTART_CASE, story, *pages)


def test_a_work_is_found_by_its_title_mature_or_not() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.find(http, draft(), stashed(), segment=0, since=SINCE)
        assert step is not None
        assert (step.remote_ids, step.permalink) == ((DEVIATION_ID,), DEVIATION_URL)
        assert step.progress["published"] == [DEVIATION_ID]
        assert server.requests[0].path == ("/gallery/all?username=ada&limit=24&mature_content=true")

    tell(DEVIANTART_CASE, story, listed(work()))


@pytest.mark.parametrize(
    ("progress", "listing"),
    [
        ({}, work(title="Winter")),
        ({}, work(published_time=str(int(SINCE.timestamp()) - 1))),
        ({"taken": [DEVIATION_ID]}, work()),
        ({}, work(deviationid=None)),
    ],
)
def test_another_work_is_not_taken_for_ours(
    progress: dict[str, Any], listing: dict[str, Any]
) -> None:
    assert found(draft(), progress, listed(listing)) is None


def test_of_several_files_the_one_in_doubt_is_found() -> None:
    step = found(series(), stashed(3, published=1), listed(work()), segment=1)
    assert step.remote_ids == (DEVIATION_ID,)
    assert step.progress["published"] == ["dev-0", DEVIATION_ID]
    assert step.permalink == "https://d.example/0"
    first = found(series(), {}, listed(work(), work(deviationid="first")))
    assert first.remote_ids == ("first",)


def test_a_series_has_a_part_for_each_file() -> None:
    multiple = {"uploadMode": "multiple"}
    assert ADAPTER.part_texts(["a"], files=3, options=multiple) == ["a", "a", "a"]
    assert ADAPTER.part_texts(["a"], files=1, options=multiple) == ["a"]
    assert ADAPTER.part_texts(["a"], files=3, options={}) == ["a"]
    assert ADAPTER.part_texts(["a"], files=0, options=multiple) == ["a"]
    assert ADAPTER.safety(series(), stashed(3, published=2)).kind is Safety.KEY
    assert ADAPTER.safety(series(), stashed(3, published=3)).kind is Safety.FIND


def test_a_new_run_of_a_series_uploads_what_is_not_live_only() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.prepare(http, series(), {"published": ["dev-0", "dev-1"]})
        assert list(step.progress["items"]) == ["0.2"]
        ready = await adapter.prepare(http, series(), step.progress)
        assert isinstance(ready, Ready)
        step = await adapter.publish(http, series(), ready.progress, key="k")
        assert isinstance(step, Published)
        assert step.remote_ids == ("dev-0", "dev-1", "dev-2")

    tell(DEVIANTART_CASE, story, fine(itemid=9), made(2))


def test_further_pages_are_read_until_the_moment_is_reached() -> None:
    page = listed(work(title="Other"), has_more=True, next_offset=24)
    assert found(draft(), {}, page, listed(work())).remote_ids == (DEVIATION_ID,)
    with pytest.raises(ServiceError) as caught:
        found(draft(), {}, *[page] * 5)
    assert caught.value.category is C.OUTCOME_UNKNOWN


def test_texts_are_found_among_the_profile_s_posts() -> None:
    status = work(deviationid="S-1", title="", excerpt="Hello &amp; welcome")
    journal = work(title="News", text_content={"excerpt": "Long"})
    posts = listed(status, journal, next_cursor=None)
    assert found(said(), {}, posts).remote_ids == ("S-1",)
    assert found(said("x", options={"title": "News"}), {}, posts).remote_ids == (DEVIATION_ID,)
    assert found(said("Other"), {}, posts) is None
    assert found(said(), {"taken": ["S-1"]}, posts) is None
    long = "All about autumn leaves, and about winter. " * 5
    cut = work(text_content={"excerpt": long[:100] + "..."})
    assert found(said(long), {}, listed(cut)) is not None
    assert found(said(long), {}, listed(work(excerpt="All about autumn"))) is None
    more = listed(work(excerpt="Other"), has_more=True, next_cursor="c2")
    assert found(said(), {}, more, posts).remote_ids == ("S-1",)
    assert ADAPTER.safety(said(), {}).kind is Safety.FIND


def comment(**more: Any) -> dict[str, Any]:
    return {"commentid": COMMENT_ID, "body": "<b>Hi</b>", "user": {"userid": USER_ID}, **more}


def test_a_comment_is_found_by_author_and_words() -> None:
    what, progress = draft(first_comment="Hi"), stashed(1, published=1)
    step = found(what, progress, Reply(200, {"thread": [comment()]}), segment=1)
    assert step.remote_ids == (f"comment/{COMMENT_ID}",)
    assert step.progress["published"] == ["dev-0", f"comment/{COMMENT_ID}"]
    for other in (comment(body="Ho"), comment(user={"userid": "x"}), comment(user=None)):
        assert found(what, progress, Reply(200, {"thread": [other]}), segment=1) is None
    more = Reply(200, {"thread": [comment(body="Ho")], "has_more": True, "next_offset": 50})
    assert found(what, progress, more, Reply(200, {"thread": [comment()]}), segment=1)
    with pytest.raises(ServiceError):
        found(what, progress, *[more] * 5, segment=1)
    assert ADAPTER.safety(what, progress).kind is Safety.FIND


# --- before scheduling ----------------------------------------------------------------------------
def codes(what: Draft) -> set[tuple[str, str]]:
    return {(violation.field, violation.code) for violation in ADAPTER.violations(what)}


MEDIA = "segments[0].media"


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (draft(), set()),
        (said(), set()),
        (said("x" * 200), set()),  # a status has no title
        (series(), set()),
        (draft("Mixed", image(), video(), options={"uploadMode": "multiple"}), set()),
        (draft("Two", image(), image()), {(MEDIA, "several_files")}),
        (series(21), {(MEDIA, "too_many_images"), (MEDIA, "too_many_files")}),
        (draft("x" * 51), {("segments[0].text", "title_too_long")}),
        (draft("x" * 51, options={"title": "Short"}), set()),
        (draft(""), {("segments[0].text", "title_missing")}),
        (draft("x", options={"title": " "}), {("options.title", "title_missing")}),
        (said("x", options={"text_kind": "journal"}), set()),
        (draft(options={"tags": ["a b", "#c"]}), set()),
        (draft(options={"tags": ["c++"]}), {("options.tags[0]", "invalid_tag")}),
        (draft(options={"tags": ["x"] * 31}), {("options.tags", "invalid_option")}),
        (draft(options={"is_mature": True}), {("options.mature_level", "option_missing")}),
        (draft(options={"add_watermark": True}), {("options.add_watermark", "needs_resolution")}),
        (draft(options={"galleries": ["Featured"]}), {("options.galleries", "invalid_option")}),
        (draft(options={"license": "gpl"}), {("options.license", "invalid_option")}),
    ],
)
def test_what_deviantart_would_refuse(what: Draft, expected: set[tuple[str, str]]) -> None:
    assert codes(what) == expected


def test_scopes_that_are_known_to_be_missing_are_named() -> None:
    account = Account(USER_ID, "ada", scopes=("user", "browse", "stash", "publish"))
    assert codes(draft(account=account)) == set()
    assert codes(said(account=account)) == {("connection", "scope_missing")}
    assert codes(draft(account=account, first_comment="Hi")) == {("connection", "scope_missing")}


def test_people_are_told_what_publishing_means() -> None:
    assert [notice.code for notice in ADAPTER.notices(draft())] == ["policy"]
    several = ADAPTER.notices(series())
    assert [notice.code for notice in several] == ["policy", "several_posts"]
    assert several[1].message.startswith("3 deviations")


@pytest.mark.parametrize(
    ("tag", "expected"), [("#art", "art"), (" two  words ", "two_words"), ("a_b", "a_b")]
)
def test_tags_are_written_as_deviantart_writes_them(tag: str, expected: str) -> None:
    assert tag_of(tag) == expected


def test_its_calls_are_kept_apart() -> None:
    assert ADAPTER.adaptive_spacing
    assert ADAPTER.in_flight_per_connection == 1


# --- the account ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "error", "words", "category", "code"),
    [
        (
            400,
            "invalid_request",
            "The refresh_token is invalid.",
            C.AUTH_ERROR,
            "invalid_grant",
        ),
        (400, "invalid_grant", "No.", C.AUTH_ERROR, "invalid_grant"),
        (401, "invalid_client", "No.", C.PERMISSION, "invalid_client"),
        (429, "user_api_threshold", "No.", C.RATE_LIMIT, "user_api_threshold"),
        (500, "server_error", "No.", C.SERVER_ERROR, "server_error"),
    ],
)
def test_a_dead_refresh_token_is_called_invalid_request(
    status: int, error: str, words: str, category: C, code: str
) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.refresh(http, CREDENTIALS)
        assert (caught.value.category, caught.value.provider_code) == (category, code)

    tell(DEVIANTART_CASE, story, refusal(status, error, words))


def test_without_client_credentials_a_refusal_ends_no_connection() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        bare = DeviantArt(DeviantArtConfig(oauth_base=f"{server.url}/oauth2"))
        with pytest.raises(ServiceError) as caught:
            await bare.refresh(http, CREDENTIALS)
        assert caught.value.category is C.VALIDATION_ERROR

    tell(DEVIANTART_CASE, story, refusal(400, "invalid_request", "client_id is missing."))


def test_a_refresh_token_works_once_so_a_lost_answer_is_unknown() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        fresh = await adapter.refresh(http, CREDENTIALS)
        assert (fresh["access_token"], fresh["refresh_token"]) == ("new-access", "new-refresh")
        assert server.requests[0].path == "/oauth2/token"
        assert form_of(server.requests[0]) == [
            ("client_id", "12345"),
            ("client_secret", "da-client-secret"),
            ("grant_type", "refresh_token"),
            ("refresh_token", "da-refresh-token"),
        ]
        with pytest.raises(ServiceError) as caught:
            await adapter.refresh(http, CREDENTIALS)
        assert caught.value.category is C.OUTCOME_UNKNOWN

    tell(DEVIANTART_CASE, story, DEVIANTART_CASE.other["refresh"], DROP)  # type: ignore[arg-type]


def test_a_token_is_revoked() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        await adapter.revoke(http)
        assert server.requests[0].path == "/oauth2/revoke"
        assert form_of(server.requests[0]) == [("token", "da-access-token")]

    tell(DEVIANTART_CASE, story, Reply(200, {"success": True}))


def test_counters_are_read_10_at_a_time_and_of_deviations_only() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        ids = [str(number) for number in range(12)]
        counted = await adapter.metrics(http, [*ids, f"comment/{COMMENT_ID}"])
        assert [(entry.remote_id, dict(entry.values)) for entry in counted] == [
            ("1", {"downloads": 2}),
            ("11", {}),
        ]
        assert [request.path.count("deviationids") for request in server.requests] == [10, 2]

    tell(
        DEVIANTART_CASE,
        story,
        Reply(200, {"metadata": [{"deviationid": "1", "stats": {"downloads": 2}}]}),
        Reply(200, {"metadata": [{"deviationid": "11"}]}),
    )
