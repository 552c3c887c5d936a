"""X: its error table row by row, its payloads, its weighted length, and finding a post again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twitter_text import parse_tweet

from engine.answers import Response
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Bearer, Http, HttpPool, OAuth1
from platforms.adapters.base import Draft, Published, Segment, Violation
from platforms.adapters.x import X
from platforms.adapters.x_client import XConfig
from platforms.adapters.x_counting import excess
from platforms.adapters.x_reading import ERRORS
from tests.contract.cases import X_CASE, X_OAUTH1, X_OAUTH2, image, make_x
from tests.contract.server import Reply, Scripted, serve

ACCOUNT = X_CASE.account
SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
PROBLEMS = "https://api.twitter.com/2/problems/"


@dataclass(frozen=True)
class Row:
    """A recorded answer, and what it must be taken for."""

    status: int
    code: str
    category: C
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    app_wide: bool = False

    @property
    def reply(self) -> Reply:
        return Reply(self.status, self.body, self.headers)


def typed(status: int, code: str, category: C, **more: Any) -> Row:
    """Return a row whose code is the end of the problem's `type`."""
    return Row(status, code, category, {"type": f"{PROBLEMS}{code}", "title": "T"}, **more)


def worded(status: int, code: str, category: C, detail: str) -> Row:
    """Return a row that only its words tell from others."""
    body = {"detail": detail, "type": "about:blank", "title": "Forbidden", "status": status}
    return Row(status, code, category, body)


USED_UP = "x-{}-limit-24hour-remaining"
ROWS = (
    typed(400, "invalid-request", C.VALIDATION_ERROR),
    worded(401, "", C.AUTH_ERROR, "Unauthorized"),
    typed(402, "credits", C.QUOTA_EXCEEDED, app_wide=True),
    worded(402, "", C.QUOTA_EXCEEDED, "Payment Required"),
    typed(403, "credits", C.QUOTA_EXCEEDED, app_wide=True),
    Row(403, "CreditsDepleted", C.QUOTA_EXCEEDED, {"title": "CreditsDepleted"}, app_wide=True),
    typed(403, "usage-capped", C.QUOTA_EXCEEDED, app_wide=True),
    worded(
        403,
        "duplicate-content",
        C.DUPLICATE,
        "You are not allowed to create a Tweet with duplicate content.",
    ),
    Row(403, "187", C.DUPLICATE, {"errors": [{"code": 187, "message": "Status is a duplicate."}]}),
    typed(403, "not-authorized-for-resource", C.VALIDATION_ERROR),
    worded(
        403,
        "not-authorized-for-resource",
        C.VALIDATION_ERROR,
        "You can only reply to or quote posts where you are mentioned or are the author.",
    ),
    worded(
        403,
        "reply-not-allowed",
        C.VALIDATION_ERROR,
        "Reply to this conversation is not allowed because you have not been mentioned.",
    ),
    worded(403, "cashtags", C.VALIDATION_ERROR, "Posts are limited to a maximum of one cashtag."),
    worded(
        403,
        "not-permitted-action",
        C.VALIDATION_ERROR,
        "You are not permitted to perform this action.",
    ),
    typed(403, "unsupported-authentication", C.AUTH_ERROR),
    typed(403, "oauth1-permissions", C.AUTH_ERROR),
    typed(403, "client-forbidden", C.PERMISSION, app_wide=True),
    typed(403, "user-suspended", C.PERMISSION),
    worded(403, "", C.PERMISSION, "Forbidden"),
    typed(404, "resource-not-found", C.VALIDATION_ERROR),
    worded(429, "", C.RATE_LIMIT, "Too Many Requests"),
    typed(429, "usage-capped", C.QUOTA_EXCEEDED, app_wide=True),
    Row(
        429,
        "app-limit-24hour",
        C.QUOTA_EXCEEDED,
        {},
        {USED_UP.format("app"): "0"},
        app_wide=True,
    ),
    Row(429, "user-limit-24hour", C.QUOTA_EXCEEDED, {}, {USED_UP.format("user"): "0"}),
    worded(500, "", C.OUTCOME_UNKNOWN, "Internal Server Error"),
    Row(502, "", C.OUTCOME_UNKNOWN, {}),
    worded(503, "", C.OUTCOME_UNKNOWN, "Service Unavailable"),
)

Story = Callable[[X, Http, Scripted], Awaitable[Any]]


