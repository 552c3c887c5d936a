"""YouTube: one video per post, uploaded privately ahead and made visible at the moment.

Sources: developers.google.com/youtube/v3 (videos, resumable uploads, errors, quota), the discovery
document of revision 20261104, read 2026-11. Recalled: an upload's session lives about a week, and
uploads of projects that were not audited stay private.

Progress: `sealed.session` is the upload's address, kept before the first byte; `offset` counts the
bytes that are stored; `marker` is a tag that only this upload has; `video` is the id, there when
the last byte is; `uploaded_at` is epoch seconds; `thumbnail`, `playlist` and `processed` tell what
else is done. `published` lists the video, then the first comment.
No video exists before its last byte, and nobody sees it before the flip, which may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Bearer, Http
from platforms.adapters import youtube_post as post
from platforms.adapters.base import (
    Account,
    ApiVersion,
    Bucket,
    Capability,
    Continue,
    Draft,
    Limits,
    Notice,
    Progress,
    Published,
    RetrySafety,
    Safety,
    Violation,
    is_id,
)
from platforms.adapters.checks import draft_violations
from platforms.adapters.youtube_account import YouTubeAccount
from platforms.adapters.youtube_finding import YouTubeFinding
from platforms.adapters.youtube_reading import (
    APP_WIDE,
    ERRORS,
    PACIFIC,
    part_of,
)
from platforms.adapters.youtube_upload import YouTubeUploads, next_step

SCOPE = "https://www.googleapis.com/auth/"
MIB = 1024 * 1024
DAY = timedelta(days=1)


def _units(operation: str, cost: int) -> Bucket:
    """Return the part of the project's daily 10,000 units that one kind of call draws."""
    return Bucket(
        operation, "app", 10_000, DAY, counted=True, cost=cost, pool="units", refilled_in=PACIFIC
    )


