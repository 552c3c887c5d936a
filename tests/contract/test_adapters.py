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
    Draft,
    Media,
    Processing,
    Progress,
    Published,
    Ready,
    Safety,
    Segment,
)
from platforms.registry import ADAPTERS
from tests.contract.cases import CASES, TEXT, Case, image, video
from tests.contract.server import (
    DROP,
    HANG,
    RESET,
    Raw,
    Reply,
    Request,
    Scripted,
    Step,
    closed_port,
    serve,
)
from tests.contract.wire import PIXELS

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
        """Return the simplest post, with these texts if any are given."""
        simplest = self.case.segment
        segments = tuple(replace(simplest, text=text) for text in texts) or (simplest,)
        fields = {"segments": segments, "account": self.case.account, "options": self.case.options}
        return Draft(**{**fields, **more})

    def pictured(self) -> Draft:
        return self.draft(segments=(self.case.pictured,))

    def play(self) -> None:
        """Answer everything well from now on."""
        self.server.script = self.case.answer
        self.server.requests.clear()

    def writes(self) -> list[Request]:
        """Return the requests so far that were not mere questions."""
        return [request for request in self.server.requests if request.method != "GET"]

    async def prepared(self, draft: Draft) -> Ready:
        """Run the whole preparation against a friendly network."""
        progress: Progress = {}
        for _ in range(60):
            self.server.requests.clear()
            step = await self.adapter.prepare(self.http, draft, progress)
            assert len(self.writes()) <= 1
            if isinstance(step, Ready):
                return step
            progress = step.progress
        raise AssertionError(f"never ready: {progress}")

    async def published(self, draft: Draft, progress: Progress) -> Published:
        """Run the whole publication against a friendly network; at most one write per call."""
        for number in range(60):
            self.server.requests.clear()
            step: Any = await self.adapter.publish(
                self.http, draft, progress, key=f"k:1:1:{number}"
            )
            assert len(self.writes()) <= 1
            while isinstance(step, Processing):
                step = await self.adapter.check(self.http, draft, step.progress)
            if isinstance(step, Published):
                return step
            progress = step.progress
        raise AssertionError(f"never published: {progress}")

    async def publish(self, http: Http | None = None, **more: Any) -> Any:
        """Make the request that publishes the simplest post."""
        return await self.adapter.publish(
            http or self.http, self.draft(), self.case.progress, key="k:1:1:0", **more
        )

    def calls(self) -> dict[str, Callable[[], Awaitable[Any]]]:
        """Return every operation that this adapter has, by name, ready to be called."""
        adapter, draft, pictured = self.adapter, self.draft(), self.pictured()
        old = {"refresh_token": "r", "access_token": "a"}
        check_progress = self.case.check_progress
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "publish": self.publish,
            "prepare": lambda: adapter.prepare(self.http, pictured, {}),
            "validate": lambda: adapter.validate(self.http),
            "find": lambda: adapter.find(self.http, draft, {}, segment=0, since=SINCE),
            "delete": lambda: adapter.delete(self.http, "1"),
            "metrics": lambda: adapter.metrics(self.http, ["1"]),
            "refresh": lambda: adapter.refresh(self.http, old),
            "check": lambda: adapter.check(self.http, draft, check_progress),
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


def test_a_post_goes_live_with_one_protected_request(slug: str) -> None:
    async def story(stage: Stage) -> None:
        draft = stage.draft()
        assert stage.adapter.needs_preparation(draft) or not draft.files
        stage.play()
        step = await stage.publish()
        assert len(stage.writes()) == 1
        if not stage.case.goes_live:
            assert isinstance(step, Processing)
            assert step.poll_after > timedelta()
            return
        assert isinstance(step, Published)
        assert step.remote_ids == (stage.case.success_id,)
        assert step.permalink.startswith("http")

    tell(slug, story)


def test_a_thread_goes_out_one_protected_request_per_call(slug: str) -> None:
    async def story(stage: Stage) -> None:
        adapter, more = stage.adapter, {}
        texts = ("one", "two") if adapter.limits.thread_segments > 1 else ("one",)
        if Capability.FIRST_COMMENT in adapter.capabilities:
            more = {"first_comment": "three"}
        draft = stage.draft(*texts, **more)
        stage.play()
        ready = await stage.prepared(draft) if draft.files else Ready({})
        step = await stage.published(draft, ready.progress)
        assert len(step.remote_ids) == len(draft.parts)
        assert step.remote_ids[0] == stage.case.success_id

    tell(slug, story)


def test_a_finished_post_is_published_without_a_write(slug: str) -> None:
    async def story(stage: Stage) -> None:
        draft = stage.draft("one", "two")
        stage.play()
        step = await stage.adapter.publish(
            stage.http, draft, {"published": ["1", "2"]}, key="k:1:1:2"
        )
        assert isinstance(step, Published)
        assert step.remote_ids == ("1", "2")
        assert stage.writes() == []

    tell(slug, story)


def test_files_are_prepared_one_request_per_call_and_then_used(slug: str) -> None:
    async def story(stage: Stage) -> None:
        draft = stage.pictured()
        assert stage.adapter.needs_preparation(draft)
        stage.play()
        ready = await stage.prepared(draft)
        if stage.case.uploads_ahead:
            assert ready.expires_at is not None
            assert ready.expires_at > datetime.now(UTC) + timedelta(minutes=10)
        step = await stage.published(draft, ready.progress)
        assert step.remote_ids == (stage.case.success_id,)

    tell(slug, story)