def tell(
    story: Story, *answers: Reply, credentials: Mapping[str, Any] = X_OAUTH1, **config: Any
) -> Any:
    async def main() -> Any:
        pool = HttpPool()
        try:
            async with serve() as server:
                server.in_turn(*answers)
                adapter = make_x(server.url)
                if config:
                    adapter = X(XConfig(**{"api_base": server.url, **config}))
                http = pool.http(
                    base_url=server.url,
                    auth=adapter.authorize(credentials),
                    on_response=adapter.rate_hints,
                )
                return await story(adapter, http, server)
        finally:
            await pool.close()

    return asyncio.run(main())


def draft(*texts: str, **more: Any) -> Draft:
    segments = tuple(Segment(text) for text in texts)
    return Draft(**{"segments": segments, "account": ACCOUNT, **more})


async def publish(adapter: X, http: Http, what: Draft, progress: Any = None) -> Any:
    return await adapter.publish(http, what, progress or {}, key="k")


# --- errors -------------------------------------------------------------------------------------
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.status}-{row.code}")
def test_error_rows(row: Row) -> None:
    async def story(adapter: X, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await publish(adapter, http, draft("hi"))
        error = caught.value
        assert (error.category, error.provider_code) == (row.category, row.code)
        assert error.app_wide is row.app_wide

    tell(story, row.reply)


def test_every_row_of_the_table_has_a_test() -> None:
    assert set(ERRORS) <= {(row.status, row.code) for row in ROWS}


def test_an_oauth2_token_that_is_refused_has_expired() -> None:
    async def story(adapter: X, http: Http, server: Scripted) -> None:
        assert isinstance(http.auth, Bearer)
        with pytest.raises(ServiceError) as caught:
            await publish(adapter, http, draft("hi"))
        assert caught.value.category is C.TOKEN_EXPIRED

    tell(story, Reply(401, {"title": "Unauthorized"}), credentials=X_OAUTH2)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "1795340460"}, 60),
        (
            {
                "x-rate-limit-remaining": "0",
                "x-rate-limit-reset": "1795340460",
                "x-user-limit-24hour-remaining": "0",
                "x-user-limit-24hour-reset": "1795344000",
            },
            3600,
        ),
        ({"x-rate-limit-remaining": "5", "x-rate-limit-reset": "1795340460"}, None),
        (
            {"x-rate-limit-remaining": "0", "x-rate-limit-reset": "1795340460", "retry-after": "7"},
            7,
        ),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "soon"}, None),
    ],
)
def test_a_429_waits_until_the_window_that_is_used_up_ends(
    headers: dict[str, str], seconds: int | None
) -> None:
    date = {"date": "Sun, 22 Nov 2026 09:40:00 GMT"}  # epoch 1795340400
    found = X().error(Response(429, {**date, **headers}, b"")).retry_after
    assert found == (None if seconds is None else timedelta(seconds=seconds))


def test_the_reason_comes_from_the_answer() -> None:
    body = b'{"errors": [{"message": "text: is too long"}], "detail": "One or more", "title": "X"}'
    assert X().error(Response(400, {}, body)).detail == "X answered HTTP 400: text: is too long."


def test_rate_headers_become_hints_of_the_operation() -> None:
    headers = {
        "x-rate-limit-limit": "100",
        "x-rate-limit-remaining": "42",
        "x-rate-limit-reset": "1795340460",
    }
    for method, path, bucket in (
        ("POST", "/2/tweets", "publish"),
        ("POST", "/x/2/tweets", "publish"),
        ("GET", "/2/tweets", "metrics"),
        ("DELETE", "/2/tweets/1", "delete"),
        ("POST", "/2/media/upload", "prepare"),
        ("POST", "/2/media/upload/initialize", "chunk"),
        ("POST", "/2/media/upload/1/append", "chunk"),
        ("POST", "/2/media/upload/1/finalize", "chunk"),
        ("GET", "/2/media/upload", "status"),
        ("POST", "/2/media/metadata", "describe"),
        ("GET", "/2/users/me", "validate"),
        ("GET", "/2/users/7/tweets", "find"),
    ):
        (hint,) = X().rate_hints(Response(200, headers, b"", method, path))
        assert (hint.bucket, hint.limit, hint.remaining) == (bucket, 100, 42)
        assert hint.resets_at == datetime(2026, 11, 22, 9, 41, tzinfo=UTC)


# --- credentials ----------------------------------------------------------------------------------
def test_both_kinds_of_tokens_are_understood() -> None:
    adapter = make_x("http://127.0.0.1")
    assert isinstance(adapter.authorize(X_OAUTH1), OAuth1)
    renamed = {"access_token": "t", "access_token_secret": "s"}
    assert isinstance(adapter.authorize(renamed), OAuth1)
    assert adapter.authorize({"access_token": " t\n"}) == Bearer("t")