class YouTube(YouTubeUploads, YouTubeFinding, YouTubeAccount):
    slug = "youtube"
    name = "YouTube"
    limits = Limits(
        text_chars=5000,
        images=1,
        image_bytes=2 * MIB,
        alt_text_chars=0,
        thread_segments=1,
        checked="2026-11-25",
        source="developers.google.com/youtube/v3/docs/videos, /docs/thumbnails/set",
        image_types=frozenset({"image/jpeg", "image/png"}),
        videos=1,
        video_bytes=256 * 1024 * MIB,
        video_seconds=12 * 3600,
        video_types=frozenset(
            {"video/mp4", "video/quicktime", "video/webm", "video/x-matroska", "video/mpeg"}
        ),
        mixes=True,
        needs_file=True,
        comment_chars=post.COMMENT_CHARS,
    )
    capabilities = frozenset(
        {
            Capability.VIDEOS,
            Capability.IMAGES,
            Capability.FIRST_COMMENT,
            Capability.FIND,
            Capability.DELETE,
            Capability.METRICS,
            Capability.REFRESH,
            Capability.REVOKE,
        }
    )
    errors = ERRORS
    app_wide_codes = APP_WIDE
    # developers.google.com/youtube/v3/determine_quota_cost: three allowances a day and project;
    # chunks and probes of an upload cost nothing.
    buckets = (
        Bucket("insert", "app", 100, DAY, counted=True, refilled_in=PACIFIC),
        _units("publish", 50),
        _units("thumbnail", 50),
        _units("playlist", 51),
        _units("comment", 50),
        _units("delete", 50),
        _units("poll", 1),
        _units("find", 2),
        _units("validate", 1),
        _units("metrics", 1),
    )
    text_unit = "bytes"
    prepare_ahead = timedelta(hours=2)  # long films take their time to upload and to process
    retry_safety = RetrySafety(Safety.KEY, ttl=timedelta(days=7))  # the flip names the video
    credential_keys: ClassVar[Mapping[str, str]] = {
        "access_token": "OAuth 2.0 access token with youtube.upload and youtube.force-ssl",
        "refresh_token?": "Refresh token (asked for with access_type=offline and prompt=consent)",
        "expires_at?": "When the access token ends, ISO 8601",
    }
    required_scopes = frozenset({f"{SCOPE}youtube.upload", f"{SCOPE}youtube.force-ssl"})
    review_gates = (
        "Until Google has audited the project, YouTube keeps everything it uploads private: ask "
        "for the audit with the YouTube API Services compliance form.",
        "While the consent screen is in Testing, every connection ends after 7 days: publish it.",
        "The youtube.upload scope is sensitive: Google verifies the application first, which "
        "takes weeks; before that at most 100 people can connect.",
    )
    options_schema = post.OPTIONS
    config_variables: ClassVar[Mapping[str, str]] = {
        "client_id": "YOUTUBE_CLIENT_ID",
        "client_secret": "YOUTUBE_CLIENT_SECRET",
    }
    post_address = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"

    # --- what the http layer needs ----------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        return self.config.api_base

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token = str(credentials.get("access_token") or "").strip()
        if not token:
            raise ServiceError(C.AUTH_ERROR, "The connection to YouTube has no access token.")
        return Bearer(token)

    def api_versions(self) -> Sequence[ApiVersion]:
        return (ApiVersion("YOUTUBE_API_VERSION", self.config.api_version, None),)

    # --- before publishing --------------------------------------------------------------------
    def excess(self, text: str, limit: int) -> int:
        return post.excess(text, limit)

    def violations(self, draft: Draft) -> list[Violation]:
        found = draft_violations(
            draft, self.limits, self.options_schema, excess=post.excess, unit=self.text_unit
        )
        return [*found, *post.violations(draft)]

    def notices(self, draft: Draft) -> list[Notice]:
        return post.notices(draft)

    def call_kind(self, operation: str, draft: Draft, progress: Progress) -> str:
        if operation == "prepare":
            return next_step(draft, progress)
        return "comment" if progress.get("published") else operation

    def safety(self, draft: Draft, progress: Progress) -> RetrySafety:
        if progress.get("published"):  # a comment cannot be named before it is there
            return RetrySafety(Safety.FIND, ttl=timedelta(), find_lag=timedelta(seconds=60))
        return self.retry_safety

    # --- publishing ---------------------------------------------------------------------------
    async def publish(
        self, http: Http, draft: Draft, progress: Progress, *, key: str
    ) -> Continue | Published:
        done = list(progress.get("published", ()))
        total = len(draft.parts)
        if not done:
            done = [await self._flip(http, draft, progress)]
        elif len(done) < total:
            done.append(await self._comment(http, draft, done[0]))
        progress = {**progress, "published": done}
        if len(done) < total:
            return Continue(progress)
        return Published(tuple(done), post.permalink(draft, done[0]), progress)

    async def _flip(self, http: Http, draft: Draft, progress: Progress) -> str:
        """Make the video visible; doing it twice changes nothing."""
        video_id, wanted = progress.get("video"), post.privacy_of(draft)
        if not is_id(video_id):
            raise ServiceError(C.UNKNOWN, "The video is not uploaded yet.")
        response = await http.put(
            self._path("videos"),
            params={"part": "status"},
            json={"id": video_id, "status": post.status_of(draft, wanted)},
            writes=True,
        )
        if not response.ok:
            error = self.error(response, wrote=True)
            error.starts_over = response.status == 404
            raise error
        answer = response.json_object()
        privacy = part_of(answer, "status").get("privacyStatus")
        if answer.get("id") != video_id or not is_id(privacy):
            raise self.unreadable(response, wrote=True)
        if privacy != wanted:
            raise ServiceError(
                C.PERMISSION,
                f"YouTube keeps the video {privacy}, as it does with all uploads of a project that "
                "Google has not audited. Ask for the audit; until then, make the video visible in "
                "YouTube Studio.",
                provider_code="projectLocked",
                http_status=response.status,
                app_wide=True,
            )
        return video_id

    async def _comment(self, http: Http, draft: Draft, video_id: str) -> str:
        comment = {"snippet": {"textOriginal": draft.first_comment}}
        body = {"snippet": {"videoId": video_id, "topLevelComment": comment}}
        response = await http.post(
            self._path("commentThreads"), params={"part": "snippet"}, json=body, writes=True
        )
        if not response.ok:
            raise self.error(response, wrote=True)
        thread_id = response.json_object().get("id")
        if not is_id(thread_id):
            raise self.unreadable(response, wrote=True)
        return thread_id

    # --- what people see ------------------------------------------------------------------------
    def account_address(self, account: Account) -> str:
        return f"https://www.youtube.com/channel/{account.external_id}"

    def remote_id_in(self, address: str, account: Account) -> str:
        found = post.POST_ADDRESS.fullmatch(address.strip())
        return found["id"] if found else ""
