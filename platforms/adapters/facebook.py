"""Facebook Pages: texts and links, staged photos, videos, reels and stories, first comments.

Sources: developers.facebook.com for Graph API v26.0 (Pages posts, photos, videos, reels publishing,
error handling, rate limiting), read 2026-11.

Photos and videos are put on the Page ahead and published by one call at the moment. Progress:
`media` as `platforms.adapters.facebook_uploads` says; `processing` is the id of a video that
Facebook still works on, `comment_on` that of one which takes its comment under no other id;
`published` lists the ids of the post and of its first comment; `permalink` is the post's address.
Facebook has no idempotency key: after a lost answer posts are looked for in the Page's list (its
lag is undocumented; 30 s is our assumption) and videos asked for by their id, which a repeat cannot
publish twice. Recalled, not read: that `/me` names the Page whose token asks; what a video's status
says before its upload is finished; how large photos and how long titles may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Http, Response
from platforms.adapters.base import (
    ApiVersion,
    Capability,
    Continue,
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
from platforms.adapters.facebook_account import FacebookAccount, FacebookConfig
from platforms.adapters.facebook_finding import (
    POLL_AFTER,
    VIDEO_FIELDS,
    FacebookFinding,
    comment_parent,
    live_post,
    live_video,
)
from platforms.adapters.facebook_reading import (
    BROKEN,
    LIVE,
    POST,
    REEL,
    REMEDIES,
    ROWS,
    STORY,
    WAITS,
    film_of,
    kind_of,
    kind_problems,
    notices_of,
    reason_of_video,
    state_of_video,
)
from platforms.adapters.facebook_uploads import LIFE, Uploads
from platforms.adapters.graph import GraphToken, proof_of
from platforms.adapters.graph_reading import (
    COMMON,
    GONE_CODES,
    table,
    usage_buckets,
    version_in_use,
)


class Facebook(FacebookFinding, FacebookAccount):
    slug = "facebook"
    name = "Facebook"
    limits = Limits(
        text_chars=63_206,
        images=10,
        image_bytes=10 * 1000 * 1000,
        alt_text_chars=0,
        thread_segments=1,
        checked="2026-11-22",
        source="developers.facebook.com/docs/pages-api/posts, /docs/video-api",
        image_types=frozenset({"image/jpeg", "image/png"}),
        videos=1,
        video_bytes=10 * 1000**3,
        video_seconds=4 * 3600,
    )
    capabilities = frozenset(
        {
            Capability.IMAGES,
            Capability.VIDEOS,
            Capability.ALT_TEXT,
            Capability.FIRST_COMMENT,
            Capability.FIND,
            Capability.DELETE,
            Capability.METRICS,
        }
    )
    errors = table(COMMON, ROWS)
    buckets = usage_buckets(4800)
    retry_safety = RetrySafety(Safety.FIND, ttl=timedelta(days=7), find_lag=timedelta(seconds=30))
    credential_keys: ClassVar[Mapping[str, str]] = {
        "access_token": "A token of the Page, or of a person who may create content on Pages",
        "page_id?": "The Page's id, when the token was made by hand and is the Page's own",
        "expires_at?": "When the token ends, ISO 8601; those of Pages do not end",
    }
    required_scopes = frozenset({"pages_show_list", "pages_read_engagement", "pages_manage_posts"})
    review_gates = (
        "Without app review (Advanced Access) and business verification, only people with a role "
        "in your Meta app can connect Pages.",
        "First comments need the permission pages_manage_engagement, figures read_insights.",
    )
    prepare_ahead = timedelta(minutes=60)  # for videos: the chunks go up in small steps
    options_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "kind": {"type": "string", "enum": [POST, REEL, STORY]},
            "link": {
                "type": "string",
                "maxLength": 2000,
                "pattern": r"https?://[!-~]+",
                "example": "a web address",
            },
            "title": {"type": "string", "maxLength": 255},
            "place": {"type": "string", "pattern": r"\d{1,20}", "example": "the id of a place"},
            "text_format_preset_id": {
                "type": "string",
                "pattern": r"\d{1,20}",
                "example": "the id of a background",
            },
        },
    }
    config_class = FacebookConfig
    config_variables: ClassVar[Mapping[str, str]] = {
        "client_id": "FACEBOOK_CLIENT_ID",
        "client_secret": "FACEBOOK_CLIENT_SECRET",
    }
    post_address = "https://www.facebook.com/ada/posts/1122334455"
    waits = WAITS
    remedies = REMEDIES

    # --- what the http layer needs ------------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        return f"{self.config.graph_base}/{self.config.version}"

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token = str(credentials.get("access_token") or "").strip()
        if not token:
            raise ServiceError(C.AUTH_ERROR, "The connection to Facebook has no access token.")
        return GraphToken(token, app_secret=self.config.client_secret)

    def api_versions(self) -> Sequence[ApiVersion]:
        return (version_in_use("META_GRAPH_VERSION", self.config.version),)

    # --- before publishing --------------------------------------------------------------------
    def violations(self, draft: Draft) -> list[Violation]:
        found = draft_violations(draft, self.limits, self.options_schema, excess=self.excess)
        return [*found, *kind_problems(draft)]

    def notices(self, draft: Draft) -> list[Notice]:
        return notices_of(draft)

    async def prepare(
        self, http: Http, draft: Draft, progress: Progress
    ) -> Continue | Processing | Ready:
        config = self.config
        video_base = f"{config.video_base}/{config.version}"
        uploads = Uploads(self, http, draft, video_base=video_base, upload_base=config.upload_base)
        step = await uploads.step(progress)
        if isinstance(step, Processing):
            return step
        if step is not None:
            return Continue(step)
        began = [entry["at"] for entry in progress.get("media", {}).values()]
        ends = datetime.fromtimestamp(min(began), UTC) + LIFE if began else None
        return Ready(progress, ends)

    # --- publishing ---------------------------------------------------------------------------
    async def publish(
        self, http: Http, draft: Draft, progress: Progress, *, key: str
    ) -> Continue | Processing | Published:
        done = list(progress.get("published", ()))
        if len(done) >= len(draft.parts):
            return self._finished(draft, progress)
        if done:
            return await self._comment(http, draft, progress)
        media = progress.get("media", {})
        there = [media[place] for place, _ in draft.files if place in media]
        staged = [entry["id"] for entry in there if entry["ready"]]
        if len(staged) < len(draft.files):
            raise ServiceError(C.UNKNOWN, "The files are not on Facebook yet.")
        response = await self._call(http, draft, media.get("0.0", {}), staged)
        if not response.ok:
            raise self.error(response, wrote=True)
        answer = response.json_object()
        if film_of(draft) is not None and kind_of(draft) != STORY:
            if answer.get("success") is not True:
                raise self.unreadable(response, wrote=True)
            return Processing({**progress, "processing": staged[0]}, POLL_AFTER)
        post_id = answer.get("post_id" if kind_of(draft) == STORY else "id")
        if not is_id(post_id):
            raise self.unreadable(response, wrote=True)
        return self._finished(draft, live_post(progress, post_id, answer.get("permalink_url")))

    async def _call(
        self, http: Http, draft: Draft, first: Mapping[str, Any], staged: Sequence[str]
    ) -> Response:
        """Make the one call that makes the post visible."""
        kind, text = kind_of(draft), draft.segments[0].text
        page, film = f"/{draft.account.external_id}", film_of(draft)
        title = {"title": draft.options["title"]} if "title" in draft.options else {}
        finish = {"upload_phase": "finish"}
        body: dict[str, Any]
        if kind == STORY and film is None:
            body = {"photo_id": staged[0]}
            return await self.tell(http, f"{page}/photo_stories", body, writes=True)
        if kind == STORY:
            body = {**finish, "video_id": staged[0]}
            return await self.tell(http, f"{page}/video_stories", body, writes=True)
        if kind == REEL:
            told = {"video_state": "PUBLISHED", "description": text, **title}
            body = {**finish, "video_id": staged[0], **told}
            return await self.tell(http, f"{page}/video_reels", body, writes=True)
        if film is not None:
            body = {**finish, "upload_session_id": first["session"], "published": True}
            return await http.post(
                f"{self.config.video_base}/{self.config.version}{page}/videos",
                json={**body, "description": text, **title},
                params=proof_of(http) or None,
                auth=http.auth,
                writes=True,
            )
        body = {"message": text} if text else {}
        names = ("link", "place", "text_format_preset_id")
        body |= {name: draft.options[name] for name in names if name in draft.options}
        if staged:
            body["attached_media"] = [{"media_fbid": photo} for photo in staged]
        params = {"fields": "id,permalink_url"}
        return await self.tell(
            http, f"{page}/feed", {**body, "published": True}, params=params, writes=True
        )

    async def _comment(self, http: Http, draft: Draft, progress: Progress) -> Continue | Published:
        """Write the first comment; a fresh video may take it under its own id only."""
        parent = comment_parent(progress)
        body = {"message": draft.first_comment}
        response = await self.tell(http, f"/{parent}/comments", body, writes=True)
        if not response.ok:
            video_id = progress.get("media", {}).get("0.0", {}).get("id") if film_of(draft) else ""
            refused = response.status in (400, 404) and self.provider_code(response) in GONE_CODES
            if refused and video_id not in ("", parent):
                return Continue({**progress, "comment_on": video_id})
            raise self.error(response, wrote=True)
        made = response.json_object().get("id")
        if not is_id(made):
            raise self.unreadable(response, wrote=True)
        done = list(progress["published"])
        return self._finished(draft, {**progress, "published": [*done, made]})

    def _finished(self, draft: Draft, progress: Progress) -> Continue | Published:
        done = tuple(progress.get("published", ()))
        if len(done) < len(draft.parts):
            return Continue(progress)
        made_up = f"https://www.facebook.com/{done[0]}"
        return Published(done, str(progress.get("permalink") or made_up), progress)

    async def check(
        self, http: Http, draft: Draft, progress: Progress
    ) -> Processing | Ready | Published:
        if progress.get("processing"):
            response = await self.ask(http, f"/{progress['processing']}", {"fields": VIDEO_FIELDS})
            video = response.json_object()
            if not isinstance(video.get("status"), dict):
                raise self.unreadable(response)
            state = state_of_video(video)
            if state == BROKEN:
                reason = reason_of_video(video).rstrip(".")
                detail = f"Facebook could not use the video: {reason}."
                raise ServiceError(C.MEDIA_ERROR, detail, http_status=response.status)
            if state != LIVE:
                return Processing(progress, POLL_AFTER)
            progress = live_video(draft, progress, video)
        step = self._finished(draft, progress)
        return step if isinstance(step, Published) else Ready(step.progress)