def test_oauth1_tokens_need_the_applications_keys() -> None:
    with pytest.raises(ServiceError, match="TWITTER_API_KEY") as caught:
        X().authorize(X_OAUTH1)
    assert caught.value.app_wide


def test_a_refresh_authenticates_the_application() -> None:
    async def story(adapter: X, http: Http, server: Scripted) -> None:
        fresh = await adapter.refresh(http, X_OAUTH2)
        assert fresh["refresh_token"] == "new-refresh"
        (request,) = server.requests
        assert request.path == "/2/oauth2/token"
        assert request.body == b"grant_type=refresh_token&refresh_token=x-refresh-token"
        assert request.headers["authorization"].startswith("Basic ")

    tell(story, X_CASE.other["refresh"], credentials=X_OAUTH2)


def test_a_public_client_names_itself_in_the_body() -> None:
    async def story(adapter: X, http: Http, server: Scripted) -> None:
        token_url = f"{server.url}/2/oauth2/token"
        adapter = X(XConfig(api_base=server.url, token_url=token_url, client_id="public"))
        await adapter.refresh(http, X_OAUTH2)
        (request,) = server.requests
        assert b"client_id=public" in request.body
        assert "authorization" not in request.headers

    tell(story, X_CASE.other["refresh"], credentials=X_OAUTH2)


@pytest.mark.parametrize(
    ("answer", "category", "code"),
    [
        (Reply(400, {"error": "invalid_grant"}), C.AUTH_ERROR, "invalid_grant"),
        (Reply(400, {"error": "invalid_request"}), C.AUTH_ERROR, "invalid_grant"),
        (Reply(401, {"error": "unauthorized_client"}), C.PERMISSION, "invalid_client"),
        (Reply(503, b""), C.SERVER_ERROR, ""),
        (Reply(429, b""), C.RATE_LIMIT, ""),
    ],
)
def test_a_refused_refresh(answer: Reply, category: C, code: str) -> None:
    async def story(adapter: X, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.refresh(http, X_OAUTH2)
        assert (caught.value.category, caught.value.provider_code) == (category, code)
        assert "x-refresh-token" not in repr(vars(caught.value))

    tell(story, answer, credentials=X_OAUTH2)


def test_oauth2_tokens_are_revoked_and_oauth1_tokens_say_how() -> None:
    async def revoked(adapter: X, http: Http, server: Scripted) -> bytes:
        await adapter.revoke(http)
        return server.requests[0].body

    assert b"token=x-access-token" in tell(revoked, Reply(200), credentials=X_OAUTH2)
    with pytest.raises(ServiceError, match="connected_apps"):
        tell(revoked, credentials=X_OAUTH1)


# --- payloads -------------------------------------------------------------------------------------
def test_a_plain_text_has_no_other_keys() -> None:
    async def story(adapter: X, http: Http, server: Scripted) -> None:
        step = await publish(adapter, http, draft("hi"))
        assert server.requests[0].json == {"text": "hi"}
        assert step.permalink == "https://x.com/ada/status/1445880548472328192"

    tell(story, X_CASE.created)


def test_options_and_replies_of_a_thread() -> None:
    options = {"reply_settings": "following", "made_with_ai": True, "paid_partnership": False}

    async def story(adapter: X, http: Http, server: Scripted) -> None:
        thread = draft("one", "two", first_comment="three", options=options)
        progress: Any = {}
        for _ in range(3):
            progress = (await publish(adapter, http, thread, progress)).progress
        ids = ["11", "12"]
        assert [request.json for request in server.requests] == [
            {"text": "one", "reply_settings": "following", "made_with_ai": True},
            {"text": "two", "made_with_ai": True, "reply": {"in_reply_to_tweet_id": ids[0]}},
            {"text": "three", "reply": {"in_reply_to_tweet_id": ids[1]}},
        ]

    tell(story, *(Reply(201, {"data": {"id": id_}}) for id_ in ("11", "12", "13")))


def test_an_image_is_uploaded_described_and_attached() -> None:
    async def story(adapter: X, http: Http, server: Scripted) -> None:
        pictured = draft(segments=(Segment("", (image(alt_text="a dot"),)),))
        step = await adapter.prepare(http, pictured, {})
        step = await adapter.prepare(http, pictured, step.progress)
        upload, describe = server.requests
        assert b'name="media_category"\r\n\r\ntweet_image' in upload.body
        assert b'name="media"; filename="dot.png"\r\nContent-Type: image/png' in upload.body
        assert describe.json == {
            "id": "1880028106020515840",
            "metadata": {"alt_text": {"text": "a dot"}},
        }
        await publish(adapter, http, pictured, step.progress)
        assert server.requests[2].json == {"media": {"media_ids": ["1880028106020515840"]}}

    tell(story, X_CASE.uploaded, Reply(200, {"data": {}}), X_CASE.created)


def test_a_refused_upload_is_a_media_error() -> None:
    async def story(adapter: X, http: Http, server: Scripted) -> None:
        pictured = draft(segments=(Segment("", (image(),)),))
        with pytest.raises(ServiceError) as caught:
            await adapter.prepare(http, pictured, {})
        assert caught.value.category is C.MEDIA_ERROR

    tell(story, Reply(400, {"type": f"{PROBLEMS}invalid-request"}))


def test_metrics_are_read_in_both_spellings_and_by_the_hundred() -> None:
    counters = {"repost_count": 2, "impression_count": 9, "like_count": 1, "odd_count": 5}

    async def story(adapter: X, http: Http, server: Scripted) -> None:
        found = await adapter.metrics(http, [str(number) for number in range(101)])
        assert [dict(entry.values) for entry in found] == [
            {"reposts": 2, "impressions": 9, "likes": 1},
            {"reposts": 4},
        ]
        assert len(server.requests) == 2

    tell(
        story,
        Reply(200, {"data": [{"id": "1", "public_metrics": counters}]}),
        Reply(200, {"data": [{"id": "100", "public_metrics": {"retweet_count": 4}}]}),
    )


def test_what_is_gone_counts_as_deleted() -> None:
    async def story(adapter: X, http: Http, server: Scripted) -> None:
        await adapter.delete(http, "7")
        assert (server.requests[0].method, server.requests[0].path) == ("DELETE", "/2/tweets/7")

    tell(story, Reply(404, {"type": f"{PROBLEMS}resource-not-found"}))


# --- counting -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "over"),
    [
        ("x" * 280, 0),
        ("x" * 281, 1),
        ("日" * 140, 0),
        ("日" * 141, 2),
        ("x" * 256 + " https://example.org/" + "y" * 100, 0),
        ("x" * 257 + " https://example.org/" + "y" * 100, 1),
        ("x" * 258 + " a.co", 2),
        ("👨‍👩‍👧‍👦" * 140, 0),
        ("👨‍👩‍👧‍👦" * 141, 2),
        ("e\u0301" * 280, 0),
        ("…" * 141, 2),
    ],
)
def test_length_is_weighted(text: str, over: int) -> None:
    assert excess(text, 280) == over


