"""The sandbox's own network: for demos, first steps and tests; nothing leaves the machine.

Source: the reference page in `sandbox/own.py`, read 2026-11-22.

Progress: `media` maps "segment.position" to {"id", "expires_at" (epoch seconds)}; `published`
lists the ids of the finished posts, the first comment last; `permalink` is the first one's
address; `processing` is the id of a post that the network still works on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Bearer, Http, Part, Response
from platforms.adapters.base import (
    Account,
    Adapter,
    Bucket,
    Capability,
    Continue,
    Draft,
    ErrorTable,
    Limits,
    Media,
    Processing,
    Progress,
    Published,
    RateHint,
    Ready,
    RetrySafety,
    Safety,
    Violation,
    is_id,
    spoken_for,
)
from platforms.adapters.checks import draft_violations

ERRORS: ErrorTable = {  # (status, the sandbox's code) -> category
    (400, ""): C.VALIDATION_ERROR,
    (401, ""): C.AUTH_ERROR,
    (403, ""): C.PERMISSION,
    (404, ""): C.VALIDATION_ERROR,
    (413, ""): C.MEDIA_ERROR,
    (415, ""): C.MEDIA_ERROR,
    (422, ""): C.VALIDATION_ERROR,
    (422, "media_not_found"): C.MEDIA_ERROR,
    (429, ""): C.RATE_LIMIT,
}
MEDIA_LIFE = timedelta(hours=24)
POLL_AFTER = timedelta(seconds=1)
FIND_LIMIT = 100
POST_ADDRESS = re.compile(r"^https?://[^/]+/#sandbox-(?P<id>[\w-]+)$")


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Where the sandbox runs."""

    api_base: str = "http://127.0.0.1:8010"


