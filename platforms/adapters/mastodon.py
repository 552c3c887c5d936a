"""Mastodon: statuses with an Idempotency-Key, media v2, threads, on the server the user names.

Source: docs.joinmastodon.org for Mastodon 4.6 (methods statuses, media, accounts, instance;
user/posting for counting), read 2026-11.

Progress: `media` maps "segment.position" to {"id", "ready", "since" and "expires_at" (epoch
seconds)}; `published` lists the ids of the finished statuses, the first comment last; `permalink`
is the first one's address. Servers keep a key for at most an hour, and compatible software may not
keep it at all (`per_server`). Unattached media is purged after about a day (recalled); we trust
20 hours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Bearer, Http, Part, Response
from platforms.adapters.base import (
    Account,
    Bucket,
    Capability,
    Continue,
    Draft,
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
)
from platforms.adapters.checks import draft_violations
from platforms.adapters.mastodon_account import MastodonAccount
from platforms.adapters.mastodon_finding import MastodonFinding, permalink, with_status
from platforms.adapters.mastodon_reading import ERRORS, TEXTS, excess, operation_of, reset_of

MEDIA_LIFE = timedelta(hours=20)
POLL_AGAIN = timedelta(seconds=5)
PATIENCE = timedelta(minutes=30)  # ours: a server transcodes a video in some minutes
UPLOAD_DEADLINE = timedelta(seconds=100)  # a file goes in one request; a claim lasts 120 s
PIXELS = {"image": 33_177_600, "video": 8_294_400}  # GIFs become videos, but are judged as images
STATUS_PATH = re.compile(
    r"/(?:web/)?(?:@[\w.-]+|users/[\w.-]+/statuses|statuses)/(?P<id>\d+)(?:[/?#].*)?"
)


class Mastodon(MastodonFinding, MastodonAccount):
    slug = "mastodon"
    name = "Mastodon"
    limits = Limits(
        text_chars=500,
        images=4,
        image_bytes=16 * 1024 * 1024,
        videos=1,
        video_bytes=99 * 1024 * 1024,
        video_types=frozenset({"video/mp4", "video/quicktime", "video/webm"}),
        gifs=1,
        gif_bytes=16 * 1024 * 1024,
        alt_text_chars=1500,
        thread_segments=25,  # ours: Mastodon sets no limit
        checked="2026-11-22",
        source="docs.joinmastodon.org/entities/Instance, /user/posting; per server",
    )
    capabilities = frozenset(
        {
            Capability.THREADS,
            Capability.IMAGES,
            Capability.VIDEOS,
            Capability.GIFS,
            Capability.ALT_TEXT,
            Capability.FIRST_COMMENT,
            Capability.IDEMPOTENCY_KEY,
            Capability.FIND,
            Capability.DELETE,
            Capability.METRICS,
        }
    )
    errors = ERRORS
    buckets = (  # docs.joinmastodon.org/api/rate-limits; servers may differ, headers tell
        Bucket("publish", "connection", 300, timedelta(hours=3)),
        Bucket("prepare", "connection", 30, timedelta(minutes=30)),
        Bucket("delete", "connection", 30, timedelta(minutes=30)),
        Bucket("other", "connection", 300, timedelta(minutes=5)),
    )
    retry_safety = RetrySafety(Safety.KEY, ttl=timedelta(minutes=60), per_server=True)
    credential_keys: ClassVar[Mapping[str, str]] = {
        "instance_url": "Address of the server, e.g. https://mastodon.social",
        "access_token": "Settings > Development: scopes read, write:statuses, write:media",
    }
    prepare_ahead = timedelta(minutes=30)  # videos are transcoded; files are kept for a day
    post_address = "https://mastodon.social/@ada/1234567890"
    required_scopes = frozenset({"write:statuses"})
    options_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "visibility": {"type": "string", "enum": ["public", "unlisted", "private"]},
            "spoiler_text": {"type": "string", "maxLength": 500},
            "sensitive": {"type": "boolean"},
            "language": {"type": "string", "maxLength": 3},
        },
    }

    # --- what the http layer needs ----------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        address = str(credentials.get("instance_url") or "").strip().rstrip("/")
        return address if "://" in address else f"https://{address}"

    def user_given_host(self) -> bool:
        return True

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token = str(credentials.get("access_token") or "").strip()
        if not token:
            raise ServiceError(C.AUTH_ERROR, "The connection to Mastodon has no access token.")
        return Bearer(token)

    def rate_hints(self, response: Response) -> Sequence[RateHint]:
        headers = response.headers
        remaining, limit = (
            headers.get("x-ratelimit-remaining", ""),
            headers.get("x-ratelimit-limit"),
        )
        reset = reset_of(response)
        if reset is None or not remaining.isdecimal():
            return ()
        known = int(limit) if limit and limit.isdecimal() else None
        return (RateHint(operation_of(response), "connection", known, int(remaining), reset),)

    # --- before publishing --------------------------------------------------------------------
    def excess(self, text: str, limit: int) -> int:
        return excess(text, limit)

    def violations(self, draft: Draft) -> list[Violation]:
        spoiler = str(draft.options.get("spoiler_text") or "")
        found = draft_violations(
            draft,
            self.limits,
            self.options_schema,
            excess=lambda text, limit: excess(spoiler + text, limit) if text else 0,
        )
        for place, file in draft.files:
            kind = "video" if file.kind == "video" else "image"
            most = draft.limits.get(f"{kind}_pixels", PIXELS[kind])
            if file.width * file.height > most:
                place = "segments[{}].media[{}]".format(*place.split("."))
                message = f"The {file.kind} has more than {most:,} pixels. Make it smaller."
                found.append(Violation(place, f"{file.kind}_too_large", message))
        return found

    async def prepare(
        self, http: Http, draft: Draft, progress: Progress
    ) -> Continue | Processing | Ready:
        media = dict(progress.get("media", {}))
        for place, file in draft.files:
            known = media.get(place)
            if known is None:
                media[place] = await self._upload(http, file)
                return Continue({**progress, "media": media})
            if not known["ready"]:
                is_kept = await self._is_kept(http, known)
                if is_kept is None:
                    return Processing(progress, POLL_AGAIN)
                if is_kept:
                    media[place] = {**known, "ready": True}
                else:
                    del media[place]
                return Continue({**progress, "media": media})
        ends = [entry["expires_at"] for entry in media.values()]
        return Ready(progress, datetime.fromtimestamp(min(ends), UTC) if ends else None)

    async def _upload(self, http: Http, file: Media) -> dict[str, Any]:
        name = file.file_name or "image"
        parts = [Part("file", file.read, file.size_bytes, name, file.mime_type)]
        if file.alt_text:
            parts.append(Part("description", file.alt_text))
        path = "/api/v2/media"
        response = await http.post(path, multipart=parts, timeout=UPLOAD_DEADLINE)
        if not response.ok:
            raise self.error(response, upload=True)
        media_id = response.json_object().get("id")
        if not is_id(media_id):
            raise self.unreadable(response)
        since = int(response.received_at.timestamp())
        ready = response.status != 202  # 202: accepted, still being processed
        ends = since + int(MEDIA_LIFE.total_seconds())
        return {"id": media_id, "ready": ready, "since": since, "expires_at": ends}

    async def _is_kept(self, http: Http, known: Mapping[str, Any]) -> bool | None:
        """Say whether a processed file is still there; None while it is being processed."""
        response = await http.get(f"/api/v1/media/{known['id']}")
        if response.status == 206:
            if response.received_at.timestamp() - known["since"] < PATIENCE.total_seconds():
                return None
            minutes = PATIENCE.total_seconds() / 60
            detail = f"The server has worked on the file for more than {minutes:.0f} minutes."
            raise ServiceError(C.MEDIA_ERROR, detail, http_status=206)
        if not response.ok and response.status != 404:
            raise self.error(response, upload=True)
        return response.ok

    # --- publishing ---------------------------------------------------------------------------
    async def publish(
        self, http: Http, draft: Draft, progress: Progress, *, key: str
    ) -> Continue | Published:
        done = list(progress.get("published", ()))
        if len(done) < len(draft.parts):
            response = await http.post(
                "/api/v1/statuses",
                json=self._body(draft, progress, done),
                headers={"Idempotency-Key": key},
                writes=True,
            )
            if not response.ok:
                raise self.error(response, wrote=True)
            status = response.json_object()
            if not is_id(status.get("id")):
                raise self.unreadable(response, wrote=True)
            progress = with_status(progress, done, status)
            done.append(status["id"])
        if len(done) < len(draft.parts):
            return Continue(progress)
        return Published(tuple(done), permalink(draft, progress, done[0]), progress)

    def _body(self, draft: Draft, progress: Progress, done: Sequence[str]) -> dict[str, Any]:
        number = len(done)
        part = draft.parts[number]
        body: dict[str, Any] = {"status": part.text}
        for name in self.options_schema["properties"]:
            if name in draft.options:
                body[name] = draft.options[name]
        if part.media:
            uploaded = progress.get("media", {})
            places = [f"{number}.{position}" for position in range(len(part.media))]
            if not all(uploaded.get(place, {}).get("ready") for place in places):
                raise ServiceError(C.UNKNOWN, "The files are not uploaded yet.")
            body["media_ids"] = [uploaded[place]["id"] for place in places]
        if done:
            body["in_reply_to_id"] = done[-1]
        return body

    # --- what people see ------------------------------------------------------------------------
    def account_address(self, account: Account) -> str:
        return f"{account.instance_url}/@{account.username}" if account.instance_url else ""

    def remote_id_in(self, address: str, account: Account) -> str:
        """Read the address on the account's own server: elsewhere the post has another id."""
        home = account.instance_url.rstrip("/")
        rest = address.strip().removeprefix(home) if home else ""
        found = STATUS_PATH.fullmatch(rest)
        return found["id"] if found else ""

    # --- errors -----------------------------------------------------------------------------
    def provider_code(self, response: Response) -> str:
        text = str(response.json_object().get("error") or "").lower()
        return next((code for words, code in TEXTS if words in text), "")

    def retry_after(self, response: Response) -> timedelta | None:
        """Mastodon tells the end of the window, as an ISO instant, and no Retry-After."""
        reset = reset_of(response)
        if response.retry_after is not None or response.status != 429 or reset is None:
            return response.retry_after
        return response.wait_until(reset)

    def explain(self, response: Response) -> str:
        answer = response.json_object()
        reason = answer.get("error_description") or answer.get("error")
        if isinstance(reason, str) and reason:
            return f"Mastodon answered HTTP {response.status}: {reason}"
        return super().explain(response)