PIECES = [
    "a.co",
    "http://x.org/y",
    "2.4",
    ".",
    " ",
    "é.com",
    "日本.jp",
    "t.co/ab",
    "www.x.y.de",
    "\n",
]


@given(
    st.lists(
        st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
    )
)
def test_the_quick_look_never_misses_a_text_that_is_too_long(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert excess(text, 30) == max(0, parse_tweet(text).weightedLength - 30)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("buy $ABC", set()),
        ("buy $ABC or $XYZ", {"too_many_cashtags"}),
        ("costs $5 and $10, US$ABC", set()),
        ("a\ufeffb", {"invalid_characters"}),
    ],
)
def test_rules_of_xs_own(text: str, codes: set[str]) -> None:
    assert {violation.code for violation in X().violations(draft(text))} == codes


def test_options_are_checked_against_the_schema() -> None:
    def code(**options: Any) -> list[Violation]:
        return X().violations(draft("hi", options=options))

    assert code(reply_settings="verified", made_with_ai=True) == []
    assert [v.field for v in code(reply_settings="nobody")] == ["options.reply_settings"]
    assert [v.code for v in code(made_with_ai="yes")] == ["invalid_option"]


@pytest.mark.parametrize("kind", ["gif", "video"])
def test_a_file_of_another_type_than_its_kind_cannot_be_sent(kind: str) -> None:
    pictured = draft(segments=(Segment("", (image(kind=kind),)),))
    assert [v.code for v in X().violations(pictured)] == ["media_unsupported"]


# --- find -----------------------------------------------------------------------------------------
def listing(*posts: dict[str, Any], next_token: str = "") -> Reply:
    meta = {"result_count": len(posts), **({"next_token": next_token} if next_token else {})}
    return Reply(200, {"meta": meta, **({"data": list(posts)} if posts else {})})