def test_files_that_are_not_uploaded_are_not_left_out(slug: str) -> None:
    async def story(stage: Stage) -> None:
        if not stage.case.uploads_ahead:
            stage.play()
            await stage.adapter.publish(stage.http, stage.pictured(), {}, key="k:1:1:0")
            assert PIXELS in stage.server.requests[0].body
            return
        with fails(C.UNKNOWN, C.MEDIA_ERROR):
            await stage.adapter.publish(stage.http, stage.pictured(), {}, key="k:1:1:0")
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
                is_whole = len(body) < 2**20 and not (status == 204 and body)
                if not stage.case.body_matters and is_whole:
                    assert isinstance(await stage.publish(), Processing | Published)
                    continue
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
                    nothing = stage.case.listed_nothing
                    assert found is None
                    assert nothing is not None
                    assert Reply(200, body).encode() == nothing.encode()
                elif name != "publish" or stage.case.body_matters:
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
        assert stage.server.requests

    if Capability.FIND in ADAPTERS[slug].capabilities:
        assert CASES[slug].listed_nothing is not None
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
                assert dict(result[0].values) == dict(stage.case.counters)
            elif name == "refresh":
                assert result["access_token"] == "new-access"
                assert not stage.case.rotates or result["refresh_token"] == "new-refresh"
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
    if Capability.IDEMPOTENCY_KEY in adapter.capabilities:
        assert adapter.retry_safety.kind is Safety.KEY
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
    simplest, limits = case.segment, adapter.limits

    def codes(*segments: Segment, **more: Any) -> set[tuple[str, str]]:
        fields = {"account": case.account, "options": case.options}
        draft = Draft(**{"segments": segments or (simplest,), **fields, **more})
        found = adapter.violations(draft)
        assert all(violation.message.endswith(".") for violation in found)
        return {(violation.field, violation.code) for violation in found}

    def saying(text: str) -> Segment:
        return replace(simplest, text=text)

    assert codes() == set()
    assert codes(saying(case.too_long[1:])) == set()
    assert codes(segments=()) == {("segments", "segments_missing")}
    nothing = ("media", "file_missing") if limits.needs_file else ("text", "text_missing")
    assert codes(Segment(" ")) == {(f"segments[0].{nothing[0]}", nothing[1])}
    assert codes(saying(case.too_long)) == {("segments[0].text", "text_too_long")}
    assert codes(saying(case.too_long), limits={"text_chars": 90_000}) == set()
    assert codes(limits={"text_chars": 3}) == {("segments[0].text", "text_too_long")}
    many = (simplest,) * (limits.thread_segments + 1)
    assert codes(*many) == {("segments", "too_many_segments")}
    comment = ("first_comment", "first_comment_unsupported")
    if Capability.FIRST_COMMENT in adapter.capabilities:
        comment = ("first_comment", "text_too_long")
    assert codes(first_comment=case.too_long * 10) == {comment}
    assert codes(options={**case.options, "no_such": 1}) == {("options.no_such", "unknown_option")}


@pytest.mark.parametrize("kind", ["image", "video", "gif"])
def test_files_that_do_not_fit_are_named_before_scheduling(slug: str, kind: str) -> None:
    adapter, case = CASES[slug].make("http://127.0.0.1"), CASES[slug]
    limits = adapter.limits
    address = "https://files.example/1"
    files = {
        "image": image(url=address),
        "video": video(100_000, url=address),
        "gif": image(kind="gif", mime_type="image/gif", url=address),
    }
    good = next((file for file in case.pictured.media if file.kind == kind), files[kind])

    def codes(*media: Media) -> set[tuple[str, str]]:
        needed = [file for file in case.beside if file.kind != kind]
        segments = (Segment(TEXT, (*media, *needed)),)
        draft = Draft(segments=segments, account=case.account, options=case.options)
        return {(violation.field, violation.code) for violation in adapter.violations(draft)}

    most = getattr(limits, f"{kind}s")
    first = "segments[0].media[0]"
    if not most:
        assert (first, "media_unsupported") in codes(good)
        return
    assert codes(good) == set()
    assert ("segments[0].media", f"too_many_{kind}s") in codes(*(good,) * (most + 1))
    size = getattr(limits, f"{kind}_bytes")
    assert (first, f"{kind}_too_large") in codes(replace(good, size_bytes=size + 1))
    assert (first, "media_unsupported") in codes(replace(good, mime_type=f"{kind}/x-odd"))
    if limits.alt_text_chars:
        odd = replace(good, alt_text="x" * (limits.alt_text_chars + 1))
        assert (first, "alt_text_too_long") in codes(odd)


def test_text_is_counted_as_it_is_judged(slug: str) -> None:
    adapter, case = CASES[slug].make("http://127.0.0.1"), CASES[slug]
    limit = adapter.limits.text_chars
    assert adapter.excess(case.too_long, limit) == 1
    assert adapter.length(case.too_long) == limit + 1
    assert adapter.length("") == 0
    assert adapter.text_unit


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
