"""TikTok: a video whose last chunk publishes it, or photos that TikTok fetches; then it works.

Sources: developers.tiktok.com (content posting API, display API, oauth, media transfer guide), read
2026-11. Recalled: an upload's address lives an hour; the revoke path; how videos are listed.

Progress: `creator` is what TikTok says the account may do; `publish_id` names the post, kept before
any byte; `sealed.upload_url` takes the bytes; `chunk` and `count` are the plan and `sent` counts
the finished chunks; `opened_at` is epoch seconds. `tries` counts how often the last chunk may have
been sent, `answered` says that it was received; `complete_at` is when TikTok was done.
`published` has the post's id, or its publish_id where TikTok gives none (private, drafts).
A publish_id makes one post however often it is asked about. What it has once got, it has: after
the last chunk it is only asked about, and a new one is opened only when it cannot publish any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Bearer, Http, Response
from platforms.adapters import tiktok_post as post
from platforms.adapters.base import (
    ApiVersion,
    Bucket,
    Capability,
    Draft,
    Limits,
    Notice,
    Processing,
    Progress,
    Published,
    Ready,
    RetrySafety,
    Safety,
    Violation,
    is_id,
)
from platforms.adapters.checks import draft_violations
from platforms.adapters.tiktok_account import TikTokAccount
from platforms.adapters.tiktok_finding import LISTS_LATE, TikTokFinding
from platforms.adapters.tiktok_reading import (
    APP_WIDE,
    ERRORS,
    first_id,
)
from platforms.adapters.tiktok_upload import UPLOAD_LIFE, next_step, video_in

MINUTE = timedelta(minutes=1)
LAST_CHUNK_TRIES = 3
ID_PATIENCE = timedelta(minutes=10)  # ours: moderation may take hours, the post is out before
POLLS = (timedelta(seconds=5), timedelta(seconds=15), timedelta(seconds=60))


class TikTok(TikTokFinding, TikTokAccount):
    slug = "tiktok"
    name = "TikTok"
    limits = Limits(
        text_chars=2200,
        images=35,
        image_bytes=20 * 1000 * 1000,
        alt_text_chars=0,
        thread_segments=1,
        checked="2026-11-25",
        source="developers.tiktok.com/doc/content-posting-api-media-transfer-guide, direct post",
        image_types=frozenset({"image/jpeg", "image/webp"}),
        videos=1,
        video_bytes=4 * 1000 * 1000 * 1000,
        video_seconds=600,
        video_types=frozenset({"video/mp4", "video/quicktime", "video/webm"}),
        needs_file=True,
    )
    capabilities = frozenset(
        {
            Capability.VIDEOS,
            Capability.IMAGES,
            Capability.FIND,
            Capability.METRICS,
            Capability.REFRESH,
            Capability.REVOKE,
        }
    )
    errors = ERRORS
    app_wide_codes = APP_WIDE
    buckets = (  # developers.tiktok.com/doc/tiktok-api-v2-rate-limit; per token and minute
        Bucket("init", "connection", 6, MINUTE, counted=True),
        Bucket("publish", "connection", 6, MINUTE, counted=True),  # photos: an init of their own
        Bucket("creator_info", "connection", 20, MINUTE, counted=True),
        Bucket("find", "connection", 30, MINUTE, counted=True),
        Bucket("status", "connection", 30, MINUTE, counted=True, pool="find"),
        Bucket("metrics", "app", 600, MINUTE, counted=True),
        Bucket("validate", "app", 600, MINUTE, counted=True),
    )
    text_unit = "characters (emoji count double)"
    prepare_ahead = timedelta(minutes=30)  # an upload's address lives an hour
    retry_safety = RetrySafety(Safety.KEY, ttl=timedelta(hours=24), find_lag=LISTS_LATE)
    credential_keys: ClassVar[Mapping[str, str]] = {
        "access_token": "Access token with user.info.basic, user.info.profile, user.info.stats, "
        "video.publish, video.upload and video.list",
        "refresh_token?": "Refresh token; it changes with every refresh",
        "expires_at?": "When the access token ends, ISO 8601",
    }
    required_scopes = frozenset({"user.info.basic", "user.info.profile", "video.publish"})
    review_gates = (
        "Until TikTok has audited the application, at most 5 accounts a day may post through it, "
        "visible to themselves only (SELF_ONLY), and the accounts must be private; the audit takes "
        "weeks.",
        "TikTok fetches photos only from an address that is verified in its developer portal.",
        "Scopes are fixed when an account is connected: ask for all of them in the portal first.",
    )
    options_schema = post.OPTIONS
    config_variables: ClassVar[Mapping[str, str]] = {
        "client_id": "TIKTOK_CLIENT_ID",
        "client_secret": "TIKTOK_CLIENT_SECRET",
    }
    post_address = "https://www.tiktok.com/@ada/video/7400000000000000001"

    # --- what the http layer needs ----------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        return self.config.api_base

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token = str(credentials.get("access_token") or "").strip()
        if not token:
            raise ServiceError(C.AUTH_ERROR, "The connection to TikTok has no access token.")
        return Bearer(token)

    def api_versions(self) -> Sequence[ApiVersion]:
        return (ApiVersion("TIKTOK_API_VERSION", self.config.api_version, None),)

    # --- before publishing --------------------------------------------------------------------
    def excess(self, text: str, limit: int) -> int:
        return post.excess(text, limit)

    def violations(self, draft: Draft) -> list[Violation]:
        limits = self.limits
        if any(file.kind == "image" for _, file in draft.files):
            limits = replace(limits, text_chars=post.PHOTO_TEXT_UNITS)
        found = draft_violations(
            draft,
            limits,
            self.options_schema,
            excess=post.excess,
            unit=self.text_unit,
            comments=False,
        )
        if post.is_draft_mode(draft):  # chosen in TikTok's app
            found = [violation for violation in found if violation.code != "option_missing"]
        return [*found, *post.violations(draft)]

    def notices(self, draft: Draft) -> list[Notice]:
        return post.notices(draft)

    def call_kind(self, operation: str, draft: Draft, progress: Progress) -> str:
        return next_step(draft, progress) if operation == "prepare" else operation

    def safety(self, draft: Draft, progress: Progress) -> RetrySafety:
        if post.video_of(draft) is None and not progress.get("publish_id"):
            # TikTok fetches photos at once: without an answer nothing names the post.
            return RetrySafety(Safety.FIND, ttl=timedelta(), find_lag=LISTS_LATE)
        return self.retry_safety

    # --- publishing ---------------------------------------------------------------------------
    async def publish(
        self, http: Http, draft: Draft, progress: Progress, *, key: str
    ) -> Processing | Published:
        if done := tuple(progress.get("published", ())):
            return Published(done, self.account_address(draft.account), progress)
        if next_step(draft, progress) != "ready":
            raise ServiceError(C.UNKNOWN, "The files are not prepared yet.")
        if post.video_of(draft) is None:
            if is_id(progress.get("publish_id")):
                return Processing(progress, POLLS[0])
            return await self._publish_photos(http, draft, progress)
        if progress.get("repeated"):  # it may have arrived: only asking tells
            tries = progress.get("tries", 0) + 1
            return Processing({**progress, "tries": tries}, POLLS[0])
        number = progress["count"] - 1
        response = await self._put(http, video_in(draft), progress, number, writes=True)
        if not response.ok:
            raise self._upload_error(response, last=True, tried=bool(progress.get("tries")))
        return Processing({**progress, "answered": True, **_since(response)}, POLLS[0])

    async def _publish_photos(self, http: Http, draft: Draft, progress: Progress) -> Processing:
        body = post.photo_init(draft, progress.get("creator", {}))
        response = await http.post(self._path("post/publish/content/init/"), json=body, writes=True)
        publish_id = self._data(response, wrote=True).get("publish_id")
        if not is_id(publish_id):
            raise self.unreadable(response, wrote=True)
        return Processing({**progress, "publish_id": publish_id, **_since(response)}, POLLS[0])

    async def check(
        self, http: Http, draft: Draft, progress: Progress
    ) -> Processing | Ready | Published:
        publish_id = progress["publish_id"]
        response = await self._ask_status(http, publish_id)
        data = self._data(response)
        match data.get("status"):
            case "PUBLISH_COMPLETE":
                return self._complete(draft, progress, data, response)
            case "SEND_TO_USER_INBOX":
                return self._published(draft, progress, publish_id)
            case "FAILED":
                raise self._failure(response, str(data.get("fail_reason") or "unknown"))
            case "PROCESSING_UPLOAD" if not progress.get("answered") and "chunk" in progress:
                return self._last_chunk_missing(draft, progress, data, response)
            case "PROCESSING_UPLOAD" | "PROCESSING_DOWNLOAD":
                return _still(progress, response)
        raise self.unreadable(response)

    def _complete(
        self, draft: Draft, progress: Progress, data: Mapping[str, Any], response: Response
    ) -> Processing | Published:
        """End with the post's id; if there is none yet, look for it a while longer."""
        if found := first_id(data):
            return self._published(draft, progress, found)
        is_private = draft.options.get("privacy_level") == "SELF_ONLY" or post.is_draft_mode(draft)
        now = int(response.received_at.timestamp())
        since = progress.get("complete_at", now)
        if is_private or now - since > ID_PATIENCE.total_seconds():
            return self._published(draft, progress, progress["publish_id"])
        return _still({**progress, "complete_at": since}, response)

    def _last_chunk_missing(
        self, draft: Draft, progress: Progress, data: Mapping[str, Any], response: Response
    ) -> Processing | Ready:
        """Send the last chunk again while its address lives; it can only complete the same post.

        Once the address is over nothing can arrive late any more, and a new upload is safe.
        """
        opened = datetime.fromtimestamp(progress["opened_at"], UTC)
        uploaded = data.get("uploaded_bytes")
        if isinstance(uploaded, int) and uploaded >= video_in(draft).size_bytes:
            return _still(progress, response)
        if response.received_at > opened + 2 * UPLOAD_LIFE:
            detail = "TikTok never received all of the video; it is uploaded anew."
            raise self._verdict(
                response, C.SERVER_ERROR, "upload_expired", detail, starts_over=True
            )
        is_open = response.received_at < opened + UPLOAD_LIFE
        if is_open and progress.get("tries", 0) <= LAST_CHUNK_TRIES:
            return Ready({**progress, "tries": progress.get("tries", 0) + 1})
        return _still(progress, response)


def _since(response: Response) -> dict[str, int]:
    return {"since": int(response.received_at.timestamp())}


def _still(progress: Progress, response: Response) -> Processing:
    """Ask again, less often the longer it takes: 30 questions a minute are allowed."""
    now = int(response.received_at.timestamp())
    age = now - progress.get("since", now)
    pause = POLLS[0] if age < 60 else POLLS[1] if age < 600 else POLLS[2]
    return Processing({**progress, "since": progress.get("since", now)}, pause)