def found(what: Draft, *pages: Reply, segment: int = 0, done: tuple[str, ...] = ()) -> Any:
    async def story(adapter: X, http: Http, server: Scripted) -> Published | None:
        progress = {"published": list(done)}
        result = await adapter.find(http, what, progress, segment=segment, since=SINCE)
        assert "start_time=2026-11-22T09%3A00%3A00Z" in server.requests[0].path or (
            "start_time=2026-11-22T09:00:00Z" in server.requests[0].path
        )
        return result

    return tell(story, *pages)


LINKED = {
    "id": "5",
    "text": "Tips &amp; tricks https://t.co/abc https://t.co/pic",
    "entities": {
        "urls": [
            {"url": "https://t.co/abc", "expanded_url": "http://example.org/"},
            {"url": "https://t.co/pic", "expanded_url": "https://x.com/ada/status/5/photo/1"},
        ]
    },
    "attachments": {"media_keys": ["3_1"]},
}


def test_a_post_is_recognised_with_links_written_out_and_its_image() -> None:
    wanted = draft(segments=(Segment("Tips & tricks example.org", (image(),)),))
    step = found(wanted, listing({"id": "9", "text": "another"}, LINKED))
    assert step.remote_ids == ("5",)
    assert step.progress == {"published": ["5"]}
    assert step.permalink == "https://x.com/ada/status/5"


@pytest.mark.parametrize(
    "listed",
    [
        {"id": "5", "text": "Tips"},
        {"id": "5", "text": "hello", "attachments": {"media_keys": ["3_1"]}},
        {"id": "5", "text": "hello", "referenced_tweets": [{"type": "replied_to", "id": "1"}]},
        {"id": "4", "text": "hello"},
    ],
)
def test_another_post_is_not_taken_for_ours(listed: dict[str, Any]) -> None:
    assert found(draft("hello"), listing(listed), done=("4",)) is None


@pytest.mark.parametrize("text", ["hello", "@ada hello", "HELLO "])
def test_a_reply_is_recognised_below_its_parent(text: str) -> None:
    reply = {"id": "5", "text": text, "referenced_tweets": [{"type": "replied_to", "id": "4"}]}
    step = found(draft("first", first_comment="hello"), listing(reply), segment=1, done=("4",))
    assert step.remote_ids == ("5",)
    assert step.progress["published"] == ["4", "5"]


def test_a_long_post_is_compared_as_a_whole() -> None:
    long = "word " * 80
    listed = {"id": "5", "text": long[:270], "note_tweet": {"text": long.strip()}}
    assert found(draft(long, limits={"text_chars": 4000}), listing(listed)).remote_ids == ("5",)


def test_further_pages_are_read() -> None:
    pages = (listing({"id": "9", "text": "x"}, next_token="n"), listing({"id": "5", "text": "hi"}))
    assert found(draft("hi"), *pages).remote_ids == ("5",)


def test_a_list_without_end_is_not_trusted() -> None:
    with pytest.raises(ServiceError) as caught:
        found(draft("hi"), *[listing({"id": "9", "text": "x"}, next_token="n")] * 5)
    assert caught.value.category is C.OUTCOME_UNKNOWN


def test_the_other_spelling_of_fields_is_a_setting() -> None:
    async def story(adapter: X, http: Http, server: Scripted) -> str:
        await adapter.find(http, draft("hi"), {}, segment=0, since=SINCE)
        return server.requests[0].path

    keys = {"consumer_key": "k", "consumer_secret": "s"}
    path = tell(story, listing(), post_fields_param="post.fields", **keys)
    assert "post.fields=" in path
    assert "referenced_posts" in path


# --- addresses ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "address",
    [
        "https://x.com/ada/status/1234",
        "https://twitter.com/ada/status/1234?s=20",
        "https://mobile.twitter.com/ada/statuses/1234",
        "http://www.x.com/i/web/status/1234/photo/1",
        " https://x.com/ada/status/1234#m ",
    ],
)
def test_an_address_of_a_post_tells_its_id(address: str) -> None:
    assert X(XConfig()).remote_id_in(address, X_CASE.account) == "1234"


@pytest.mark.parametrize(
    "address",
    [
        "https://x.com/ada",
        "https://x.com.evil.example/ada/status/1",
        "https://evil.example/?https://x.com/ada/status/1",
        "https://x.com/ada/status/1234abc",
    ],
)
def test_other_addresses_tell_none(address: str) -> None:
    assert X(XConfig()).remote_id_in(address, X_CASE.account) == ""
