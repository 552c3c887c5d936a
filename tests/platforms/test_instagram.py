"""Instagram: payloads, uploads, waiting, its error table, what makes a repeat safe, both logins."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine import wall_clock
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from platforms.adapters.base import Continue, Draft, Processing, Published, Ready, Segment
from platforms.adapters.graph_reading import (
    ANY,
)
from platforms.adapters.instagram import Instagram
from platforms.adapters.instagram_account import InstagramConfig
from tests.contract.instagram_case import ACCOUNT, CONTAINER, SUCCESS, make_instagram, picture
from tests.contract.instagram_case import network as friendly
from tests.contract.server import Reply, Request
from tests.contract.wire import video
from tests.platforms.graph_scene import Scene, bare, failure, refused, tell

BY_INSTAGRAM = {"access_token": "ig-user-token"}
BY_FACEBOOK = {"login": "facebook", "access_token": "ig-page-token"}
SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NOW = int(wall_clock.now())
EARLIER = NOW - 600  # when a container was made ahead
READY = {"containers": {"0": {"id": "c0", "at": EARLIER, "ready": True}}, "quota": True}
INSTAGRAM = Instagram()


def draft(*media: Any, text: str = "Release day #python", **more: Any) -> Draft:
    segments = (Segment(text, media or (picture(),)),)
    return Draft(**{"segments": segments, "account": ACCOUNT, **more})


def run(story: Any, *answers: Reply, login: Mapping[str, Any] | None = BY_INSTAGRAM, **more: Any):  # type: ignore[no-untyped-def]
    return tell(make_instagram, login, story, *answers, **more)


# --- payloads -----------------------------------------------------------------------------------
def test_an_image_is_one_container_asked_for_until_it_is_ready() -> None:
    async def story(scene: Scene) -> None:
        post = draft(picture(alt_text="Team photo"), options={"collaborators": ["grace"]})
        ready = await scene.prepare(post)
        assert scene.calls == [
            f"GET /{ACCOUNT.external_id}/content_publishing_limit",
            f"POST /{ACCOUNT.external_id}/media",
            f"GET /{CONTAINER}",
        ]
        assert scene.bodies == [
            {
                "image_url": "https://files.example/a.jpg",
                "alt_text": "Team photo",
                "caption": "Release day #python",
                "collaborators": ["grace"],
            }
        ]
        assert ready.expires_at is not None
        life = ready.expires_at - datetime.now(UTC)
        assert timedelta(hours=22) < life < timedelta(hours=24)
        scene.server.requests.clear()
        step = await scene.adapter.publish(scene.http, post, ready.progress, key="k")
        assert isinstance(step, Published)
        assert scene.calls[0] == f"POST /{ACCOUNT.external_id}/media_publish"
        assert scene.bodies == [{"creation_id": CONTAINER}]
        assert step.permalink == "https://www.instagram.com/p/DJxZ1yPIVnT/"

    run(story, script=friendly)


def test_a_video_is_a_reel_fetched_from_its_address() -> None:
    options = {"share_to_feed": False, "thumb_offset": 1500, "audio_name": "Ours"}

    async def story(scene: Scene) -> None:
        film = video(url="https://files.example/film.mp4")
        await scene.prepare(draft(film, options=options))
        assert scene.bodies == [
            {
                "media_type": "REELS",
                "video_url": "https://files.example/film.mp4",
                **options,
                "caption": "Release day #python",
            }
        ]

    run(story, script=friendly)


def test_a_carousel_waits_for_its_items() -> None:
    async def story(scene: Scene) -> None:
        film = video(url="https://files.example/film.mp4")
        await scene.prepare(draft(picture(alt_text="one"), film))
        assert scene.bodies == [
            {
                "image_url": "https://files.example/a.jpg",
                "alt_text": "one",
                "is_carousel_item": True,
            },
            {
                "media_type": "VIDEO",
                "video_url": "https://files.example/film.mp4",
                "is_carousel_item": True,
            },
            {
                "media_type": "CAROUSEL",
                "children": f"{CONTAINER},{CONTAINER}",
                "caption": "Release day #python",
            },
        ]
        kinds = [call.split()[0] for call in scene.calls]
        assert kinds == ["GET", "POST", "POST", "GET", "GET", "POST", "GET"]

    run(story, script=friendly)


def test_a_story_has_no_caption() -> None:
    async def story(scene: Scene) -> None:
        await scene.prepare(draft(options={"kind": "story"}))
        assert scene.bodies == [
            {"media_type": "STORIES", "image_url": "https://files.example/a.jpg"}
        ]

    run(story, script=friendly)


def test_the_first_comment_comes_after_the_post() -> None:
    async def story(scene: Scene) -> None:
        step = await scene.publish(draft(first_comment="#more"), READY)
        assert step.remote_ids == (SUCCESS, SUCCESS)
        assert scene.calls == [
            f"POST /{ACCOUNT.external_id}/media_publish",
            f"GET /{SUCCESS}",
            f"POST /{SUCCESS}/comments",
        ]
        assert scene.bodies[1] == {"message": "#more"}

    run(story, script=friendly)


def test_a_lost_address_does_not_fail_the_post() -> None:
    async def story(scene: Scene) -> None:
        step = await scene.adapter.publish(scene.http, draft(), READY, key="k")
        assert isinstance(step, Published)
        assert step.permalink == "https://www.instagram.com/ada/"

    run(story, Reply(200, {"id": SUCCESS}), refused(500, 2))


# --- uploads ------------------------------------------------------------------------------------
MIB = 1024 * 1024
PARTIAL = Reply(206, {"debug_info": {"retriable": True, "type": "PartialRequestError"}})
OFFSET = Reply(412, {"debug_info": {"retriable": True, "type": "OffsetInvalidError"}})


def uploading(sent: int, url: str) -> dict[str, Any]:
    address = f"{url}/ig-api-upload/v26.0/c0"
    entry = {"id": "c0", "at": NOW, "ready": False, "address": address, "sent": sent}
    return {"quota": True, "containers": {"0": entry}}


def test_a_video_without_an_address_is_uploaded_in_chunks() -> None:
    size = 20 * MIB

    def network(request: Request) -> Reply:
        path = bare(request.path)
        if path == f"/{ACCOUNT.external_id}/media":
            return Reply(200, {"id": "c0"})  # without `uri`: the documented address is used
        if path.startswith("/ig-api-upload/"):
            end = int(request.headers["offset"]) + len(request.body)
            return Reply(200, {"success": True}) if end == size else PARTIAL
        return friendly(request)

    async def story(scene: Scene) -> None:
        ready = await scene.prepare(draft(video(size)))
        assert scene.bodies[0]["upload_type"] == "resumable"
        sent = [
            (r.headers["offset"], len(r.body))
            for r in scene.server.requests
            if "/ig-api-upload/v26.0/c0" in r.path
        ]
        assert sent == [("0", 8 * MIB), (str(8 * MIB), 8 * MIB), (str(16 * MIB), 4 * MIB)]
        assert "address" not in ready.progress["containers"]["0"]

    run(story, script=network)


def test_an_upload_goes_on_from_what_was_committed() -> None:
    async def story(scene: Scene) -> None:
        progress = uploading(8 * MIB, scene.server.url)
        step = await scene.adapter.prepare(scene.http, draft(video(10 * MIB)), progress)
        assert isinstance(step, Continue)
        assert step.progress["containers"]["0"]["sent"] == 10 * MIB
        assert scene.server.requests[0].headers["offset"] == str(8 * MIB)

    run(story, Reply(200, {"success": True}))


def test_a_wrong_offset_is_corrected_by_what_the_network_has() -> None:
    async def story(scene: Scene) -> None:
        progress = uploading(0, scene.server.url)
        step = await scene.adapter.prepare(scene.http, draft(video(10 * MIB)), progress)
        assert step.progress["containers"]["0"]["sent"] == 8 * MIB
        assert scene.query()["fields"] == "video_status"

    told = {"video_status": {"uploading_phase": {"bytes_transferred": 8 * MIB}}}
    run(story, OFFSET, Reply(200, told))


@pytest.mark.parametrize("told", [Reply(200, {"id": "c0"}), refused(400, 100)])
def test_an_upload_that_the_network_lost_begins_anew(told: Reply) -> None:
    async def story(scene: Scene) -> None:
        progress = uploading(8 * MIB, scene.server.url)
        step = await scene.adapter.prepare(scene.http, draft(video(10 * MIB)), progress)
        assert step.progress["containers"] == {}
        assert step.progress["remade"] == 1

    run(story, OFFSET, told)


# --- waiting ------------------------------------------------------------------------------------
def status(state: str, reason: str = "") -> Reply:
    return Reply(200, {"status_code": state, "status": reason or state, "id": "c0"})


def waiting(age: float = 0.0, **more: Any) -> dict[str, Any]:
    entry = {"id": "c0", "at": int(wall_clock.now() - age), "ready": False}
    return {"quota": True, "containers": {"0": entry}, **more}


@pytest.mark.parametrize(("age", "least", "most"), [(0, 5, 6), (20, 20, 22), (300, 60, 60)])
def test_a_container_is_watched_ever_less_often(age: float, least: float, most: float) -> None:
    async def story(scene: Scene) -> None:
        step = await scene.adapter.prepare(scene.http, draft(), waiting(age))
        assert isinstance(step, Processing)
        assert least <= step.poll_after.total_seconds() <= most

    run(story, status("IN_PROGRESS"))


def test_patience_ends_after_a_quarter_of_an_hour() -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.prepare(scene.http, draft(), waiting(901)))
        assert error.category is C.MEDIA_ERROR
        assert error.detail == "Instagram did not finish with a file within 15 minutes."

    run(story, status("IN_PROGRESS"))


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("EXPIRED", ""),
        ("ERROR", "Error: Media upload has failed with error code 2207001"),
        ("ERROR", "Error: 2207052"),
        ("ERROR", "An unknown error occurred"),
    ],
)
def test_a_container_that_may_succeed_is_made_anew_but_not_for_ever(
    state: str, reason: str
) -> None:
    async def story(scene: Scene) -> None:
        step = await scene.adapter.prepare(scene.http, draft(), waiting(600, remade=1))
        assert isinstance(step, Continue)
        assert step.progress["containers"] == {}
        assert step.progress["remade"] == 2
        error = await failure(scene.adapter.prepare(scene.http, draft(), waiting(600, remade=2)))
        assert error.category is C.MEDIA_ERROR

    run(story, status(state, reason), status(state, reason))


@pytest.mark.parametrize("told", [refused(400, 100, 33), refused(400, 24, 2207006)])
def test_a_new_container_may_not_be_everywhere_yet(told: Reply) -> None:
    async def story(scene: Scene) -> None:
        step = await scene.adapter.prepare(scene.http, draft(), waiting(10))
        assert isinstance(step, Processing)

    run(story, told)


def test_a_file_that_is_refused_says_what_to_do() -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.prepare(scene.http, draft(), waiting()))
        assert (error.category, error.provider_code) == (C.MEDIA_ERROR, "2207026")
        assert error.detail.endswith("Use MP4 or MOV with H.264 or HEVC and AAC sound.")

    run(story, status("ERROR", "Error: Media upload has failed with error code 2207026"))


def test_an_address_that_did_not_answer_is_tried_again_twice() -> None:
    async def story(scene: Scene) -> None:
        progress: Mapping[str, Any] = {"quota": True}
        for _ in range(2):
            step = await scene.adapter.prepare(scene.http, draft(), progress)
            assert isinstance(step, Processing)
            progress = step.progress
        error = await failure(scene.adapter.prepare(scene.http, draft(), progress))
        assert error.category is C.MEDIA_ERROR
        assert "PUBLIC_URL" in error.detail

    run(story, *[refused(400, 9004, 2207052)] * 3)


def test_an_item_that_is_made_anew_takes_its_carousel_with_it() -> None:
    entries = {place: {"id": place, "at": EARLIER, "ready": True} for place in ("0", "0.0", "0.1")}
    entries["0.1"]["ready"] = False

    async def story(scene: Scene) -> None:
        progress = {"quota": True, "containers": entries}
        step = await scene.adapter.prepare(scene.http, draft(picture(), picture("b")), progress)
        assert list(step.progress["containers"]) == ["0.0"]

    run(story, status("EXPIRED"))


# --- quota --------------------------------------------------------------------------------------
def quota(used: Any, total: Any = 50) -> Reply:
    return Reply(200, {"data": [{"quota_usage": used, "config": {"quota_total": total}}]})


def test_a_day_that_is_full_is_known_before_the_moment() -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.prepare(scene.http, draft(), {}))
        assert error.category is C.QUOTA_EXCEEDED
        assert error.retry_after == timedelta(hours=12)
        assert "50 posts in 24 hours" in error.detail
        assert scene.query() == {"fields": "quota_usage,config"}

    run(story, quota(50))


@pytest.mark.parametrize(
    "reply", [quota(49), quota(None), Reply(200, {"data": []}), refused(400, 100)]
)
def test_a_host_that_does_not_tell_lets_us_try(reply: Reply) -> None:
    async def story(scene: Scene) -> None:
        step = await scene.adapter.prepare(scene.http, draft(), {})
        assert step == Continue({"quota": True})

    run(story, reply)


# --- resuming -----------------------------------------------------------------------------------
def test_a_crash_after_any_step_repeats_no_finished_one() -> None:
    """Every committed progress is a good place to start from: the rest is done once."""

    async def story(scene: Scene) -> None:
        post = draft(picture(), picture("b"), first_comment="#more")
        progress: Mapping[str, Any] = {}
        committed = [progress]
        while not isinstance(
            step := await scene.adapter.prepare(scene.http, post, progress), Ready
        ):
            progress = step.progress
            committed.append(progress)
        whole = len(scene.server.requests)
        for number, start in enumerate(committed):
            scene.server.requests.clear()
            ready = await scene.prepare(post, start)
            assert len(scene.server.requests) == whole - number
            assert ready.progress == step.progress

    run(story, script=friendly)


def test_files_that_were_not_prepared_are_not_left_out() -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.publish(scene.http, draft(), {"quota": True}, key="k"))
        assert error.category is C.UNKNOWN

    run(story)


# --- publishing is put off --------------------------------------------------------------------
@pytest.mark.parametrize("reply", [refused(400, 9007, 2207027), refused(400, 24, 2207006)])
def test_not_ready_yet_is_looked_at_again_and_then_published(reply: Reply) -> None:
    async def story(scene: Scene) -> None:
        step = await scene.adapter.publish(scene.http, draft(), READY, key="k")
        assert isinstance(step, Processing)
        assert step.poll_after == timedelta(seconds=30)
        step = await scene.adapter.check(scene.http, draft(), step.progress)
        assert isinstance(step, Ready)
        step = await scene.adapter.publish(scene.http, draft(), step.progress, key="k")
        assert isinstance(step, Published)
        assert step.remote_ids == (SUCCESS,)

    run(story, reply, status("FINISHED"), Reply(200, {"id": SUCCESS}), Reply(404))


def test_a_container_that_is_gone_at_the_moment_is_made_anew() -> None:
    async def story(scene: Scene) -> None:
        post = draft()
        step = await scene.adapter.publish(scene.http, post, READY, key="k")
        step = await scene.adapter.check(scene.http, post, step.progress)
        assert isinstance(step, Ready)
        assert step.progress["containers"] == {}
        step = await scene.publish(post, step.progress)
        assert step.remote_ids == (SUCCESS,)

    run(
        story,
        refused(400, 24, 2207006),
        status("EXPIRED"),
        Reply(200, {"id": "c1"}),
        status("FINISHED"),
        Reply(200, {"id": SUCCESS}),
        Reply(404),
    )


def test_a_refusal_that_never_ends_is_told() -> None:
    async def story(scene: Scene) -> None:
        progress = {**READY, "refused": 5}
        error = await failure(scene.adapter.publish(scene.http, draft(), progress, key="k"))
        assert error.category is C.OUTCOME_UNKNOWN
        assert error.provider_code == "9007/2207027"

    run(story, refused(400, 9007, 2207027))


def test_a_container_that_went_out_after_all_is_adopted() -> None:
    listed = [{"id": SUCCESS, "caption": "Release day #python", "timestamp": stamp()}]

    async def story(scene: Scene) -> None:
        step = await scene.adapter.check(scene.http, draft(), waiting())
        assert isinstance(step, Published)
        assert step.remote_ids == (SUCCESS,)

    run(story, status("PUBLISHED"), Reply(200, {"data": listed}))


# --- errors -------------------------------------------------------------------------------------
ROWS = (
    (190, 463, C.TOKEN_EXPIRED),
    (190, 458, C.AUTH_ERROR),
    (190, 459, C.AUTH_ERROR),
    (190, 460, C.AUTH_ERROR),
    (190, 464, C.AUTH_ERROR),
    (190, 467, C.AUTH_ERROR),
    (102, 0, C.AUTH_ERROR),
    (10, 0, C.PERMISSION),
    (200, 0, C.PERMISSION),
    (3, 0, C.PERMISSION),
    (25, 2207050, C.PERMISSION),
    (4, 2207051, C.PERMISSION),
    (368, 0, C.PERMISSION),
    (9, 2207042, C.QUOTA_EXCEEDED),
    (4, 0, C.RATE_LIMIT),
    (17, 0, C.RATE_LIMIT),
    (32, 0, C.RATE_LIMIT),
    (613, 0, C.RATE_LIMIT),
    (80002, 0, C.RATE_LIMIT),
    (-2, 2207003, C.OUTCOME_UNKNOWN),
    (-1, 2207001, C.OUTCOME_UNKNOWN),
    (-1, 2207032, C.OUTCOME_UNKNOWN),
    (-1, 2207053, C.OUTCOME_UNKNOWN),
    (1, 0, C.OUTCOME_UNKNOWN),
    (2, 0, C.OUTCOME_UNKNOWN),
    (9004, 2207052, C.MEDIA_ERROR),
    (100, 2207028, C.VALIDATION_ERROR),
    (100, 2207010, C.VALIDATION_ERROR),
    (100, 2207040, C.VALIDATION_ERROR),
    (100, 33, C.VALIDATION_ERROR),
    (352, 2207026, C.MEDIA_ERROR),
    (36000, 2207004, C.MEDIA_ERROR),
    (36001, 2207005, C.MEDIA_ERROR),
    (36003, 2207009, C.MEDIA_ERROR),
    (1, 2207057, C.VALIDATION_ERROR),
    (100, 2207023, C.MEDIA_ERROR),
    (100, 2207081, C.VALIDATION_ERROR),
)


@pytest.mark.parametrize(("code", "subcode", "category"), ROWS)
def test_error_rows(code: int, subcode: int, category: C) -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.publish(scene.http, draft(), READY, key="k"))
        assert error.category is category
        assert error.provider_code == (f"{code}/{subcode}" if subcode else str(code))
        assert error.detail.startswith("Instagram answered HTTP 400: No.")

    run(story, refused(400, code, subcode))


def test_while_a_container_is_made_what_passes_is_a_server_error() -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.prepare(scene.http, draft(), {"quota": True}))
        assert error.category is C.SERVER_ERROR

    for code, subcode in ((-1, 2207001), (-2, 2207003), (-1, 2207032), (-1, 2207053), (1, 0)):
        run(story, refused(400, code, subcode))


def test_all_rows_hold_for_every_status() -> None:
    assert {status for status, _ in INSTAGRAM.errors} == {ANY}


@pytest.mark.parametrize(
    ("code", "subcode", "hours"), [(25, 2207050, 24), (4, 2207051, 24), (9, 2207042, 12)]
)
def test_blocks_and_used_up_days_wait_long(code: int, subcode: int, hours: int) -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.publish(scene.http, draft(), READY, key="k"))
        assert error.retry_after == timedelta(hours=hours)

    run(story, refused(403, code, subcode))


# --- after a lost answer --------------------------------------------------------------------------
def stamp(minutes: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S+0000")


def listed(*posts: Mapping[str, Any]) -> Reply:
    plain = {"id": "m1", "caption": "Release day #python", "timestamp": "2026-11-22T09:30:00+0000"}
    return Reply(200, {"data": [{**plain, **post} for post in posts]})


def found(post: Draft, progress: Mapping[str, Any], *answers: Reply, segment: int = 0) -> Any:
    async def story(scene: Scene) -> Any:
        return await scene.adapter.find(scene.http, post, progress, segment=segment, since=SINCE)

    return run(story, *answers)


@pytest.mark.parametrize("state", ["FINISHED", "IN_PROGRESS", "ERROR"])
def test_a_container_that_is_not_published_did_not_go_out(state: str) -> None:
    assert found(draft(), READY, status(state)) is None


def test_a_published_container_is_found_in_the_list() -> None:
    address = "https://www.instagram.com/p/X/"
    step = found(draft(), READY, status("PUBLISHED"), listed({"permalink": address}))
    assert step.remote_ids == ("m1",)
    assert step.permalink == address
    assert step.progress["published"] == ["m1"]


def test_a_published_container_that_is_not_listed_yet_is_asked_about_again() -> None:
    with pytest.raises(ServiceError, match="does not list it yet") as caught:
        found(draft(), READY, status("PUBLISHED"), listed())
    assert caught.value.category is C.SERVER_ERROR


@pytest.mark.parametrize("gone", [status("EXPIRED"), refused(400, 100, 33)])
def test_without_the_container_the_list_decides(gone: Reply) -> None:
    assert found(draft(), READY, gone, listed()) is None
    assert found(draft(), READY, gone, listed({})).remote_ids == ("m1",)
    assert found(draft(), {}, listed({})).remote_ids == ("m1",)


@pytest.mark.parametrize(
    "post",
    [
        {"caption": "Another"},
        {"caption": None},
        {"timestamp": "2026-11-22T08:59:59+0000"},
        {"id": "taken"},
    ],
)
def test_another_post_is_not_taken_for_ours(post: Mapping[str, Any]) -> None:
    assert found(draft(), {"taken": ["taken"]}, listed(post)) is None


def test_stories_have_nothing_to_be_recognised_by() -> None:
    story = draft(options={"kind": "story"})
    assert found(story, READY, status("PUBLISHED"), listed({"caption": None})).remote_ids == ("m1",)
    two = listed({"caption": None}, {"caption": None, "id": "m2"})
    with pytest.raises(ServiceError, match="2 posts without a text") as caught:
        found(story, READY, status("PUBLISHED"), two)
    assert caught.value.category is C.OUTCOME_UNKNOWN


def test_a_comment_is_found_below_its_post() -> None:
    post = draft(first_comment="#more")
    ours = {"id": "k1", "text": "#more", "from": {"id": ACCOUNT.external_id}}
    theirs = {"id": "k2", "text": "#more", "from": {"id": "9"}}
    done = {"published": ["m1"]}
    comments = Reply(200, {"data": [theirs, {"id": "k3", "text": "other"}, ours]})
    assert found(post, done, comments, segment=1).remote_ids == ("k1",)
    assert found(post, done, Reply(200, {"data": [theirs]}), segment=1) is None
    assert found(post, {**done, "taken": ["k1"]}, Reply(200, {"data": [ours]}), segment=1) is None


# --- the account --------------------------------------------------------------------------------
def test_a_token_of_an_hour_is_swapped_for_one_of_60_days() -> None:
    async def story(scene: Scene) -> None:
        kept = await scene.adapter.sign_in(scene.http, {"access_token": "short"})
        assert kept["access_token"] == "long"
        ends = datetime.fromisoformat(kept["expires_at"])
        assert timedelta(days=59) < ends - datetime.now(UTC) <= timedelta(days=60, seconds=5)
        assert scene.server.requests[0].path.startswith("/access_token?")
        assert scene.query() == {
            "grant_type": "ig_exchange_token",
            "client_secret": "ig-app-secret",
            "access_token": "short",
        }
        assert scene.adapter.renewable(kept)

    answer = {"access_token": "long", "token_type": "bearer", "expires_in": 5_184_000}
    run(story, Reply(200, answer), login=None)


def test_a_token_that_lasts_already_is_kept() -> None:
    async def story(scene: Scene) -> None:
        ends = (datetime.now(UTC) + timedelta(days=40)).isoformat()
        entered = {"access_token": "long", "expires_at": ends}
        assert await scene.adapter.sign_in(scene.http, entered) == entered
        without_app = Instagram(InstagramConfig())
        assert await without_app.sign_in(scene.http, BY_INSTAGRAM) == BY_INSTAGRAM

    run(story, login=None)


def test_a_token_renews_itself() -> None:
    async def story(scene: Scene) -> None:
        fresh = await scene.adapter.refresh(scene.http, BY_INSTAGRAM)
        assert fresh["access_token"] == "renewed"
        assert scene.server.requests[0].path.startswith("/refresh_access_token?")
        assert scene.query() == {
            "grant_type": "ig_refresh_token",
            "access_token": "ig-user-token",
        }

    run(story, Reply(200, {"access_token": "renewed", "expires_in": 5_184_000}))


@pytest.mark.parametrize(
    ("reply", "category", "code"),
    [
        (refused(400, 190, 463), C.AUTH_ERROR, "invalid_grant"),
        (refused(401, 190), C.AUTH_ERROR, "invalid_grant"),
        (refused(400, 100), C.VALIDATION_ERROR, "100"),
        (refused(400, 4), C.RATE_LIMIT, "4"),
        (Reply(401), C.AUTH_ERROR, ""),
        (Reply(503), C.SERVER_ERROR, ""),
    ],
)
def test_only_a_dead_token_ends_the_connection(reply: Reply, category: C, code: str) -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.refresh(scene.http, BY_INSTAGRAM))
        assert (error.category, error.provider_code) == (category, code)

    run(story, reply)


def test_the_professional_account_is_reported() -> None:
    me = {"user_id": "17841", "username": "ada", "name": "Ada", "id": "app-scoped"}

    async def story(scene: Scene) -> None:
        account = await scene.adapter.validate(scene.http)
        assert (account.external_id, account.username) == ("17841", "ada")
        (target,) = await scene.adapter.targets(scene.http, BY_INSTAGRAM)
        assert target.credentials == BY_INSTAGRAM

    run(story, Reply(200, me), Reply(200, me))


PROOF = hmac.new(b"fb-app-secret", b"ig-page-token", hashlib.sha256).hexdigest()


def test_through_facebook_the_accounts_of_all_pages_are_listed() -> None:
    linked = {"id": "178", "username": "ada", "name": "Ada", "profile_picture_url": "https://x/a"}
    pages = [
        {"id": "1", "name": "Ada", "access_token": "page-1", "tasks": ["CREATE_CONTENT"],
         "instagram_business_account": linked},
        {"id": "2", "name": "Bare", "access_token": "page-2"},
        {"id": "3", "name": "Hers", "access_token": "page-3", "tasks": ["ANALYZE"],
         "instagram_business_account": {**linked, "id": "179"}},
        {"id": "4", "name": "Hidden", "instagram_business_account": {**linked, "id": "180"}},
    ]  # fmt: skip

    async def story(scene: Scene) -> None:
        first, second, third = await scene.adapter.targets(scene.http, BY_FACEBOOK)
        assert first.account.external_id == "178"
        assert first.credentials == {"login": "facebook", "access_token": "page-1"}
        assert first.problem == ""
        assert not scene.adapter.renewable(first.credentials)
        assert "Ask an administrator" in second.problem
        assert "tick this Page" in third.problem
        assert "page-1" not in repr(first)
        assert scene.query()["appsecret_proof"] == PROOF

    run(story, Reply(200, {"data": pages}), login=BY_FACEBOOK)


def test_through_facebook_a_persons_token_is_swapped_and_a_pages_is_kept() -> None:
    async def story(scene: Scene) -> None:
        entered = {"login": "facebook", "access_token": "short"}
        kept = await scene.adapter.sign_in(scene.http, entered)
        assert kept["access_token"] == "long"
        assert kept["login"] == "facebook"
        assert scene.server.requests[0].path.startswith("/v26.0/oauth/access_token?")
        page = {**entered, "page_id": "1"}
        assert await scene.adapter.sign_in(scene.http, page) == page

    run(story, Reply(200, {"access_token": "long", "expires_in": 5_184_000}), login=None)


def test_a_token_without_an_account_is_explained() -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.validate(scene.http))
        assert error.category is C.VALIDATION_ERROR
        assert "choose the account" in error.detail

    run(story, Reply(200, {"id": "1"}), login=BY_FACEBOOK)


def test_each_login_has_its_own_host() -> None:
    assert INSTAGRAM.base_url({}) == "https://graph.instagram.com/v26.0"
    assert INSTAGRAM.base_url(BY_FACEBOOK) == "https://graph.facebook.com/v26.0"
    (version,) = INSTAGRAM.api_versions()
    assert (version.variable, version.value, version.ends) == ("META_GRAPH_VERSION", "v26.0", None)


def test_posts_can_be_deleted_only_through_facebook() -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.delete(scene.http, "m1"))
        assert error.category is C.VALIDATION_ERROR
        assert "in the Instagram app" in error.detail
        assert scene.server.requests == []

    run(story)

    async def gone(scene: Scene) -> None:
        await scene.adapter.delete(scene.http, "m1")
        assert scene.calls == ["DELETE /m1"]

    run(gone, refused(400, 100, 33), login=BY_FACEBOOK)


# --- before scheduling --------------------------------------------------------------------------
def codes(post: Draft) -> set[tuple[str, str]]:
    return {(v.field, v.code) for v in INSTAGRAM.violations(post)}


FIRST = "segments[0].media[0]"


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        (draft(picture(url="")), {(FIRST, "public_address_missing")}),
        (draft(video()), set()),
        (draft(picture(width=1080, height=1350)), set()),
        (draft(picture(width=1080, height=1351)), set()),
        (draft(picture(width=1080, height=1920)), {(FIRST, "aspect_ratio")}),
        (draft(picture(width=1910, height=1000)), set()),
        (draft(picture(width=2000, height=1000)), {(FIRST, "aspect_ratio")}),
        (draft(picture(width=1080, height=1920), options={"kind": "story"}), set()),
        (draft(picture(), picture(width=9, height=16)), set()),
        (draft(video(seconds=2.5)), {(FIRST, "video_too_short")}),
        (draft(video(seconds=901)), {(FIRST, "video_too_long")}),
        (draft(video(width=3840)), {(FIRST, "video_too_wide")}),
        (draft(video(seconds=61), options={"kind": "story"}), {(FIRST, "video_too_long")}),
        (
            draft(picture(), picture(), options={"kind": "story"}),
            {("segments[0].media", "too_many_files")},
        ),
        (
            draft(first_comment="x", options={"kind": "story"}),
            {("first_comment", "first_comment_unsupported")},
        ),
        (draft(text="#a" + " #b" * 30), {("segments[0].text", "too_many_hashtags")}),
        (draft(text="#a" + " #b" * 29), set()),
        (draft(text="@a" + " @b" * 20), {("segments[0].text", "too_many_mentions")}),
        (draft(text="ada@example.org " * 30), set()),
        (
            draft(options={"collaborators": ["a"] * 4}),
            {("options.collaborators", "invalid_option")},
        ),
    ],
)  # fmt: skip
def test_what_instagram_refuses_is_named_before_scheduling(
    post: Draft, expected: set[tuple[str, str]]
) -> None:
    assert codes(post) == expected


def test_an_image_without_a_public_address_says_what_to_set() -> None:
    (violation,) = INSTAGRAM.violations(draft(picture(url="")))
    assert "set PUBLIC_URL" in violation.message


def test_what_is_in_order_but_worth_knowing_is_told() -> None:
    assert INSTAGRAM.notices(draft()) == []
    many = draft(text="#a #b #c #d #e #f")
    assert [notice.code for notice in INSTAGRAM.notices(many)] == ["many_hashtags"]
    story = draft(options={"kind": "story"})
    assert [notice.code for notice in INSTAGRAM.notices(story)] == ["text_not_shown"]
    mixed = draft(picture(width=4, height=5), picture(width=5, height=4))
    assert [notice.code for notice in INSTAGRAM.notices(mixed)] == ["cropped"]
