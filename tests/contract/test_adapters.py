"""The promises of Adapter, kept by every adapter."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from engine.answers import Response
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, HttpPool
from engine.retry import POLICIES, Action
from platforms.adapters.base import (
    Adapter,
    Capability,
    Continue,
    Draft,
    Processing,
    Progress,
    Published,
    Ready,
    Safety,
    Segment,
)
from platforms.registry import ADAPTERS
from tests.contract.cases import CASES, TEXT, Case, image
from tests.contract.server import (
    DROP,
    HANG,
    RESET,
    Raw,
    Reply,
    Scripted,
    Step,
    closed_port,
    serve,
)

BAD_STATUSES = (
    400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 415, 422, 429, 451, 500, 501, 502, 503, 504,
)  # fmt: skip
ODD_BODIES = (
    b"",
    b"<html><h1>Bad gateway</h1></html>",
    b"[]",
    b"null",
    b"17",
    b'"text"',
    b"{",
    b"\xff\xfe\x00",
    b'{"error": 5, "errors": 5, "detail": [], "title": {}, "type": 1, "data": []}',
    b'{"error": [], "errors": [[]], "detail": 1, "type": null, "data": null}',
    b'{"error": {"code": [], "message": 1}, "errors": [{"code": {}, "message": 2}]}',
    b'{"errors": [], "data": {"id": 5}, "id": 5, "meta": [], "posts": {}, "username": 1}',
    b'{"data": [1, null, {"id": 1}], "posts": [1], "id": "", "access_token": 5, "meta": {}}',
    b'{"id": null, "status": 5, "url": 5, "configuration": {"statuses": [1]}}',
)
HUGE_BODIES = (b'{"detail": "' + b"x" * 50_000 + b'"}', b"x" * 1_200_000)
CUT_OFF = b"HTTP/1.1 201 Told\r\ncontent-length: 9\r\n\r\n{"
SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
METHODS = {  # what a capability needs beyond publish and prepare
    Capability.FIND: "find",
    Capability.DELETE: "delete",
    Capability.METRICS: "metrics",
    Capability.REFRESH: "refresh",
    Capability.REVOKE: "revoke",
}


@dataclass
class Stage:
    """One adapter with its wire data, a scripted network, and doors to it."""

    case: Case
    adapter: Adapter
    server: Scripted
    pool: HttpPool

    @property
    def http(self) -> Http:
        return self.door(self.server.url)

    def door(self, url: str, **options: Any) -> Http:
        adapter = self.case.make(url)
        credentials = self.case.credentials(url)
        settings: dict[str, Any] = {
            "base_url": adapter.base_url(credentials),
            "auth": adapter.authorize(credentials),
            "on_response": adapter.rate_hints,
            "guard_private": adapter.user_given_host(),
            "allow_private": ["127.0.0.1"],
            "deadline": timedelta(seconds=10),
        }
        return self.pool.http(**{**settings, **options})

    def draft(self, *texts: str, **more: Any) -> Draft:
        segments = tuple(Segment(text) for text in texts or (TEXT,))
        return Draft(**{"segments": segments, "account": self.case.account, **more})

    async def publish(self, http: Http | None = None, **more: Any) -> Any:
        return await self.adapter.publish(
            http or self.http, self.draft(), {}, key="k:1:1:0", **more
        )

    def calls(self) -> dict[str, Callable[[], Awaitable[Any]]]:
        """Return every operation that this adapter has, by name, ready to be called."""
        adapter, draft = self.adapter, self.draft()
        pictured = self.draft(segments=(Segment(TEXT, (image(alt_text="a dot"),)),))
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "publish": self.publish,
            "prepare": lambda: adapter.prepare(self.http, pictured, {}),
            "validate": lambda: adapter.validate(self.http),
            "find": lambda: adapter.find(self.http, draft, {}, segment=0, since=SINCE),
            "delete": lambda: adapter.delete(self.http, "1"),
            "metrics": lambda: adapter.metrics(self.http, ["1"]),
            "refresh": lambda: adapter.refresh(self.http, {"refresh_token": "r"}),
            "check": lambda: adapter.check(self.http, draft, {"processing": "4711"}),
        }
        return {name: call for name, call in calls.items() if has_method(adapter, name)}


def has_method(adapter: Adapter, name: str) -> bool:
    return getattr(type(adapter), name) is not getattr(Adapter, name)


@pytest.fixture(params=sorted(ADAPTERS))
def slug(request: pytest.FixtureRequest) -> str:
    assert request.param in CASES, f"tests/contract/cases.py has no wire data for {request.param}"
    return str(request.param)


def tell(slug: str, story: Callable[[Stage], Awaitable[Any]], answer: Step | None = None) -> Any:
    async def main() -> Any:
        pool = HttpPool()
        try:
            async with serve(answer) as server:
                case = CASES[slug]
                return await story(Stage(case, case.make(server.url), server, pool))
        finally:
            await pool.close()

    return asyncio.run(main())


@contextmanager
def fails(*categories: C) -> Iterator[pytest.ExceptionInfo[ServiceError]]:
    with pytest.raises(ServiceError) as caught:
        yield caught
    assert not categories or caught.value.category in categories, caught.value


# --- publishing -------------------------------------------------------------------------------
def test_wire_data_and_registry_name_the_same_adapters() -> None:
    assert set(CASES) == set(ADAPTERS)


def test_a_text_is_one_request_and_gives_its_id(slug: str) -> None:
    async def story(stage: Stage) -> None:
        assert not stage.adapter.needs_preparation(stage.draft())
        step = await stage.publish()
        assert isinstance(step, Published)
        assert step.remote_ids == (stage.case.success_id,)
        assert step.permalink.startswith("http")
        assert len(stage.server.requests) == 1
        assert TEXT.encode() in stage.server.requests[0].body

    tell(slug, story, CASES[slug].created)


def test_a_thread_goes_out_one_protected_request_per_call(slug: str) -> None:
    async def story(stage: Stage) -> None:
        draft = stage.draft("one", "two", first_comment="three")
        progress: Progress = {}
        for number, text in enumerate((b"one", b"two", b"three"), start=1):
            step = await stage.adapter.publish(stage.http, draft, progress, key=f"k:1:1:{number}")
            assert len(stage.server.requests) == number
            assert text in stage.server.requests[-1].body
            assert isinstance(step, Published if number == 3 else Continue)
            progress = step.progress
            assert progress["published"] == [stage.case.success_id] * number
        assert isinstance(step, Published)
        assert len(step.remote_ids) == 3

    tell(slug, story, CASES[slug].created)


def test_a_finished_post_is_published_without_a_request(slug: str) -> None:
    async def story(stage: Stage) -> None:
        draft = stage.draft("one", "two")
        step = await stage.adapter.publish(
            stage.http, draft, {"published": ["1", "2"]}, key="k:1:1:2"
        )
        assert isinstance(step, Published)
        assert step.remote_ids == ("1", "2")
        assert stage.server.requests == []

    tell(slug, story)


def test_images_are_prepared_one_request_per_call_and_then_used(slug: str) -> None:
    async def story(stage: Stage) -> None:
        pair = (image(alt_text="a dot"), image())
        draft = stage.draft(segments=(Segment(TEXT, pair),))
        assert stage.adapter.needs_preparation(draft)
        progress: Progress = {}
        for number in range(1, 10):
            step = await stage.adapter.prepare(stage.http, draft, progress)
            progress = step.progress
            if isinstance(step, Ready):
                break
            assert len(stage.server.requests) == number
        assert isinstance(step, Ready)
        assert step.expires_at is not None
        assert step.expires_at > datetime.now(UTC) + timedelta(hours=1)
        stage.server.always(stage.case.created)
        await stage.adapter.publish(stage.http, draft, progress, key="k:1:1:0")
        uploaded = stage.case.uploaded.body
        media_id = uploaded.get("data", uploaded)["id"].encode()
        assert stage.server.requests[0].body.count(media_id) == 2

    tell(slug, story, CASES[slug].uploaded)


def test_images_that_are_not_uploaded_are_not_left_out(slug: str) -> None:
    async def story(stage: Stage) -> None:
        draft = stage.draft(segments=(Segment(TEXT, (image(),)),))
        with fails(C.UNKNOWN, C.MEDIA_ERROR):
            await stage.adapter.publish(stage.http, draft, {}, key="k:1:1:0")
        assert stage.server.requests == []

    tell(slug, story)


# --- failures ---------------------------------------------------------------------------------
def test_every_bad_answer_to_every_operation_is_a_service_error(slug: str) -> None:
    async def story(stage: Stage) -> None:
        for name, call in stage.calls().items():
            for status in BAD_STATUSES:
                if status == 404 and name in {"delete", "metrics", "prepare"}:
                    continue  # what is gone need not be deleted or counted
                huge = HUGE_BODIES if status in {400, 503} else ()
                for body in (*ODD_BODIES, *huge):
                    stage.server.always(Reply(status, body))
                    with fails() as caught:
                        await call()
                    error = caught.value
                    assert error.http_status == status, (name, status, body)
                    assert len(error.excerpt) <= 500
                    assert len(error.detail) <= 500
                    assert error.detail
                    if name == "publish" and status >= 500:
                        assert error.category is C.OUTCOME_UNKNOWN

    tell(slug, story)


def test_an_unreadable_success_is_never_repeated(slug: str) -> None:
    async def story(stage: Stage) -> None:
        for status in (200, 201, 202, 204):
            for body in (*ODD_BODIES, *HUGE_BODIES):
                stage.server.always(Reply(status, body))
                with fails(C.OUTCOME_UNKNOWN) as caught:
                    await stage.publish()
                assert POLICIES[caught.value.category].action is Action.RECONCILE

    tell(slug, story)


def test_an_unreadable_answer_to_anything_else_is_a_service_error_or_nothing(slug: str) -> None:
    async def story(stage: Stage) -> None:
        for name, call in stage.calls().items():
            for body in ODD_BODIES:
                stage.server.always(Reply(200, body))
                try:
                    found = await call()
                except ServiceError:
                    continue
                if name == "find":  # "not there" needs a whole and well-formed list
                    assert found is None
                    assert Reply(200, body).encode() == stage.case.listed_nothing.encode()
                else:
                    assert name in {"delete", "metrics"}, (name, body)

    tell(slug, story)


def test_redirects_are_not_followed(slug: str) -> None:
    async def story(stage: Stage) -> None:
        for name, call in stage.calls().items():
            stage.server.always(Reply(307, b"", {"location": "/elsewhere"}))
            with fails():
                await call()
            assert len(stage.server.requests) == 1, name

    tell(slug, story)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_carried_in_both_forms(slug: str, status: int) -> None:
    date_sent = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    dated = {
        "date": format_datetime(date_sent, usegmt=True),
        "retry-after": format_datetime(date_sent + timedelta(seconds=90), usegmt=True),
    }

    async def story(stage: Stage) -> None:
        for headers in ({"retry-after": "90"}, dated):
            stage.server.always(Reply(status, b"", headers))
            with fails(C.RATE_LIMIT, C.OUTCOME_UNKNOWN) as caught:
                await stage.publish()
            assert caught.value.retry_after == timedelta(seconds=90)

    tell(slug, story)


@pytest.mark.parametrize("lost", [DROP, RESET, HANG, Raw(b"HTTP/1.1 20"), Raw(CUT_OFF)])
def test_a_lost_answer_is_an_unknown_outcome(slug: str, lost: Step) -> None:
    async def story(stage: Stage) -> None:
        hasty = stage.door(stage.server.url, deadline=timedelta(seconds=0.2))
        with fails(C.OUTCOME_UNKNOWN):
            await stage.publish(hasty)
        assert len(stage.server.requests) == 1

    tell(slug, story, lost)


def test_a_refused_connection_is_a_network_error_for_every_operation(slug: str) -> None:
    async def story(stage: Stage) -> None:
        stage.server.url = f"http://127.0.0.1:{closed_port()}"
        stage.adapter = stage.case.make(stage.server.url)
        for call in stage.calls().values():
            with fails(C.NETWORK_ERROR):
                await call()

    tell(slug, story)


def test_secrets_are_in_no_error_and_no_repr(slug: str) -> None:
    async def story(stage: Stage) -> None:
        secrets = stage.case.secrets
        echo = " ".join(secrets).encode()
        shown = repr(stage.http) + repr(stage.http.auth) + repr(stage.adapter.config)
        shown += repr(stage.adapter)
        for answer in (Reply(403, echo), Reply(400, b'{"detail": "%s"}' % echo), Raw(echo), DROP):
            for call in stage.calls().values():
                stage.server.always(answer)
                with fails() as caught:
                    await call()
                error = caught.value
                shown += "".join(traceback.format_exception(error))
                shown += repr(vars(error)) + repr(error.__context__)
        assert not [secret for secret in secrets if secret in shown]

    tell(slug, story)


def test_odd_rate_headers_never_hurt(slug: str) -> None:
    adapter = CASES[slug].make("http://127.0.0.1")
    names = ("limit", "remaining", "reset")
    prefixes = ("x-rate-limit-", "x-ratelimit-", "ratelimit-", "x-app-limit-24hour-")
    for value in ("", "-1", "abc", "9" * 40, "1e9", "²", "nan", "2026-99-99T00:00:00Z", "0"):
        headers = {f"{prefix}{name}": value for prefix in prefixes for name in names}
        for status in (200, 429):
            response = Response(status, headers, b"", "POST", "/2/tweets")
            for hint in adapter.rate_hints(response):
                assert hint.bucket
            error = adapter.error(response)
            assert isinstance(error, ServiceError)


# --- what an adapter says of itself -------------------------------------------------------------
def test_the_account_is_reported(slug: str) -> None:
    async def story(stage: Stage) -> None:
        stage.server.in_turn(*stage.case.me)
        account = await stage.adapter.validate(stage.http)
        assert account.external_id
        assert account.username == stage.case.account.username

    tell(slug, story)


def test_nothing_listed_means_not_there(slug: str) -> None:
    async def story(stage: Stage) -> None:
        found = await stage.adapter.find(stage.http, stage.draft(), {}, segment=0, since=SINCE)
        assert found is None
        assert stage.server.requests[0].method == "GET"

    if Capability.FIND in ADAPTERS[slug].capabilities:
        tell(slug, story, CASES[slug].listed_nothing)
    else:
        assert ADAPTERS[slug].retry_safety.kind is not Safety.FIND


def test_an_address_that_is_read_looks_like_the_example(slug: str) -> None:
    adapter, account = CASES[slug].make("https://network.example"), CASES[slug].account
    for address in ("", "https://elsewhere.example/ada/1", "https://", "not an address"):
        assert adapter.remote_id_in(address, account) == ""
    if adapter.post_address:
        home = replace(account, instance_url="https://mastodon.social")  # the example's
        assert adapter.remote_id_in(adapter.post_address, home)
    page = adapter.account_address(account)
    assert not page or page.startswith(("https://", "http://"))


def test_other_operations_succeed(slug: str) -> None:
    async def story(stage: Stage) -> None:
        for name, reply in stage.case.other.items():
            stage.server.always(reply)
            result = await stage.calls()[name]()
            if name == "metrics":
                assert dict(result[0].values) == {"likes": 3, "reposts": 2}
            elif name == "refresh":
                assert result["access_token"] == "new-access"
                assert result["refresh_token"] == "new-refresh"
                assert datetime.fromisoformat(result["expires_at"]) > datetime.now(UTC)
            elif name == "check":
                assert isinstance(result, Published | Processing | Ready)
            else:
                assert result is None

    tell(slug, story)


def test_capabilities_and_methods_agree(slug: str) -> None:
    adapter = CASES[slug].make("http://127.0.0.1")
    for capability, name in METHODS.items():
        assert (capability in adapter.capabilities) is has_method(adapter, name), capability
    assert (Capability.IDEMPOTENCY_KEY in adapter.capabilities) is (
        adapter.retry_safety.kind is Safety.KEY
    )
    if adapter.retry_safety.kind is Safety.FIND:
        assert Capability.FIND in adapter.capabilities
        assert adapter.retry_safety.find_lag > timedelta()


def test_an_idempotency_key_is_sent_where_promised(slug: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.publish()
        sent = stage.server.requests[0].headers.get("idempotency-key")
        promised = Capability.IDEMPOTENCY_KEY in stage.adapter.capabilities
        assert sent == ("k:1:1:0" if promised else None)

    tell(slug, story, CASES[slug].created)


def test_what_does_not_fit_is_named_before_scheduling(slug: str) -> None:
    adapter, case = CASES[slug].make("http://127.0.0.1"), CASES[slug]

    def codes(**more: Any) -> set[tuple[str, str]]:
        draft = Draft(**{"segments": (Segment(TEXT),), "account": case.account, **more})
        found = adapter.violations(draft)
        assert all(violation.message.endswith(".") for violation in found)
        return {(violation.field, violation.code) for violation in found}

    limits = adapter.limits
    assert codes() == set()
    assert codes(segments=(Segment(case.too_long[1:]),)) == set()
    assert codes(segments=()) == {("segments", "segments_missing")}
    assert codes(segments=(Segment(" "),)) == {("segments[0].text", "text_missing")}
    assert codes(segments=(Segment(TEXT), Segment(case.too_long))) == {
        ("segments[1].text", "text_too_long")
    }
    assert codes(first_comment=case.too_long) == {("first_comment", "text_too_long")}
    many = (Segment(TEXT),) * (limits.thread_segments + 1)
    assert codes(segments=many) == {("segments", "too_many_segments")}
    crowd = (image(),) * (limits.images + 1)
    assert codes(segments=(Segment("", crowd),)) == {("segments[0].media", "too_many_images")}
    for odd, code in (
        (image(size_bytes=limits.image_bytes + 1), "image_too_large"),
        (image(mime_type="image/x-odd"), "media_unsupported"),
        (image(alt_text="x" * (limits.alt_text_chars + 1)), "alt_text_too_long"),
    ):
        assert codes(segments=(Segment(TEXT, (odd,)),)) == {("segments[0].media[0]", code)}
    assert codes(options={"no_such": 1}) == {("options.no_such", "unknown_option")}
    assert codes(segments=(Segment(case.too_long),), limits={"text_chars": 5000}) == set()
    assert codes(limits={"text_chars": 3}) == {("segments[0].text", "text_too_long")}


def test_it_says_where_its_facts_come_from(slug: str) -> None:
    adapter = ADAPTERS[slug]
    assert date.fromisoformat(adapter.limits.checked) <= datetime.now(UTC).date()
    assert adapter.limits.source
    assert adapter.slug == slug
    assert adapter.name
    assert adapter.credential_keys
    assert adapter.buckets
    assert {bucket.scope for bucket in adapter.buckets} <= {"connection", "app", "host"}
    assert all(isinstance(category, C) for category in adapter.errors.values())
    assert adapter.options_schema["additionalProperties"] is False


def test_missing_credentials_are_an_error_for_people(slug: str) -> None:
    with fails(C.AUTH_ERROR, C.VALIDATION_ERROR):
        CASES[slug].make("http://127.0.0.1").authorize({})
