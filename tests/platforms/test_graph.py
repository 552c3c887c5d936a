"""Meta's common ground: codes, usage headers, proofs, swapped tokens, chunks of videos."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.answers import Response
from engine.errors import ErrorCategory as C
from platforms.adapters.base import Capability, Limits, RetrySafety, Safety
from platforms.adapters.graph import GraphAdapter, GraphToken, InQuery
from platforms.adapters.graph_reading import (
    COMMON,
    instant_of,
    lasts,
    next_page,
    table,
    web_address,
)
from platforms.adapters.graph_uploads import bytes_received, send_chunk
from tests.contract.server import Reply
from tests.contract.wire import video
from tests.platforms.graph_scene import Scene, failure, refused, tell


class Graph(GraphAdapter):
    """The common ground alone."""

    slug = "graph"
    name = "Graph"
    limits = Limits(1, 0, 0, 0, 1, "2026-11-22", "none")
    capabilities: frozenset[Capability] = frozenset()
    errors = table(COMMON, {"/77": C.MEDIA_ERROR})
    retry_safety = RetrySafety(Safety.PERSON, ttl=timedelta())
    waits = {"368": timedelta(hours=24)}
    remedies = {"/77": "Use another file."}

    def __init__(self, url: str = "http://127.0.0.1:1") -> None:
        super().__init__()
        self.url = url

    def base_url(self, credentials: Any) -> str:
        return f"{self.url}/v26.0"

    def authorize(self, credentials: Any) -> GraphToken:
        return GraphToken(credentials["access_token"], app_secret="app-secret")


GRAPH = Graph()
CREDENTIALS = {"access_token": "graph-token"}


def answer(
    status: int, code: int | None = None, subcode: int = 0, headers: Any = None, **more: Any
) -> Response:
    error = {"code": code, "error_subcode": subcode, "message": "No", **more}
    return Response(status, headers or {}, json.dumps({"error": error}).encode(), "POST", "/x")


@pytest.mark.parametrize(
    ("response", "category", "code"),
    [
        (answer(400, 190), C.AUTH_ERROR, "190"),
        (answer(401, 190, 463), C.TOKEN_EXPIRED, "190/463"),
        (answer(400, 190, 460), C.AUTH_ERROR, "190/460"),
        (answer(400, 102), C.AUTH_ERROR, "102"),
        (answer(403, 10), C.PERMISSION, "10"),
        (answer(403, 200), C.PERMISSION, "200"),
        (answer(400, 299, 5), C.PERMISSION, "299/5"),
        (answer(400, 300), C.VALIDATION_ERROR, "300"),
        (answer(403, 4), C.RATE_LIMIT, "4"),
        (answer(400, 17), C.RATE_LIMIT, "17"),
        (answer(400, 32), C.RATE_LIMIT, "32"),
        (answer(400, 613), C.RATE_LIMIT, "613"),
        (answer(429), C.RATE_LIMIT, ""),
        (answer(400, 368), C.PERMISSION, "368"),
        (answer(400, 100), C.VALIDATION_ERROR, "100"),
        (answer(400, 1), C.SERVER_ERROR, "1"),
        (answer(500, 2), C.SERVER_ERROR, "2"),
        (answer(400, 9999, is_transient=True), C.SERVER_ERROR, "9999"),
        (answer(400, 9999, is_transient="true"), C.VALIDATION_ERROR, "9999"),
        (answer(400, 100, 77), C.MEDIA_ERROR, "100/77"),
        (answer(503), C.SERVER_ERROR, ""),
    ],
)
def test_codes_decide_and_not_the_status(response: Response, category: C, code: str) -> None:
    error = GRAPH.error(response)
    assert (error.category, error.provider_code) == (category, code)


@pytest.mark.parametrize("response", [answer(400, 1), answer(400, 77, is_transient=True)])
def test_what_may_pass_says_nothing_about_a_write(response: Response) -> None:
    assert GRAPH.error(response).category is C.SERVER_ERROR
    assert GRAPH.error(response, wrote=True).category is C.OUTCOME_UNKNOWN
    assert GRAPH.error(answer(400, 4), wrote=True).category is C.RATE_LIMIT


def test_a_refused_file_is_a_media_error() -> None:
    assert GRAPH.error(answer(400, 100), upload=True).category is C.MEDIA_ERROR


def test_only_the_applications_limit_concerns_everybody() -> None:
    assert GRAPH.error(answer(400, 4)).app_wide
    assert not GRAPH.error(answer(400, 17)).app_wide
    assert not GRAPH.error(answer(400, 4, 2207051)).app_wide


def test_the_networks_words_and_our_remedy_are_told() -> None:
    told = GRAPH.error(answer(400, 100, 77, error_user_msg="The file is odd."))
    assert told.detail == "Graph answered HTTP 400: The file is odd. Use another file."
    assert GRAPH.error(answer(400, 100)).detail == "Graph answered HTTP 400: No."


# --- usage headers ------------------------------------------------------------------------------
def usage(name: str, value: Any) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value)}


def test_an_allowance_is_held_at_95_percent_for_as_long_as_the_network_says() -> None:
    told = {"type": "instagram", "call_count": 96, "total_time": 3, "total_cputime": 1}
    header = {"17841": [{**told, "estimated_time_to_regain_access": 19}]}
    response = answer(400, 32, headers=usage("x-business-use-case-usage", header))
    before = datetime.now(UTC)
    hints = GRAPH.rate_hints(response)
    assert [(h.bucket, h.scope, h.remaining) for h in hints] == [
        ("publish.usage", "connection", 0),
        ("other.usage", "connection", 0),
    ]
    for hint in hints:
        assert hint.resets_at is not None
        assert timedelta(minutes=18) < hint.resets_at - before < timedelta(minutes=20)
    assert GRAPH.error(response).retry_after == timedelta(minutes=19)


@pytest.mark.parametrize("percent", [0, 50, 94, 94.9])
def test_below_95_percent_calls_flow(percent: float) -> None:
    header = {"call_count": percent, "total_time": 1, "total_cputime": 0}
    hints = GRAPH.rate_hints(answer(200, headers=usage("x-app-usage", header)))
    assert {(hint.bucket, hint.scope) for hint in hints} == {
        ("publish.app_usage", "app"),
        ("other.app_usage", "app"),
    }
    for hint in hints:
        assert hint.remaining is not None
        assert hint.remaining > 4000  # more than calls can be in flight


@settings(max_examples=40)
@given(st.text(max_size=30) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["call_count", "total_time", "1", "estimated_time_to_regain_access"]),
        inner, max_size=3,
    ),
    max_leaves=8,
))  # fmt: skip
def test_odd_usage_headers_never_hurt(value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    for name in ("x-app-usage", "x-business-use-case-usage"):
        response = answer(400, 17, headers={name: text})
        for hint in GRAPH.rate_hints(response):
            assert hint.remaining is not None
            assert hint.remaining >= 0
        assert GRAPH.error(response).category is C.RATE_LIMIT


def test_a_block_waits_a_day_and_a_retry_after_comes_first() -> None:
    assert GRAPH.error(answer(400, 368)).retry_after == timedelta(hours=24)
    told = answer(400, 368, headers={"retry-after": "90"})
    assert GRAPH.error(told).retry_after == timedelta(seconds=90)


# --- calls --------------------------------------------------------------------------------------
PROOF = hmac.new(b"app-secret", b"graph-token", hashlib.sha256).hexdigest()


def test_every_call_proves_whose_application_it_comes_from() -> None:
    async def story(scene: Scene) -> None:
        graph, http = scene.adapter, scene.http
        await graph.ask(http, "/me", {"fields": "id"})
        await graph.tell(http, "/1/feed", {"message": "a"}, params={"fields": "id"})
        await graph.remove(http, "5")
        await graph.insights(http, "/5/insights", ("views",))
        _ = [entry async for entry in graph.listed(http, "/me/accounts", {})]
        for number, request in enumerate(scene.server.requests):
            assert scene.query(number)["appsecret_proof"] == PROOF
            assert request.headers["authorization"] == "Bearer graph-token"
            assert request.path.startswith("/v26.0/")

    tell(Graph, CREDENTIALS, story, *[Reply(200, {"data": []})] * 5)


def test_tokens_and_proofs_are_kept_out_of_sight() -> None:
    token = GraphToken("graph-token", app_secret="app-secret")
    assert set(token.secrets) == {"graph-token", "app-secret", PROOF}
    for secret in token.secrets:
        assert secret not in repr(token)
    assert GraphToken("graph-token").secrets == ("graph-token",)
    assert "hush" not in repr(InQuery(("hush",)))


def test_a_swapped_token_is_in_no_error() -> None:
    async def story(scene: Scene) -> None:
        params = {"grant_type": "x", "client_secret": "app-secret", "access_token": "short-token"}
        swap = scene.adapter.swap_token(scene.http, f"{scene.server.url}/access_token", params, {})
        error = await failure(swap)
        assert error.category is C.AUTH_ERROR
        told = error.excerpt + error.detail
        assert "short-token" not in told
        assert "app-secret" not in told
        assert "authorization" not in scene.server.requests[0].headers

    echo = "short-token is not app-secret"
    tell(Graph, None, story, refused(400, 190, message=echo))


def test_lists_are_read_to_their_end() -> None:
    async def story(scene: Scene) -> None:
        found = [entry async for entry in scene.adapter.listed(scene.http, "/l", {"limit": "2"})]
        assert [entry["id"] for entry in found] == ["1", "2"]
        assert scene.query(1) == {"limit": "2", "after": "CUR", "appsecret_proof": PROOF}

    more = {"cursors": {"after": "CUR"}, "next": "https://graph.facebook.com/next"}
    last = {"cursors": {"after": "CUR2"}}
    first = Reply(200, {"data": [{"id": "1"}], "paging": more})
    tell(Graph, CREDENTIALS, story, first, Reply(200, {"data": [{"id": "2"}], "paging": last}))


def test_a_list_without_an_end_is_not_trusted() -> None:
    async def story(scene: Scene) -> None:
        async def read() -> None:
            _ = [entry async for entry in scene.adapter.listed(scene.http, "/l", {})]

        error = await failure(read())
        assert error.category is C.OUTCOME_UNKNOWN
        assert len(scene.server.requests) == 5

    more = {"cursors": {"after": "CUR"}, "next": "https://graph.facebook.com/next"}
    tell(Graph, CREDENTIALS, story, *[Reply(200, {"data": [{"id": "1"}], "paging": more})] * 5)


def test_a_counter_that_a_post_lacks_costs_only_itself() -> None:
    async def story(scene: Scene) -> None:
        found = await scene.adapter.insights(scene.http, "/5/insights", ("views", "saved", "x"))
        assert found == {"views": 7, "saved": 3}
        assert [scene.query(n)["metric"] for n in range(4)] == [
            "views,saved,x", "views", "saved", "x",
        ]  # fmt: skip

    tell(
        Graph,
        CREDENTIALS,
        story,
        refused(400, 100, message="metric[2] must be one of"),
        Reply(200, {"data": [{"name": "views", "total_value": {"value": 7}}]}),
        Reply(200, {"data": [{"name": "saved", "values": [{"value": {"a": 1, "b": 2}}]}]}),
        refused(400, 100),
    )


@pytest.mark.parametrize("reply", [refused(400, 100, 33), refused(400, 10), Reply(404)])
def test_posts_that_are_gone_or_hardly_seen_have_no_counters(reply: Reply) -> None:
    async def story(scene: Scene) -> None:
        assert await scene.adapter.insights(scene.http, "/5/insights", ("views", "saved")) == {}

    tell(Graph, CREDENTIALS, story, reply)


# --- reading ------------------------------------------------------------------------------------
def test_times_addresses_and_pages_are_read_as_graph_writes_them() -> None:
    assert instant_of("2026-11-22T09:30:00+0000") == datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    assert instant_of("soon") is None
    assert web_address("/ada/videos/5/") == "https://www.facebook.com/ada/videos/5/"
    assert web_address("https://x.example/") == "https://x.example/"
    assert web_address("javascript:1") == web_address(5) == ""
    assert next_page({"paging": {"cursors": {"after": "A"}}}) == ""
    assert next_page({"paging": 5}) == ""


def test_a_token_of_an_hour_is_told_from_one_that_lasts() -> None:
    now = datetime.now(UTC)
    assert lasts({"expires_at": (now + timedelta(days=50)).isoformat()})
    assert not lasts({"expires_at": (now + timedelta(hours=1)).isoformat()})
    assert not lasts({})


# --- uploads ------------------------------------------------------------------------------------
MIB = 1024 * 1024
PARTIAL = {"retriable": True, "type": "PartialRequestError", "message": "Partial request"}
OFFSET = {"retriable": True, "type": "OffsetInvalidError", "message": "Request starting offset"}


@pytest.mark.parametrize(
    ("sent", "reply", "then"),
    [
        (0, Reply(206, {"debug_info": PARTIAL}), 8 * MIB),
        (0, Reply(400, {"debug_info": PARTIAL}), 8 * MIB),
        (8 * MIB, Reply(200, {"success": True}), 10 * MIB),
        (8 * MIB, Reply(206, {"debug_info": PARTIAL}), None),
        (8 * MIB, Reply(412, {"debug_info": OFFSET}), None),
    ],
)
def test_a_video_goes_out_in_chunks(sent: int, reply: Reply, then: int | None) -> None:
    async def story(scene: Scene) -> None:
        address = f"{scene.server.url}/ig-api-upload/v26.0/1"
        film = video(10 * MIB)
        assert await send_chunk(scene.adapter, scene.http, address, film, sent) == then
        (request,) = scene.server.requests
        assert len(request.body) == min(8 * MIB, 10 * MIB - sent)
        assert request.headers["authorization"] == "OAuth graph-token"
        assert (request.headers["offset"], request.headers["file_size"]) == (
            str(sent), str(10 * MIB),
        )  # fmt: skip

    tell(Graph, CREDENTIALS, story, reply)


@pytest.mark.parametrize(
    ("reply", "category", "code"),
    [
        (Reply(200, {"success": False}), C.UNKNOWN, ""),
        (Reply(200, b"ok"), C.UNKNOWN, ""),
        (Reply(400, {"debug_info": {"type": "NotAuthorizedError"}}), C.AUTH_ERROR, None),
        (Reply(400, {"debug_info": {"type": "Odd"}}), C.MEDIA_ERROR, "Odd"),
        (Reply(503, {"debug_info": {"retriable": True, "type": "Busy"}}), C.SERVER_ERROR, "Busy"),
    ],
)
def test_an_upload_that_fails_says_why(reply: Reply, category: C, code: str | None) -> None:
    async def story(scene: Scene) -> None:
        film, address = video(100), f"{scene.server.url}/u"
        error = await failure(send_chunk(scene.adapter, scene.http, address, film, 0))
        assert error.category is category
        assert code is None or error.provider_code == code

    tell(Graph, CREDENTIALS, story, reply)


def test_the_networks_count_is_read_in_both_spellings() -> None:
    assert bytes_received({"uploading_phase": {"bytes_transfered": 5}}) == 5
    assert bytes_received({"uploading_phase": {"bytes_transferred": 0}}) == 0
    for odd in (None, {}, {"uploading_phase": 5}, {"uploading_phase": {"bytes_transfered": "5"}}):
        assert bytes_received(odd) is None
