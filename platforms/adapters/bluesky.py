"""Bluesky: posts as records of the AT Protocol, under keys of our own, at the account's server.

Sources: the lexicons com.atproto.* and app.bsky.*, the reference server's putRecord, getRecord and
rate-limits, docs.bsky.app, read 2026-11. Assumed: that a blob without a post is kept for BLOB_LIFE,
and that an alt text of 2,000 characters is shown.

Progress: `dids` maps mentioned handles to DIDs ("": nobody's); `media` maps "segment.position" to
{"blob", "expires_at" (epoch seconds)}, or to what `bluesky_video` knows of it; `record` is the next
part, frozen before it is sent: {"number", "rkey", "value"}; `lost` lists files whose blobs the
server has collected, `again` is the part they belong to; `published` lists the at:// addresses of
the finished parts, the first comment last, and `cids` their hashes.

A record that is put twice under one key with the same bytes is one record: the key is our
idempotency key, and it does not end. A post whose replies are limited is made in one go with its
gate, by applyWrites, which refuses a key that is taken: there a repeat looks first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from engine import wall_clock
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, Response
from platforms.adapters.base import (
    Bucket,
    Capability,
    Continue,
    Draft,
    Limits,
    Media,
    Processing,
    Progress,
    Published,
    Ready,
    RetrySafety,
    Safety,
    Violation,
)
from platforms.adapters.bluesky_account import BlueskyAccount, BlueskyConfig
from platforms.adapters.bluesky_finding import BlueskyFinding, permalink, progress_with
from platforms.adapters.bluesky_reading import (
    ERRORS,
    written,
)
from platforms.adapters.bluesky_records import (
    count_bytes,
    count_graphemes,
    handles_in,
    new_tid,
    post_record,
    tid_instant,
)
from platforms.adapters.bluesky_repository import Live, Repository
from platforms.adapters.bluesky_video import POLL_AGAIN, VideoUpload
from platforms.adapters.checks import card_violations, draft_violations

TEXT_BYTES = 3000
VIDEO_ALT_CHARS = 1000
BLOB_LIFE = timedelta(minutes=30)
STALE = timedelta(minutes=10)  # readers see posts in the order of createdAt: an old one is buried


class Bluesky(BlueskyAccount, BlueskyFinding):
    slug = "bluesky"
    name = "Bluesky"
    limits = Limits(
        text_chars=300,
        images=4,
        image_bytes=2_000_000,
        alt_text_chars=2000,
        thread_segments=25,  # ours: Bluesky sets no limit
        checked="2026-11-22",
        source="lexicons app.bsky.feed.post, app.bsky.embed.images, app.bsky.embed.video",
        image_types=frozenset({"image/jpeg", "image/png", "image/webp"}),
        videos=1,
        video_bytes=300_000_000,
        video_seconds=180,  # recalled
        video_types=frozenset({"video/mp4"}),
    )
    capabilities = frozenset(
        {
            Capability.THREADS,
            Capability.IMAGES,
            Capability.VIDEOS,
            Capability.ALT_TEXT,
            Capability.FIRST_COMMENT,
            Capability.FIND,
            Capability.DELETE,
            Capability.METRICS,
            Capability.REFRESH,
            Capability.REVOKE,
        }
    )
    errors = ERRORS
    # docs.bsky.app/docs/advanced-guides/rate-limits and the reference server, which counts points:
    # 5,000 an hour and 35,000 a day for an account; putRecord costs 2, deleteRecord 1. Uploads and
    # the rest are counted by our address. Headers tell; other servers may differ.
    buckets = (
        Bucket("publish", "connection", 2500, timedelta(hours=1)),
        Bucket("publish.24h", "connection", 17_500, timedelta(hours=24)),
        Bucket("delete", "connection", 5000, timedelta(hours=1)),
        Bucket("prepare", "host", 1000, timedelta(hours=24)),
        Bucket("refresh", "connection", 30, timedelta(minutes=5)),
        Bucket("other", "host", 3000, timedelta(minutes=5)),
    )
    retry_safety = RetrySafety(Safety.KEY, ttl=timedelta(days=7), find_lag=timedelta(seconds=5))
    credential_keys: ClassVar[Mapping[str, str]] = {
        "handle": "The account's handle, e.g. ada.bsky.social",
        "app_password": "Settings > Privacy and security > App passwords (not the main password)",
        "pds_url?": "Address of the account's server, if it is not one of Bluesky's own",
    }
    text_unit = "characters as people see them (graphemes)"
    options_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "languages": {
                "type": "array",
                "maxItems": 3,
                "items": {
                    "type": "string",
                    "pattern": "[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}",
                    "example": "en or pt-BR",
                },
            },
            "labels": {
                "type": "array",
                "maxItems": 4,
                "items": {"type": "string", "enum": ["sexual", "nudity", "porn", "graphic-media"]},
            },
            "replies_from": {  # left out: everybody; an empty list: nobody
                "type": "array",
                "maxItems": 3,
                "items": {"type": "string", "enum": ["mention", "follower", "following"]},
            },
            "card_url": {
                "type": "string",
                "maxLength": 2000,
                "pattern": r"https?://[^\s/]\S*",
                "example": "https://example.org/page",
            },
            "card_title": {"type": "string", "maxLength": 300},
            "card_description": {"type": "string", "maxLength": 1000},
        },
    }
    prepare_ahead = timedelta(minutes=15)  # videos take a while, blobs do not last
    config_class = BlueskyConfig
    post_address = "https://bsky.app/profile/ada.bsky.social/post/3n2ucocuc22k7"

    # --- before publishing --------------------------------------------------------------------
    def excess(self, text: str, limit: int) -> int:
        return 0 if len(text) <= limit else max(0, count_graphemes(text) - limit)

    def violations(self, draft: Draft) -> list[Violation]:
        found = draft_violations(draft, self.limits, self.options_schema, excess=self.excess)
        named = {violation.field for violation in found}
        texts = [(f"segments[{n}].text", s.text) for n, s in enumerate(draft.segments)]
        for place, text in [*texts, ("first_comment", draft.first_comment)]:
            if place not in named and (size := count_bytes(text)) > TEXT_BYTES:
                message = f"The text has {size:,} bytes; at most {TEXT_BYTES:,} fit. Shorten it."
                found.append(Violation(place, "text_too_many_bytes", message))
        for number, segment in enumerate(draft.segments):
            for position, file in enumerate(segment.media):
                if file.kind == "video" and len(file.alt_text) > VIDEO_ALT_CHARS:
                    message = f"A video's alt text may have at most {VIDEO_ALT_CHARS} characters."
                    place = f"segments[{number}].media[{position}]"
                    found.append(Violation(place, "alt_text_too_long", message))
        return [*found, *card_violations(draft)]

    def needs_preparation(self, draft: Draft) -> bool:
        return bool(draft.files) or any(handles_in(part.text) for part in draft.parts)

    async def prepare(
        self, http: Http, draft: Draft, progress: Progress
    ) -> Continue | Processing | Ready:
        repository = Repository(self, http, draft.account.external_id)
        dids = dict(progress.get("dids", {}))
        for part in draft.parts:
            for handle in handles_in(part.text):
                if handle not in dids:
                    dids[handle] = await repository.did_of(handle)
                    return Continue({**progress, "dids": dids})
        media = progress.get("media", {})
        for place, file in draft.files:
            known = media.get(place, {})
            if "blob" not in known:
                entry = await self._upload(http, draft, file, known)
                if entry is None:
                    return Processing(progress, POLL_AGAIN)
                return Continue({**progress, "media": {**media, place: entry}})
        ends = [entry["expires_at"] for entry in media.values()]
        return Ready(progress, datetime.fromtimestamp(min(ends), UTC) if ends else None)

    async def _upload(
        self, http: Http, draft: Draft, file: Media, known: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        did = draft.account.external_id
        if file.kind != "video":
            return await Repository(self, http, did).upload(file, life=BLOB_LIFE)
        upload = VideoUpload(self, http, self.config.video_url, did, file, BLOB_LIFE)
        return await upload.advance(known)

    # --- publishing ---------------------------------------------------------------------------
    async def publish(
        self, http: Http, draft: Draft, progress: Progress, *, key: str
    ) -> Continue | Published:
        number = len(progress.get("published", ()))
        if number >= len(draft.parts):
            return _published(draft, progress)
        frozen = progress.get("record")
        if frozen is None or frozen["number"] != number or _is_stale(frozen, progress):
            frozen = await self._freeze(http, draft, progress, number)
            return Continue({**progress, "record": frozen})
        if lost := list(progress.get("lost", ())):
            await self._upload(http, draft, dict(draft.files)[lost[0]], {})  # same bytes, same blob
            return Continue({**progress, "lost": lost[1:]})
        repository = Repository(self, http, draft.account.external_id)
        rkey, record = frozen["rkey"], frozen["value"]
        allowed = draft.options.get("replies_from") if number == 0 else None
        if allowed is None:
            response = await repository.put(rkey, record)
        elif progress.get("repeated") and (live := await repository.look(rkey, record)):
            return _with_part(draft, progress, live)
        else:
            response = await repository.create_gated(rkey, record, allowed)
        if not response.ok:
            return await self._refused(repository, draft, progress, response)
        if (live := written(response.json_object())) is None:
            raise self.unreadable(response, wrote=True)
        return _with_part(draft, progress, live)

    async def _refused(
        self, repository: Repository, draft: Draft, progress: Progress, response: Response
    ) -> Continue | Published:
        """Send collected blobs anew, adopt what is live under our key already, else raise."""
        error, frozen = self.error(response, wrote=True), progress["record"]
        number = frozen["number"]
        images = sum(1 for file in draft.parts[number].media if file.kind == "image")
        if error.provider_code == "BlobNotFound":
            error.starts_over = True  # it is not live, or its blobs were kept
        if error.starts_over and images and progress.get("again") != number:
            lost = [f"{number}.{position}" for position in range(images)]
            return Continue({**progress, "lost": lost, "again": number})
        if error.category is C.DUPLICATE:
            live = await repository.look(frozen["rkey"], frozen["value"])
            if live is not None:
                return _with_part(draft, progress, live)
        raise error

    async def _freeze(
        self, http: Http, draft: Draft, progress: Progress, number: int
    ) -> dict[str, Any]:
        """Return the record of part `number` and its key; neither changes from here on."""
        repository = Repository(self, http, draft.account.external_id)
        part, uploaded = draft.parts[number], progress.get("media", {})
        entries = [uploaded.get(f"{number}.{place}", {}) for place in range(len(part.media))]
        if not all("blob" in entry for entry in entries):
            raise ServiceError(C.UNKNOWN, "The files are not uploaded yet.")
        dids = dict(progress.get("dids", {}))
        for handle in handles_in(part.text):
            if handle not in dids:
                dids[handle] = await repository.did_of(handle)
        done, cids = progress.get("published", ()), progress.get("cids", {})
        above = {"root": done[0], "parent": done[-1]} if done else {}
        reply = {
            name: {"uri": uri, "cid": cids[uri]} if uri in cids else await repository.reference(uri)
            for name, uri in above.items()
        }
        now = wall_clock.instant()
        blobs = [entry["blob"] for entry in entries]
        value = post_record(draft, number, blobs, now=now, dids=dids, reply=reply)
        return {"number": number, "rkey": new_tid(now.timestamp()), "value": value}


def _is_stale(frozen: Mapping[str, Any], progress: Progress) -> bool:
    """Say whether a record has waited too long; never of one that may be live already."""
    made_at = tid_instant(frozen["rkey"])
    is_old = made_at is not None and wall_clock.instant() - made_at > STALE
    return is_old and not progress.get("repeated")


def _with_part(draft: Draft, progress: Progress, live: Live) -> Continue | Published:
    """Return the step after one more part is live."""
    progress = progress_with(progress, live)
    if len(progress["published"]) < len(draft.parts):
        return Continue(progress)
    return _published(draft, progress)


def _published(draft: Draft, progress: Progress) -> Published:
    done = tuple(progress["published"])
    return Published(done, permalink(draft, progress), progress)