class Sandbox(Adapter):
    slug = "sandbox"
    name = "Sandbox"
    limits = Limits(
        text_chars=500,
        images=4,
        image_bytes=5 * 1024 * 1024,
        alt_text_chars=1000,
        thread_segments=25,
        checked="2026-11-22",
        source="sandbox/own.py",
    )
    capabilities = frozenset(
        {
            Capability.THREADS,
            Capability.IMAGES,
            Capability.ALT_TEXT,
            Capability.FIRST_COMMENT,
            Capability.IDEMPOTENCY_KEY,
            Capability.FIND,
            Capability.DELETE,
        }
    )
    errors = ERRORS
    buckets = (
        Bucket("publish", "connection", 1000, timedelta(minutes=1)),
        Bucket("prepare", "connection", 300, timedelta(minutes=1)),
        Bucket("other", "connection", 3000, timedelta(minutes=1)),
    )
    retry_safety = RetrySafety(Safety.KEY, ttl=timedelta(hours=24))
    credential_keys: ClassVar[Mapping[str, str]] = {
        "access_token": "demo-<name>, for example demo-ada: the token names the account",
    }
    options_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {},
    }
    config_class = SandboxConfig
    post_address = "http://127.0.0.1:8010/#sandbox-4711"
    config: SandboxConfig

    # --- what the http layer needs ----------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        return f"{self.config.api_base}/sandbox"

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token = str(credentials.get("access_token") or "").strip()
        if not token:
            raise ServiceError(C.AUTH_ERROR, "The connection to the sandbox has no access token.")
        return Bearer(token)

    def rate_hints(self, response: Response) -> Sequence[RateHint]:
        names = ("limit", "remaining", "reset")
        values = [response.headers.get(f"ratelimit-{name}", "") for name in names]
        if not all(value.isdecimal() and len(value) < 10 for value in values):
            return ()
        limit, remaining, seconds = map(int, values)
        resets_at = response.received_at + timedelta(seconds=seconds)
        return (RateHint(_operation(response), "connection", limit, remaining, resets_at),)

    # --- before publishing --------------------------------------------------------------------
    def violations(self, draft: Draft) -> list[Violation]:
        return draft_violations(
            draft,
            self.limits,
            self.options_schema,
            excess=self.excess,
        )

    async def prepare(self, http: Http, draft: Draft, progress: Progress) -> Continue | Ready:
        media = dict(progress.get("media", {}))
        for place, file in draft.files:
            if place not in media:
                media[place] = await self._upload(http, file)
                return Continue({**progress, "media": media})
        ends = [entry["expires_at"] for entry in media.values()]
        return Ready(progress, datetime.fromtimestamp(min(ends), UTC) if ends else None)

    async def _upload(self, http: Http, file: Media) -> dict[str, Any]:
        name = file.file_name or "image"
        parts = [Part("file", file.read, file.size_bytes, name, file.mime_type)]
        if file.alt_text:
            parts.append(Part("alt_text", file.alt_text))
        response = await http.post("/media", multipart=parts)
        if not response.ok:
            raise self.error(response, upload=True)
        media_id = response.json_object().get("id")
        if not is_id(media_id):
            raise self.unreadable(response)
        return {"id": media_id, "expires_at": int((response.received_at + MEDIA_LIFE).timestamp())}

    # --- publishing ---------------------------------------------------------------------------
    async def publish(
        self, http: Http, draft: Draft, progress: Progress, *, key: str
    ) -> Continue | Processing | Published:
        done = list(progress.get("published", ()))
        if len(done) < len(draft.parts):
            response = await http.post(
                "/posts",
                json=self._body(draft, progress, done),
                headers={"Idempotency-Key": key},
                writes=True,
            )
            if not response.ok:
                raise self.error(response, wrote=True)
            post = response.json_object()
            if not is_id(post.get("id")):
                raise self.unreadable(response, wrote=True)
            if post.get("status") == "processing":
                return Processing({**progress, "processing": post["id"]}, POLL_AFTER)
            progress = _with_post(progress, post)
        return _next_step(draft, progress)

    def _body(self, draft: Draft, progress: Progress, done: Sequence[str]) -> dict[str, Any]:
        number = len(done)
        part = draft.parts[number]
        body: dict[str, Any] = {"text": part.text}
        if part.media:
            uploaded = progress.get("media", {})
            places = [f"{number}.{position}" for position in range(len(part.media))]
            if not all(place in uploaded for place in places):
                raise ServiceError(C.UNKNOWN, "The images are not uploaded yet.")
            body["media"] = [uploaded[place]["id"] for place in places]
        if done:
            body["reply_to"] = done[-1]
        return body

    async def check(
        self, http: Http, draft: Draft, progress: Progress
    ) -> Processing | Ready | Published:
        if post_id := progress.get("processing"):
            response = await http.get(f"/posts/{post_id}")
            if not response.ok:
                raise self.error(response)
            post = response.json_object()
            if post.get("status") == "processing":
                return Processing(progress, POLL_AFTER)
            if post.get("status") != "published" or post.get("id") != post_id:
                raise self.unreadable(response)
            progress = _with_post(progress, post)
        step = _next_step(draft, progress)
        return step if isinstance(step, Published) else Ready(step.progress)

    async def find(
        self, http: Http, draft: Draft, progress: Progress, *, segment: int, since: datetime
    ) -> Published | None:
        done = list(progress.get("published", ()))
        wanted = draft.parts[segment]
        parent = done[segment - 1] if 0 < segment <= len(done) else None
        params = {"since": since.astimezone(UTC).isoformat(), "limit": str(FIND_LIMIT)}
        response = await http.get("/posts", params=params)
        if not response.ok:
            raise self.error(response)
        posts = response.json_object().get("posts")
        if not isinstance(posts, list) or not all(_is_post(post) for post in posts):
            raise self.unreadable(response, wrote=True)
        others = spoken_for(progress)
        for post in posts:
            if (
                post["id"] not in others
                and post.get("reply_to") == parent
                and len(post.get("media") or ()) == len(wanted.media)
                and str(post.get("text") or "").strip() == wanted.text.strip()
            ):
                progress = _with_post(progress, post)
                return Published((post["id"],), str(progress.get("permalink") or ""), progress)
        if len(posts) >= FIND_LIMIT:
            raise ServiceError(C.OUTCOME_UNKNOWN, "The account has too many posts to look through.")
        return None

    # --- what people see ------------------------------------------------------------------------
    def account_address(self, account: Account) -> str:
        return f"{self.config.api_base}/?account={account.username}"

    def remote_id_in(self, address: str, account: Account) -> str:
        found = POST_ADDRESS.search(address.strip())
        return found["id"] if found else ""

    # --- the account ----------------------------------------------------------------------------
    async def validate(self, http: Http) -> Account:
        response = await http.get("/me")
        if not response.ok:
            raise self.error(response)
        found = response.json_object()
        if not is_id(found.get("id")) or not is_id(found.get("username")):
            raise self.unreadable(response)
        return Account(found["id"], found["username"], str(found.get("name") or ""))

    async def delete(self, http: Http, remote_id: str) -> None:
        response = await http.delete(f"/posts/{remote_id}")
        if not response.ok and response.status != 404:
            raise self.error(response)

    # --- errors -----------------------------------------------------------------------------
    def provider_code(self, response: Response) -> str:
        return str(_error(response).get("code") or "")

    def explain(self, response: Response) -> str:
        reason = _error(response).get("message")
        if isinstance(reason, str) and reason:
            return f"The sandbox answered HTTP {response.status}: {reason}"
        return super().explain(response)


def _error(response: Response) -> dict[str, Any]:
    found = response.json_object().get("error")
    return found if isinstance(found, dict) else {}


def _with_post(progress: Progress, post: Mapping[str, Any]) -> dict[str, Any]:
    """Return the progress with one more finished post."""
    done = list(progress.get("published", ()))
    known = {name: value for name, value in progress.items() if name != "processing"}
    if not done and isinstance(post.get("url"), str):
        known["permalink"] = post["url"]
    return {**known, "published": [*done, post["id"]]}


def _next_step(draft: Draft, progress: Progress) -> Continue | Published:
    done = tuple(progress.get("published", ()))
    if len(done) < len(draft.parts):
        return Continue(progress)
    return Published(done, str(progress.get("permalink") or ""), progress)


def _is_post(entry: Any) -> bool:
    return isinstance(entry, dict) and is_id(entry.get("id"))


def _operation(response: Response) -> str:
    if response.method == "POST":
        return "prepare" if response.path.endswith("/media") else "publish"
    return "other"
