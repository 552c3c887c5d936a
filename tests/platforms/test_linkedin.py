"""LinkedIn: payloads, copies of a post, comments, finding, errors, versions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from engine.answers import Response
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from platforms.adapters.base import Account, Continue, Draft, Published, Safety, Segment
from platforms.adapters.linkedin import LinkedIn
from platforms.adapters.linkedin_connection import LinkedInConfig
from platforms.adapters.linkedin_reading import ERRORS
from tests.contract.linkedin_case import (
    CREATED,
    LINKEDIN_CASE,
    MEMBER,
    ORGANIZATION,
    POST,
    make_linkedin,
)
from tests.contract.server import Reply
from tests.contract.wire import image, video
from tests.platforms import scenes
from tests.platforms.scenes import Scene

tell = partial(scenes.tell, LINKEDIN_CASE)
ADA = Account(MEMBER, "Ada Lovelace")
MIB = 1024 * 1024
SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
COMMENT = "urn:li:comment:(urn:li:activity:6631349431612559360,6636062862760562688)"


def draft(text: str = "Release 1.4 is out", **more: Any) -> Draft:
    fields = {"segments": (Segment(text),), "account": LINKEDIN_CASE.account, **more}
    return Draft(**fields)


def failure(what: Draft, progress: dict[str, Any], *answers: Reply) -> ServiceError:
    async def story(scene: Scene) -> None:
        await scene.adapter.publish(scene.http, what, progress, key="k")

    with pytest.raises(ServiceError) as caught:
        tell(story, *answers)
    return caught.value


# --- payloads -----------------------------------------------------------------------------------
def test_a_post_is_sent_as_documented() -> None:
    async def story(scene: Scene) -> None:
        what = draft("Version 2.4 (stable) is out #release")
        step = await scene.published(what)
        assert step.remote_ids == (POST,)
        assert step.permalink == f"https://www.linkedin.com/feed/update/{POST}/"
        (request,) = scene.requests
        assert request.path == "/rest/posts"
        assert request.headers["authorization"] == "Bearer l-access-token"
        assert request.headers["linkedin-version"] == "202607"
        assert request.headers["x-restli-protocol-version"] == "2.0.0"
        assert request.json == {
            "author": ORGANIZATION,
            "commentary": "Version 2.4 \\(stable\\) is out #release",
            "visibility": "PUBLIC",
            "distribution": {
                "feedDistribution": "MAIN_FEED",
                "targetEntities": [],
                "thirdPartyDistributionChannels": [],
            },
            "lifecycleState": "PUBLISHED",
            "isReshareDisabledByAuthor": False,
        }

    tell(story, CREATED)


def test_options_and_a_card_are_sent() -> None:
    options = {
        "visibility": "CONNECTIONS",
        "no_reshares": True,
        "card_url": "https://example.org/",
        "card_title": "Example (1)",
    }

    async def story(scene: Scene) -> None:
        what = draft(account=ADA, options=options)
        assert scene.adapter.violations(what) == []
        await scene.published(what)
        sent = scene.requests[0].json
        assert (sent["author"], sent["visibility"]) == (MEMBER, "CONNECTIONS")
        assert sent["isReshareDisabledByAuthor"] is True
        assert sent["content"] == {
            "article": {"source": "https://example.org/", "title": "Example (1)"}
        }

    tell(story, CREATED)


def test_a_repeat_has_the_same_bytes() -> None:
    media = {"0.0": {"id": "urn:li:image:1", "ready": True, "expires_at": 1}}

    async def story(scene: Scene) -> None:
        what = draft(segments=(Segment("x (1)", (image(alt_text="a"),)),), options={"title": ""})
        for progress in ({"media": media}, {"media": media, "repeated": True, "taken": []}):
            await scene.published(what, json.loads(json.dumps(progress)))
        first, second = scene.requests
        assert first.body == second.body

    tell(story, CREATED, CREATED)


@pytest.mark.parametrize("created", [b"", "urn:li:person:1", "7131234567890123456"])
def test_a_success_that_names_no_post_is_in_doubt(created: Any) -> None:
    headers = {"x-restli-id": created} if created else {}
    assert failure(draft(), {}, Reply(201, b"", headers)).category is C.OUTCOME_UNKNOWN


# --- copies -------------------------------------------------------------------------------------
COPY = {
    "message": f"Content is a duplicate of {POST}",
    "status": 422,
    "errorDetails": {"inputErrors": [{"code": "DUPLICATE_POST"}]},
}
REPEATED = {"repeated": True, "taken": []}


def test_a_copy_on_the_first_try_is_a_duplicate() -> None:
    assert failure(draft(), {}, Reply(422, COPY)).category is C.DUPLICATE


def test_a_copy_on_a_repeat_is_the_post_we_sent() -> None:
    async def story(scene: Scene) -> None:
        step = await scene.published(draft(account=ADA), REPEATED)
        assert step.remote_ids == (POST,)
        assert scene.calls == ["POST /rest/posts"]

    tell(story, Reply(422, COPY))


def test_a_copy_of_another_posts_copy_is_not_ours() -> None:
    taken = {"repeated": True, "taken": [POST]}
    assert failure(draft(account=ADA), taken, Reply(422, COPY)).category is C.DUPLICATE


def test_a_copy_of_what_is_gone_is_not_adopted() -> None:
    async def story(scene: Scene) -> None:
        step = await scene.published(draft(), REPEATED)
        assert step.remote_ids == (POST,)
        assert scene.requests[1].path == f"/rest/posts/{POST.replace(':', '%3A')}"

    tell(story, Reply(422, COPY), Reply(200, {"id": POST}))
    tell(story, Reply(422, COPY), Reply(403))  # it may not be asked: the refusal is proof enough
    gone = failure(draft(), REPEATED, Reply(422, COPY), Reply(404))
    assert gone.category is C.DUPLICATE


def test_posts_are_repeated_within_minutes_comments_are_looked_for() -> None:
    adapter = LinkedIn()
    post = adapter.safety(draft(first_comment="x"), {})
    comment = adapter.safety(draft(first_comment="x"), {"published": [POST]})
    assert (post.kind, post.ttl) == (Safety.KEY, timedelta(minutes=10))
    assert comment.kind is Safety.FIND


# --- comments -----------------------------------------------------------------------------------
def test_a_first_comment_is_plain_text_below_the_post() -> None:
    async def story(scene: Scene) -> None:
        what = draft(first_comment="See (here) https://example.org/a_b")
        step = await scene.adapter.publish(scene.http, what, {}, key="k")
        assert isinstance(step, Continue)
        step = await scene.adapter.publish(scene.http, what, step.progress, key="k")
        assert isinstance(step, Published)
        assert step.remote_ids == (POST, COMMENT)
        request = scene.requests[1]
        assert request.path == f"/rest/socialActions/{POST.replace(':', '%3A')}/comments"
        assert request.json == {
            "actor": ORGANIZATION,
            "object": POST,
            "message": {"text": "See (here) https://example.org/a_b"},
        }

    tell(story, CREATED, Reply(201, {"$URN": COMMENT, "id": "6636062862760562688"}))


@pytest.mark.parametrize(
    ("account", "may"),
    [
        (LINKEDIN_CASE.account, True),
        (ADA, False),
        (replace(ADA, scopes=("w_member_social", "w_member_social_feed")), True),
    ],
)
def test_who_may_comment(account: Account, may: bool) -> None:
    found = LinkedIn().violations(draft(account=account, first_comment="x"))
    assert [violation.code for violation in found] == ([] if may else ["first_comment_unsupported"])


# --- finding ------------------------------------------------------------------------------------
def listed(commentary: str = "Release 1.4 is out", **more: Any) -> dict[str, Any]:
    milliseconds = int(SINCE.timestamp() * 1000) + 1
    return {"id": POST, "commentary": commentary, "createdAt": milliseconds, **more}


def found(what: Draft, *answers: Reply, segment: int = 0, **progress: Any) -> Any:
    async def story(scene: Scene) -> Any:
        result = await scene.adapter.find(scene.http, what, progress, segment=segment, since=SINCE)
        return result, scene.requests

    return tell(story, *answers)


def elements(*entries: dict[str, Any]) -> Reply:
    return Reply(200, {"elements": list(entries)})


def test_an_organizations_post_is_recognised_through_its_escapes() -> None:
    what = draft("Hi (all) #tag, see https://example.org/")
    shown = r"Hi \(all\) {hashtag|\#|tag}, see https://example.org"
    step, requests = found(what, elements(listed("else"), listed(shown)))
    assert step.remote_ids == (POST,)
    query = "q=author&author=urn%3Ali%3Aorganization%3A2414183&count=100&sortBy=CREATED"
    assert requests[0].path == f"/rest/posts?{query}"
    assert requests[0].headers["x-restli-method"] == "FINDER"


@pytest.mark.parametrize(
    "entry",
    [
        listed("else"),
        listed(content={"media": {"id": "urn:li:image:1"}}),
        listed(content={"multiImage": {"images": [{}, {}]}}),
        listed(createdAt=int(SINCE.timestamp() * 1000) - 1),
        listed(id="urn:li:share:9"),
    ],
)
def test_another_post_is_not_taken_for_ours(entry: dict[str, Any]) -> None:
    assert found(draft(), elements(entry), taken=["urn:li:share:9"])[0] is None


def test_a_list_that_does_not_reach_the_moment_is_not_trusted() -> None:
    page = elements(*[listed("x")] * 100)
    with pytest.raises(ServiceError) as caught:
        found(draft(), *[page] * 5)
    assert caught.value.category is C.OUTCOME_UNKNOWN
    assert found(draft(), page, elements())[0] is None


def test_a_members_posts_cannot_be_listed() -> None:
    with pytest.raises(ServiceError) as caught:
        found(draft(account=ADA))
    assert caught.value.category is C.OUTCOME_UNKNOWN


def test_a_comment_is_looked_for_below_its_post() -> None:
    ours = {"actor": ORGANIZATION, "message": {"text": "hi"}, "$URN": COMMENT}
    foreign = {**ours, "actor": MEMBER, "$URN": "urn:li:comment:(urn:li:activity:1,2)"}
    what = draft(first_comment="hi")
    step, requests = found(what, elements(foreign, ours), segment=1, published=[POST])
    assert step.remote_ids == (COMMENT,)
    assert step.progress["published"] == [POST, COMMENT]
    assert requests[0].path.endswith("/comments?count=100")
    assert found(what, elements(foreign), segment=1, published=[POST])[0] is None
    with pytest.raises(ServiceError) as caught:
        found(what, elements(*[foreign] * 100), segment=1, published=[POST])
    assert caught.value.category is C.OUTCOME_UNKNOWN


# --- before publishing --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"options": {"visibility": "CONNECTIONS"}}, "invalid_option"),
        ({"options": {"title": "x"}}, "title_without_video"),
        ({"options": {"card_url": "https://e.org"}}, "card_without_title"),
        ({"segments": (Segment("", (image(width=8000, height=5000),)),)}, "image_too_large"),
        ({"segments": (Segment("", (video(MIB, seconds=2.5),)),)}, "video_too_short"),
        ({"segments": (Segment("", (video(MIB, seconds=1801.0),)),)}, "video_too_long"),
        ({"segments": (Segment("", (video(MIB), image())),)}, "mixed_media"),
        ({"segments": (Segment("", (video(70_000),)),)}, "video_too_small"),
        ({"segments": (Segment("("), Segment("x"))}, "too_many_segments"),
        ({"segments": (Segment("(" * 1501),)}, "text_too_long"),
        ({"first_comment": "x" * 1251}, "text_too_long"),
    ],
)
def test_what_linkedin_would_refuse_is_named(more: dict[str, Any], code: str) -> None:
    assert [violation.code for violation in LinkedIn().violations(draft(**more))] == [code]


def test_the_alt_text_of_a_video_is_not_lost_silently() -> None:
    film = draft(segments=(Segment("", (video(alt_text="a film"),)),))
    assert [notice.code for notice in LinkedIn().notices(film)] == ["alt_text_not_sent"]
    assert LinkedIn().notices(draft(segments=(Segment("", (image(alt_text="a"),)),))) == []


def test_a_version_tells_its_end() -> None:
    (version,) = LinkedIn().api_versions()
    assert (version.variable, version.value) == ("LINKEDIN_VERSION", "202607")
    assert version.ends == date(2027, 7, 15)
    (unknown,) = LinkedIn(LinkedInConfig(version="209901")).api_versions()
    assert unknown.ends is None


# --- errors -------------------------------------------------------------------------------------
ROWS = (
    (400, {"code": "ILLEGAL_ARGUMENT"}, C.VALIDATION_ERROR, "ILLEGAL_ARGUMENT"),
    (400, {"code": "FIELD_LENGTH_TOO_LONG"}, C.VALIDATION_ERROR, "FIELD_LENGTH_TOO_LONG"),
    (400, {}, C.VALIDATION_ERROR, ""),
    (400, {"code": "MEDIA_ASSET_WAITING_UPLOAD"}, C.SERVER_ERROR, "MEDIA_ASSET_WAITING_UPLOAD"),
    (400, {"code": "MEDIA_ASSET_PROCESSING"}, C.SERVER_ERROR, "MEDIA_ASSET_PROCESSING"),
    (
        400,
        {"code": "MEDIA_ASSET_PROCESSING_FAILED"},
        C.MEDIA_ERROR,
        "MEDIA_ASSET_PROCESSING_FAILED",
    ),
    (400, {"code": "EXPIRED_UPLOAD_URL"}, C.SERVER_ERROR, "EXPIRED_UPLOAD_URL"),
    (400, {"error": "invalid_client"}, C.PERMISSION, "invalid_client"),
    (401, {"error": "invalid_client"}, C.PERMISSION, "invalid_client"),
    (401, {"serviceErrorCode": 65602}, C.TOKEN_EXPIRED, "65602"),
    (
        401,
        {"serviceErrorCode": 65602, "code": "EXPIRED_ACCESS_TOKEN"},
        C.TOKEN_EXPIRED,
        "EXPIRED_ACCESS_TOKEN",
    ),
    (
        401,
        {"serviceErrorCode": 65601, "code": "REVOKED_ACCESS_TOKEN"},
        C.AUTH_ERROR,
        "REVOKED_ACCESS_TOKEN",
    ),
    (401, {}, C.AUTH_ERROR, ""),
    (403, {"serviceErrorCode": 100, "code": "ACCESS_DENIED"}, C.PERMISSION, "ACCESS_DENIED"),
    (403, {"serviceErrorCode": 100}, C.PERMISSION, "100"),
    (403, {}, C.PERMISSION, ""),
    (403, {"message": "This resource is forbidden"}, C.SERVER_ERROR, "resource-forbidden"),
    (404, {}, C.VALIDATION_ERROR, ""),
    (409, {}, C.SERVER_ERROR, ""),
    (413, {}, C.VALIDATION_ERROR, ""),
    (415, {}, C.VALIDATION_ERROR, ""),
    (422, {"message": "field is required but not found"}, C.VALIDATION_ERROR, ""),
    (422, COPY, C.DUPLICATE, "DUPLICATE_POST"),
    (422, {"message": "Duplicate of urn:li:share:1"}, C.DUPLICATE, "DUPLICATE_POST"),
    (422, {}, C.VALIDATION_ERROR, ""),
    (426, {"code": "NONEXISTENT_VERSION"}, C.VALIDATION_ERROR, "NONEXISTENT_VERSION"),
    (429, {}, C.RATE_LIMIT, ""),
    (
        429,
        {"message": "Resource level throttle APPLICATION_AND_MEMBER DAY limit is reached"},
        C.QUOTA_EXCEEDED,
        "day-limit",
    ),
    (
        429,
        {"message": "Resource level throttle APPLICATION DAY limit is reached"},
        C.QUOTA_EXCEEDED,
        "app-day-limit",
    ),
    (500, {}, C.OUTCOME_UNKNOWN, ""),
    (504, {"message": "Unable to obtain activity"}, C.OUTCOME_UNKNOWN, ""),
)


@pytest.mark.parametrize(("status", "body", "category", "code"), ROWS)
def test_error_rows(status: int, body: dict[str, Any], category: C, code: str) -> None:
    answer = Response(status, {}, json.dumps(body).encode(), "POST", "/rest/posts")
    error = make_linkedin("").error(answer, wrote=True)
    assert (error.category, error.provider_code) == (category, code)
    is_ours = {"NONEXISTENT_VERSION", "app-day-limit", "invalid_client"}
    assert error.app_wide is (code in is_ours)


def test_every_row_of_the_table_has_a_test() -> None:
    assert set(ERRORS) <= {(status, code) for status, _, _, code in ROWS}


@pytest.mark.parametrize(
    ("status", "body", "wait"),
    [
        (400, {"code": "MEDIA_ASSET_WAITING_UPLOAD"}, timedelta(seconds=60)),
        (429, {}, None),
        (500, {}, None),
    ],
)
def test_files_take_a_minute(status: int, body: dict[str, Any], wait: timedelta | None) -> None:
    answer = Response(status, {}, json.dumps(body).encode(), "POST", "/rest/posts")
    assert make_linkedin("").error(answer, wrote=True).retry_after == wait


def test_a_days_allowance_is_refilled_at_midnight() -> None:
    body = b'{"message": "Resource level throttle limit for calls to this resource is reached"}'
    wait = make_linkedin("").error(Response(429, {}, body)).retry_after
    assert wait is not None
    free_at = datetime.now(UTC) + wait
    midnight = (free_at + timedelta(minutes=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert abs(free_at - midnight) < timedelta(seconds=30)


# --- afterwards ---------------------------------------------------------------------------------
def test_posts_and_comments_are_deleted_where_they_are() -> None:
    async def story(scene: Scene) -> None:
        await scene.adapter.delete(scene.http, POST)
        await scene.adapter.delete(scene.http, COMMENT)
        assert [(r.method, r.path) for r in scene.requests] == [
            ("DELETE", f"/rest/posts/{POST.replace(':', '%3A')}"),
            (
                "DELETE",
                "/rest/socialActions/urn%3Ali%3Aactivity%3A6631349431612559360/comments/"
                "6636062862760562688?actor=urn%3Ali%3Aorganization%3A2414183",
            ),
        ]
        assert scene.requests[0].headers["x-restli-method"] == "DELETE"

    tell(story, Reply(204), Reply(404))


def test_an_organizations_statistics_are_asked_for_in_lists() -> None:
    async def story(scene: Scene) -> None:
        ids = ["urn:li:share:1", "urn:li:ugcPost:2", "urn:li:share:3", COMMENT]
        await scene.adapter.metrics(scene.http, ids)
        assert scene.requests[0].path == (
            "/rest/organizationalEntityShareStatistics?q=organizationalEntity"
            "&organizationalEntity=urn%3Ali%3Aorganization%3A2414183"
            "&shares=List(urn%3Ali%3Ashare%3A1,urn%3Ali%3Ashare%3A3)"
            "&ugcPosts=List(urn%3Ali%3AugcPost%3A2)"
        )

    tell(story, elements())


def test_a_members_statistics_come_one_by_one() -> None:
    async def story(scene: Scene) -> None:
        (counted,) = await scene.adapter.metrics(scene.http, ["urn:li:ugcPost:2"])
        assert counted.values == {
            "impressions": 1,
            "reach": 2,
            "likes": 3,
            "comments": 4,
            "shares": 5,
        }
        assert scene.requests[0].path == (
            "/rest/memberCreatorPostAnalytics?q=entity&entity=(ugc:urn%3Ali%3AugcPost%3A2)"
            "&queryType=IMPRESSION&aggregation=TOTAL"
        )

    answers = [elements({"count": number, "metricType": "X"}) for number in range(1, 6)]
    tell(story, *answers, credentials={"author": ""})


@pytest.mark.parametrize(
    ("address", "remote_id"),
    [
        (f"https://www.linkedin.com/feed/update/{POST}/", POST),
        ("https://linkedin.com/feed/update/urn%3Ali%3AugcPost%3A7/?x=1", "urn:li:ugcPost:7"),
        (
            "https://www.linkedin.com/posts/ada_release-1-4-activity-7131-AbCd?utm=x",
            "urn:li:activity:7131",
        ),
        ("https://www.linkedin.com/company/devtestco/", ""),
        ("https://elsewhere.example/feed/update/urn:li:share:1", ""),
    ],
)
def test_a_posts_address_tells_its_id(address: str, remote_id: str) -> None:
    assert LinkedIn().remote_id_in(address, LINKEDIN_CASE.account) == remote_id
