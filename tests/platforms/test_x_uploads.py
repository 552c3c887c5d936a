"""X: GIFs and videos in chunks, processing, alt texts, and what costs what."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twitter_text import parse_tweet

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from platforms.adapters.base import Continue, Draft, Media, Processing, Segment
from platforms.adapters.x import X
from platforms.adapters.x_counting import excess, has_link
from platforms.adapters.x_uploads import CHUNK_BYTES, MOST_TRIES, PATIENCE
from tests.contract.cases import X_CASE
from tests.contract.server import Reply
from tests.contract.wire import image, video
from tests.platforms import scenes
from tests.platforms.scenes import Scene

tell = partial(scenes.tell, X_CASE)
ID = "1880028106020515840"
BEGUN = Reply(200, {"data": {"id": ID, "media_key": "13_1", "expires_after_secs": 86400}})
APPENDED = Reply(200, {"data": {"expires_at": 1}})


def draft(*media: Media, text: str = "x", **more: Any) -> Draft:
    return Draft(**{"segments": (Segment(text, media),), "account": X_CASE.account, **more})


def gif(**more: Any) -> Media:
    return image(kind="gif", mime_type="image/gif", file_name="a.gif", **more)


def state(name: str, **more: Any) -> Reply:
    return Reply(200, {"data": {"id": ID, "processing_info": {"state": name, **more}}})


# --- chunks -------------------------------------------------------------------------------------
def test_a_video_goes_in_chunks_and_goes_on_where_it_stopped() -> None:
    what = draft(video(2 * CHUNK_BYTES + 5))

    async def story(scene: Scene) -> None:
        step = await scene.adapter.prepare(scene.http, what, {})
        step = await scene.adapter.prepare(scene.http, what, step.progress)
        assert step.progress["media"]["0.0"]["next"] == 1
        ready = await scene.prepared(what, json.loads(json.dumps(step.progress)))
        assert scene.calls == [
            "POST /2/media/upload/initialize",
            *[f"POST /2/media/upload/{ID}/append"] * 3,
            f"POST /2/media/upload/{ID}/finalize",
            "GET /2/media/upload",
        ]
        assert scene.requests[0].json == {
            "media_type": "video/mp4",
            "total_bytes": 2 * CHUNK_BYTES + 5,
            "media_category": "tweet_video",
        }
        for number, request in enumerate(scene.requests[1:4]):
            assert f'name="segment_index"\r\n\r\n{number}\r\n'.encode() in request.body
        assert [len(r.body) > CHUNK_BYTES for r in scene.requests[1:4]] == [True, True, False]
        assert scene.requests[5].path == f"/2/media/upload?command=STATUS&media_id={ID}"
        assert set(ready.progress["media"]["0.0"]) == {"id", "expires_at"}
        await scene.published(what, ready.progress)
        assert scene.requests[-1].json == {"text": "x", "media": {"media_ids": [ID]}}

    answers = (BEGUN, *[APPENDED] * 3, state("pending", check_after_secs=1), state("succeeded"))
    tell(story, *answers, X_CASE.created)


def test_a_gif_is_described_when_it_is_ready() -> None:
    what = draft(gif(alt_text="a dot that turns"))

    async def story(scene: Scene) -> None:
        ready = await scene.prepared(what)
        assert scene.requests[0].json["media_category"] == "tweet_gif"
        assert scene.requests[-1].json == {
            "id": ID,
            "metadata": {"alt_text": {"text": "a dot that turns"}},
        }
        assert ready.progress["media"]["0.0"]["described"]

    tell(story, BEGUN, APPENDED, BEGUN, Reply(200, {"data": {}}))


def test_each_step_draws_from_its_own_allowance() -> None:
    what, film = draft(image(alt_text="a")), draft(video())

    def kind(of: Draft, known: dict[str, Any]) -> str:
        return X().call_kind("prepare", of, {"media": {"0.0": known} if known else {}})

    assert kind(what, {}) == "prepare"
    assert kind(what, {"id": ID, "expires_at": 1}) == "describe"
    assert [kind(film, known) for known in ({}, {"id": ID, "next": 1}, {"id": ID, "since": 1})] == [
        "chunk",
        "chunk",
        "status",
    ]
    assert X().call_kind("publish", film, {}) == "publish"
    known = {bucket.operation for bucket in X().buckets}
    assert {"prepare", "chunk", "status", "describe"} <= known


def test_a_video_that_is_not_ready_is_not_left_out() -> None:
    async def story(scene: Scene) -> None:
        for known in ({"id": ID, "next": 3}, {"id": ID, "since": 1}, {"tries": 1}):
            with pytest.raises(ServiceError) as caught:
                await scene.published(draft(video()), {"media": {"0.0": known}})
            assert caught.value.category is C.UNKNOWN
        assert scene.requests == []

    tell(story)


# --- processing ---------------------------------------------------------------------------------
def ask(known: dict[str, Any], answer: Reply) -> Any:
    async def story(scene: Scene) -> Any:
        progress = {"media": {"0.0": known}}
        return await scene.adapter.prepare(scene.http, draft(video(CHUNK_BYTES * 2)), progress)

    return tell(story, answer)


def working(seconds: float = 0) -> dict[str, Any]:
    return {"id": ID, "expires_at": 1, "since": int(time.time() - seconds), "tries": 0}


@pytest.mark.parametrize(("told", "seconds"), [(5, 5), (0, 1), (None, 1), (900, 60), ("x", 1)])
def test_x_says_when_to_ask_again(told: Any, seconds: int) -> None:
    step = ask(working(), state("in_progress", check_after_secs=told))
    assert isinstance(step, Processing)
    assert step.poll_after.total_seconds() == seconds


def test_a_file_that_cannot_be_processed_is_a_media_error() -> None:
    error = {"code": 1, "name": "InvalidMedia", "message": "Unsupported video format"}
    with pytest.raises(ServiceError) as caught:
        ask(working(), state("failed", error=error))
    assert (caught.value.category, caught.value.provider_code) == (C.MEDIA_ERROR, "InvalidMedia")
    assert "Unsupported video format." in caught.value.detail


def test_patience_has_an_end() -> None:
    with pytest.raises(ServiceError) as caught:
        ask(working(PATIENCE.total_seconds() + 5), state("pending"))
    assert caught.value.category is C.MEDIA_ERROR


def test_an_upload_that_x_lost_begins_anew_but_not_for_ever() -> None:
    sending = {"id": ID, "expires_at": 1, "next": 1, "tries": 0}
    for known in (sending, {**sending, "next": 2}, working()):
        step = ask(known, Reply(404))
        assert isinstance(step, Continue)
        assert step.progress["media"]["0.0"] == {"tries": 1}
    with pytest.raises(ServiceError) as caught:
        ask({**sending, "tries": MOST_TRIES - 1}, Reply(400))
    assert caught.value.category is C.MEDIA_ERROR
    for status, category in ((503, C.SERVER_ERROR), (429, C.RATE_LIMIT), (401, C.AUTH_ERROR)):
        with pytest.raises(ServiceError) as caught:
            ask(sending, Reply(status))
        assert caught.value.category is category


# --- limits -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("media", "code"),
    [
        ((video(seconds=140.6),), "video_too_long"),
        ((video(seconds=0.4),), "video_too_short"),
        ((video(width=400, height=100),), "video_shape"),
        ((video(width=31, height=31),), "video_too_small"),
        ((gif(width=1281, height=100),), "gif_too_large"),
        ((video(), image()), "mixed_media"),
        ((gif(), gif()), "too_many_gifs"),
    ],
)
def test_what_x_would_refuse_is_named(media: tuple[Media, ...], code: str) -> None:
    assert [violation.code for violation in X().violations(draft(*media))] == [code]


def test_an_account_with_premium_has_limits_of_its_own() -> None:
    long = draft(video(seconds=600.0), limits={"video_seconds": 7500})
    assert X().violations(long) == []


def test_a_large_video_and_a_lost_alt_text_are_noted() -> None:
    codes = [n.code for n in X().notices(draft(video(width=1920, height=1080, alt_text="a")))]
    assert codes == ["costs_money", "alt_text_not_sent", "video_larger_than_documented"]


# --- costs --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("what", "usd"),
    [
        (draft(), 0.015),
        (draft(text="see https://example.org/"), 0.2),
        (draft(text="see example.org"), 0.2),
        (draft(text="version 1.4 is out"), 0.015),
        (draft(first_comment="see https://example.org/"), 0.215),
        (draft(image(alt_text="a"), image(), gif(alt_text="b")), 0.025),
        (draft(video(alt_text="not sent")), 0.015),
        (draft(segments=(Segment("a"), Segment("b https://e.org"), Segment("c"))), 0.23),
    ],
)
def test_each_part_costs_and_links_cost_more(what: Draft, usd: float) -> None:
    notice = X().notices(what)[0]
    assert (notice.code, notice.cost_usd) == ("costs_money", usd)
    assert f"${usd:.3f}" in notice.message
    assert "2026-04-20" in notice.message


LINKS = st.sampled_from(
    [
        "https://example.org/" + "x" * 80,
        "http://a.co",
        "example.com",
        "https://例え.jp/a",
        "t.co/a",
    ]
)
WORDS = st.text(st.sampled_from("abc xyz,!?\n日本"), min_size=1, max_size=30)


@given(st.lists(WORDS, max_size=4), LINKS)
def test_a_link_weighs_23_whatever_its_length(words: list[str], link: str) -> None:
    text = " ".join([*words, link])
    assert has_link(text)
    bare = " ".join([*words, ""])
    weight = parse_tweet(bare).weightedLength if bare else 0
    assert X().length(text) == weight + 23


@given(st.lists(WORDS | LINKS, max_size=6).map(" ".join), st.integers(0, 300))
def test_the_quick_look_never_differs_from_the_whole_count(text: str, limit: int) -> None:
    assert excess(text, limit) == max(0, parse_tweet(text).weightedLength - limit if text else 0)
