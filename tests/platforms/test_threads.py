"""Threads: payloads, chains, counting in characters and bytes, quotas, lost answers, tokens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import wall_clock
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from platforms.adapters.base import Continue, Draft, Processing, Published, Ready, Segment
from platforms.adapters.graph_reading import (
    ANY,
)
from platforms.adapters.threads import Threads
from platforms.adapters.threads_reading import REASONS, excess
from tests.contract.server import Reply, Request
from tests.contract.threads_case import ACCOUNT, CONTAINER, SUCCESS, make_threads, picture
from tests.contract.threads_case import network as friendly
from tests.contract.wire import video
from tests.platforms.graph_scene import Scene, failure, refused, tell

TOKEN = {"access_token": "threads-user-token"}
SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
EARLIER = int(wall_clock.now()) - 600
READY = {"containers": {"0": {"id": "c0", "at": EARLIER, "ready": True}}, "quota": True}
THREADS = Threads()
FILM = "https://files.example/film.mp4"


def draft(*texts: str, media: Any = (), **more: Any) -> Draft:
    first, *rest = texts or ("Version 2.4 is out",)
    segments = (Segment(first, tuple(media)), *(Segment(text) for text in rest))
    return Draft(**{"segments": segments, "account": ACCOUNT, **more})


def run(story: Any, *answers: Reply, login: Mapping[str, Any] | None = TOKEN, **more: Any) -> Any:
    return tell(make_threads, login, story, *answers, **more)


# --- payloads -----------------------------------------------------------------------------------
def test_a_text_is_made_ahead_and_published_with_one_call() -> None:
    options = {
        "reply_control": "everyone",
        "topic_tag": "python",
        "link_attachment": "https://example.org/24",
    }

    async def story(scene: Scene) -> None:
        post = draft(options=options)
        assert scene.adapter.needs_preparation(post)
        ready = await scene.prepare(post)
        assert scene.calls == [
            "GET /me/threads_publishing_limit",
            f"POST /{ACCOUNT.external_id}/threads",
            f"GET /{CONTAINER}",
        ]
        assert scene.bodies == [{"media_type": "TEXT", "text": "Version 2.4 is out", **options}]
        assert ready.expires_at is not None
        scene.server.requests.clear()
        step = await scene.adapter.publish(scene.http, post, ready.progress, key="k")
        assert isinstance(step, Published)
        assert scene.calls[0] == f"POST /{ACCOUNT.external_id}/threads_publish"
        assert scene.bodies == [{"creation_id": CONTAINER}]
        assert scene.server.requests[0].path.startswith("/v1.0/")

    run(story, script=friendly)


def test_images_and_videos_are_fetched_from_their_addresses() -> None:
    async def story(scene: Scene) -> None:
        await scene.prepare(draft(media=[picture(alt_text="A dot")]))
        await scene.prepare(draft(media=[video(url=FILM)]))
        assert scene.bodies == [
            {
                "media_type": "IMAGE",
                "image_url": "https://files.example/a.png",
                "alt_text": "A dot",
                "text": "Version 2.4 is out",
            },
            {"media_type": "VIDEO", "video_url": FILM, "text": "Version 2.4 is out"},
        ]

    run(story, script=friendly)


def test_a_carousel_has_its_text_once() -> None:
    async def story(scene: Scene) -> None:
        await scene.prepare(draft(media=[picture(), video(url=FILM)]))
        item = {"is_carousel_item": True}
        assert scene.bodies == [
            {"media_type": "IMAGE", "image_url": "https://files.example/a.png", **item},
            {"media_type": "VIDEO", "video_url": FILM, **item},
            {
                "media_type": "CAROUSEL",
                "children": f"{CONTAINER},{CONTAINER}",
                "text": "Version 2.4 is out",
            },
        ]

    run(story, script=friendly)


def counting() -> Any:
    """Answer well, with another id for each thing that is made."""
    made = iter(range(1, 100))

    def network(request: Request) -> Reply:
        if request.method == "POST":
            return Reply(200, {"id": f"id{next(made)}"})
        return friendly(request)

    return network


def test_each_part_of_a_chain_answers_the_one_before() -> None:
    async def story(scene: Scene) -> None:
        chain = draft("one", "two", first_comment="more", options={"topic_tag": "python"})
        ready = await scene.prepare(chain)
        step = await scene.publish(chain, ready.progress)
        assert step.remote_ids == ("id2", "id4", "id6")
        assert scene.bodies == [
            {"media_type": "TEXT", "text": "one", "topic_tag": "python"},
            {"creation_id": "id1"},
            {"media_type": "TEXT", "text": "two", "reply_to_id": "id2"},
            {"creation_id": "id3"},
            {"media_type": "TEXT", "text": "more", "reply_to_id": "id4"},
            {"creation_id": "id5"},
        ]

    run(story, script=counting())


def test_the_items_of_later_carousels_are_made_ahead_too() -> None:
    async def story(scene: Scene) -> None:
        later = Segment("two", (picture(), picture("b")))
        chain = draft(segments=(Segment("one"), later))
        ready = await scene.prepare(chain)
        assert set(ready.progress["containers"]) == {"0", "1.0", "1.1"}
        step = await scene.publish(chain, ready.progress)
        assert step.remote_ids == ("id4", "id6")
        assert scene.bodies[4] == {
            "media_type": "CAROUSEL",
            "children": "id2,id3",
            "text": "two",
            "reply_to_id": "id4",
        }

    run(story, script=counting())


def test_a_picture_in_a_reply_is_waited_for_without_a_mark() -> None:
    chain = draft(segments=(Segment("one"), Segment("two", (picture(),))))
    progress = {**READY, "published": ["m1"]}

    async def story(scene: Scene) -> None:
        step = await scene.adapter.publish(scene.http, chain, progress, key="k")
        assert isinstance(step, Continue)
        step = await scene.adapter.publish(scene.http, chain, step.progress, key="k")
        assert isinstance(step, Processing)
        assert timedelta(seconds=3) <= step.poll_after < timedelta(seconds=6)
        step = await scene.adapter.check(scene.http, chain, step.progress)
        assert isinstance(step, Ready)
        step = await scene.adapter.publish(scene.http, chain, step.progress, key="k")
        assert isinstance(step, Published)
        assert step.remote_ids == ("m1", "m2")

    run(
        story,
        Reply(200, {"id": "c1"}),
        Reply(200, {"status": "IN_PROGRESS"}),
        Reply(200, {"status": "FINISHED"}),
        Reply(200, {"id": "m2"}),
    )


def test_a_file_without_an_address_is_not_left_out() -> None:
    async def story(scene: Scene) -> None:
        post = draft(media=[picture(url="")])
        error = await failure(scene.adapter.prepare(scene.http, post, {"quota": True}))
        assert error.category is C.MEDIA_ERROR
        assert "PUBLIC_URL" in error.detail
        assert scene.server.requests == []

    run(story)


# --- resuming -----------------------------------------------------------------------------------
def test_a_crash_between_two_calls_repeats_none_of_them() -> None:
    """Whatever progress was committed, going on from it makes the rest, each thing once."""

    async def story(scene: Scene) -> None:
        chain = draft("one", "two", first_comment="more")
        progress = (await scene.prepare(chain)).progress
        committed = [progress]
        while not isinstance(
            step := await scene.adapter.publish(scene.http, chain, progress, key="k"), Published
        ):
            progress = step.progress
            committed.append(progress)
        assert len(committed) == 5  # publish, make, publish, make, (publish)
        for number, start in enumerate(committed):
            scene.server.requests.clear()
            again = await scene.publish(chain, start)
            assert len(again.remote_ids) == 3
            writes = [request for request in scene.server.requests if request.method == "POST"]
            assert len(writes) == len(committed) - number

    run(story, script=friendly)


# --- quotas -------------------------------------------------------------------------------------
def quotas(posts: int, replies: int) -> Reply:
    usage = {
        "quota_usage": posts,
        "config": {"quota_total": 250, "quota_duration": 86_400},
        "reply_quota_usage": replies,
        "reply_config": {"quota_total": 1000, "quota_duration": 86_400},
    }
    return Reply(200, {"data": [usage]})


@pytest.mark.parametrize(
    ("post", "reply", "told"),
    [
        (draft(), quotas(250, 0), "250 posts in 24 hours; 250 were"),
        (draft("a", "b", "c"), quotas(0, 999), "1000 replies in 24 hours; 999 were"),
        (draft("a", first_comment="b"), quotas(0, 1000), "1000 replies"),
    ],
)
def test_a_day_that_is_full_is_known_before_the_moment(
    post: Draft, reply: Reply, told: str
) -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.prepare(scene.http, post, {}))
        assert error.category is C.QUOTA_EXCEEDED
        assert told in error.detail

    run(story, reply)


def test_replies_left_do_not_matter_to_a_single_post() -> None:
    async def story(scene: Scene) -> None:
        step = await scene.adapter.prepare(scene.http, draft(), {})
        assert step == Continue({"quota": True})

    run(story, quotas(249, 1000))


# --- errors -------------------------------------------------------------------------------------
ROWS = (
    (190, 0, C.AUTH_ERROR),
    (190, 463, C.TOKEN_EXPIRED),
    (10, 0, C.PERMISSION),
    (200, 0, C.PERMISSION),
    (100, 4279013, C.PERMISSION),
    (4, 2207051, C.PERMISSION),
    (368, 0, C.PERMISSION),
    (4, 0, C.RATE_LIMIT),
    (17, 0, C.RATE_LIMIT),
    (32, 0, C.RATE_LIMIT),
    (613, 0, C.RATE_LIMIT),
    (100, 0, C.VALIDATION_ERROR),
    (1, 0, C.OUTCOME_UNKNOWN),
    (2, 0, C.OUTCOME_UNKNOWN),
)


@pytest.mark.parametrize(("code", "subcode", "category"), ROWS)
def test_error_rows(code: int, subcode: int, category: C) -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.publish(scene.http, draft(), READY, key="k"))
        assert error.category is category
        assert error.provider_code == (f"{code}/{subcode}" if subcode else str(code))

    run(story, refused(400, code, subcode))


def test_all_rows_hold_for_every_status() -> None:
    assert {status for status, _ in THREADS.errors} == {ANY}


def test_what_threads_refuses_while_a_text_is_made_is_told() -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.prepare(scene.http, draft(), {"quota": True}))
        assert error.category is C.VALIDATION_ERROR
        assert "THREADS_API__LINK_LIMIT_EXCEEDED" in error.detail

    run(story, refused(400, 100, message="THREADS_API__LINK_LIMIT_EXCEEDED"))


def test_not_everywhere_yet_is_tried_again_soon_but_not_for_ever() -> None:
    async def story(scene: Scene) -> None:
        step = await scene.adapter.publish(scene.http, draft(), READY, key="k")
        assert isinstance(step, Processing)
        assert step.poll_after == timedelta(seconds=10)
        step = await scene.adapter.check(scene.http, draft(), step.progress)
        assert isinstance(step, Ready)
        step = await scene.adapter.publish(scene.http, draft(), step.progress, key="k")
        assert isinstance(step, Published)
        last = {**READY, "refused": 5}
        error = await failure(scene.adapter.publish(scene.http, draft(), last, key="k"))
        assert error.provider_code == "24/4279009"

    run(
        story,
        refused(400, 24, 4279009),
        Reply(200, {"status": "FINISHED"}),
        Reply(200, {"id": SUCCESS}),
        Reply(404),
        refused(400, 24, 4279009),
    )


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_a_refused_file_says_what_to_do(reason: str) -> None:
    progress = {"quota": True, "containers": {"0": {"id": "c0", "at": EARLIER, "ready": False}}}

    async def story(scene: Scene) -> None:
        post = draft(media=[video(url=FILM)])
        error = await failure(scene.adapter.prepare(scene.http, post, progress))
        assert (error.category, error.provider_code) == (C.MEDIA_ERROR, reason)
        assert error.detail == f"Threads cannot use this post: {REASONS[reason]}"

    run(story, Reply(200, {"status": "ERROR", "error_message": reason}))


@pytest.mark.parametrize("reason", ["FAILED_DOWNLOADING_VIDEO", "UNKNOWN", None])
def test_a_file_that_could_not_be_fetched_is_tried_twice_more(reason: str | None) -> None:
    def progress(remade: int) -> dict[str, Any]:
        entry = {"id": "c0", "at": EARLIER, "ready": False}
        return {"quota": True, "containers": {"0": entry}, "remade": remade}

    async def story(scene: Scene) -> None:
        post = draft(media=[video(url=FILM)])
        step = await scene.adapter.prepare(scene.http, post, progress(1))
        assert step.progress["containers"] == {}
        error = await failure(scene.adapter.prepare(scene.http, post, progress(2)))
        assert error.category is C.MEDIA_ERROR

    answer = Reply(200, {"status": "ERROR", "error_message": reason})
    run(story, answer, answer)


# --- counting -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "over"),
    [
        ("x" * 500, 0),
        ("x" * 501, 1),
        ("é" * 500, 0),
        ("é" * 501, 1),
        ("語" * 500, 0),
        ("😀" * 125, 0),
        ("😀" * 126, 4),
        ("x" * 496 + "😀", 0),
        ("x" * 497 + "😀", 1),
        ("x" * 475 + "👨‍👩‍👧‍👦", 0),  # 25 bytes
        ("x" * 476 + "👨‍👩‍👧‍👦", 1),
        ("x" * 492 + "🇩🇪", 0),  # 8 bytes
        ("x" * 493 + "🇩🇪", 1),
        ("x" * 493 + "1️⃣", 0),  # 7 bytes
        ("x" * 494 + "1️⃣", 1),
        ("x" * 494 + "❤️", 0),  # 6 bytes
        ("x" * 495 + "❤️", 1),
        ("x" * 499 + "#", 0),
    ],
)
def test_emoji_count_their_bytes(text: str, over: int) -> None:
    assert excess(text, 500) == over


@settings(max_examples=60)
@given(st.text(max_size=40), st.integers(0, 40))
def test_a_count_lies_between_characters_and_bytes(text: str, limit: int) -> None:
    count = excess(text, 0)
    assert len(text) <= count <= len(text.encode()) or not text
    assert excess(text, limit) == max(0, count - limit)


@settings(max_examples=60)
@given(st.text("ab é語😀🇩🇪👍🏽", max_size=30), st.text("ab é語😀", max_size=30))
def test_counts_of_lines_add_up(one: str, other: str) -> None:
    assert excess(f"{one}\n{other}", 0) == excess(one, 0) + 1 + excess(other, 0)


# --- before scheduling --------------------------------------------------------------------------
def codes(post: Draft) -> set[tuple[str, str]]:
    return {(v.field, v.code) for v in THREADS.violations(post)}


LINKS = " ".join(f"https://example.org/{number}" for number in range(5))
FIRST = "segments[0].media[0]"


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        (draft(LINKS), set()),
        (draft(f"{LINKS} https://example.org/0"), set()),
        (draft(f"{LINKS} https://example.org/9"), {("segments[0].text", "too_many_links")}),
        (
            draft(LINKS, options={"link_attachment": "https://example.org/9"}),
            {("segments[0].text", "too_many_links")},
        ),
        (draft(LINKS, options={"link_attachment": "https://example.org/0"}), set()),
        (draft("a", f"{LINKS} https://b.example"), {("segments[1].text", "too_many_links")}),
        (draft("a", first_comment=f"{LINKS} https://b.example"),
         {("first_comment", "too_many_links")}),
        (draft(options={"topic_tag": "a.b"}), {("options.topic_tag", "invalid_option")}),
        (draft(options={"topic_tag": "x" * 51}), {("options.topic_tag", "invalid_option")}),
        (draft(options={"topic_tag": ""}), {("options.topic_tag", "invalid_option")}),
        (draft(options={"reply_control": "nobody"}), {("options.reply_control", "invalid_option")}),
        (draft(media=[picture(url="")]), {(FIRST, "public_address_missing")}),
        (draft(media=[video()]), {(FIRST, "public_address_missing")}),
        (draft(media=[video(url=FILM, seconds=301)]), {(FIRST, "video_too_long")}),
        (draft(media=[video(url=FILM, width=1921)]), {(FIRST, "video_too_wide")}),
        (draft(media=[picture(width=1001, height=100)]), {(FIRST, "aspect_ratio")}),
        (draft(media=[picture(width=100, height=1000)]), set()),
        (
            draft(media=[picture()], options={"link_attachment": "https://a.example"}),
            {("options.link_attachment", "link_with_files")},
        ),
    ],
)  # fmt: skip
def test_what_threads_refuses_is_named_before_scheduling(
    post: Draft, expected: set[tuple[str, str]]
) -> None:
    assert codes(post) == expected


def test_a_text_that_is_long_in_bytes_is_told_of() -> None:
    assert THREADS.notices(draft("語" * 167)) != []
    assert THREADS.notices(draft("語" * 166)) == []
    assert THREADS.notices(draft("x" * 500)) == []


# --- after a lost answer --------------------------------------------------------------------------
def found(post: Draft, progress: Mapping[str, Any], *answers: Reply, segment: int = 0) -> Any:
    async def story(scene: Scene) -> Any:
        step = await scene.adapter.find(scene.http, post, progress, segment=segment, since=SINCE)
        return step, scene.calls[-1], scene.query()

    return run(story, *answers)


def listed(*posts: Mapping[str, Any]) -> Reply:
    plain = {
        "id": "m1",
        "text": "Version 2.4 is out",
        "timestamp": "2026-11-22T09:30:00+0000",
        "permalink": "https://www.threads.com/@ada/post/X",
    }
    return Reply(200, {"data": [{**plain, **post} for post in posts]})


def test_a_published_container_is_found_in_the_list() -> None:
    published = Reply(200, {"status": "PUBLISHED"})
    step, call, query = found(draft(), READY, published, listed({"is_reply": False}))
    assert step.remote_ids == ("m1",)
    assert step.permalink == "https://www.threads.com/@ada/post/X"
    assert (call, query["since"]) == ("GET /me/threads", str(int(SINCE.timestamp())))


def test_a_container_that_is_only_finished_did_not_go_out() -> None:
    assert found(draft(), READY, Reply(200, {"status": "FINISHED"}))[0] is None


def test_replies_are_looked_for_among_replies() -> None:
    progress = {"published": ["m0"]}
    step, call, _ = found(
        draft("a", "two"), progress, listed({"text": "two", "is_reply": True}), segment=1
    )
    assert step.remote_ids == ("m1",)
    assert call == "GET /me/replies"


@pytest.mark.parametrize(
    "post",
    [
        {"text": "Another"},
        {"is_reply": True},
        {"timestamp": "2026-11-22T08:59:59+0000"},
        {"id": "taken"},
    ],
)
def test_another_post_is_not_taken_for_ours(post: Mapping[str, Any]) -> None:
    assert found(draft(), {"taken": ["taken"]}, listed(post))[0] is None


def test_a_list_without_times_is_not_trusted() -> None:
    with pytest.raises(ServiceError) as caught:
        found(draft(), {}, listed({"timestamp": "yesterday"}))
    assert caught.value.category is C.OUTCOME_UNKNOWN


# --- the account --------------------------------------------------------------------------------
def test_a_token_of_an_hour_is_swapped_for_one_of_60_days() -> None:
    async def story(scene: Scene) -> None:
        kept = await scene.adapter.sign_in(scene.http, {"access_token": "short"})
        assert kept["access_token"] == "long"
        assert datetime.fromisoformat(kept["expires_at"]) > datetime.now(UTC) + timedelta(days=59)
        assert scene.server.requests[0].path.startswith("/access_token?")
        assert scene.query() == {
            "grant_type": "th_exchange_token",
            "client_secret": "threads-app-secret",
            "access_token": "short",
        }

    run(story, Reply(200, {"access_token": "long", "expires_in": 5_184_000}), login=None)


def test_a_token_renews_itself_and_ends_only_when_it_is_dead() -> None:
    async def story(scene: Scene) -> None:
        fresh = await scene.adapter.refresh(scene.http, TOKEN)
        assert fresh["access_token"] == "renewed"
        assert scene.query()["grant_type"] == "th_refresh_token"
        error = await failure(scene.adapter.refresh(scene.http, TOKEN))
        assert (error.category, error.provider_code) == (C.AUTH_ERROR, "invalid_grant")

    dead = refused(400, 190, message="Error validating access token: Session has expired")
    run(story, Reply(200, {"access_token": "renewed", "expires_in": 5_184_000}), dead)


def test_the_account_is_the_one_behind_the_token() -> None:
    me = {
        "id": "26081", "username": "ada", "name": "Ada",
        "threads_profile_picture_url": "https://x.example/a.jpg",
    }  # fmt: skip

    async def story(scene: Scene) -> None:
        account = await scene.adapter.validate(scene.http)
        assert (account.external_id, account.avatar_url) == ("26081", "https://x.example/a.jpg")
        assert scene.adapter.account_address(account) == "https://www.threads.com/@ada"

    run(story, Reply(200, me))
    assert Threads().renewable(TOKEN)
