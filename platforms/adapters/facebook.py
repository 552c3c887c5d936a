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
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Http, Response
from platforms.adapters.base import (
    Account,
    ApiVersion,
    Capability,
    Continue,
    Draft,
    Limits,
    Notice,
    PostMetrics,
    Processing,
    Progress,
    Published,
    Ready,
    RetrySafety,
    Safety,
    Target,
    Violation,
    is_id,
    spoken_for,
)
from platforms.adapters.checks import draft_violations
from platforms.adapters.facebook_reading import (
    ADDRESS,
    BROKEN,
    COUNTERS,
    INSIGHTS,
    LIVE,
    POST,
    REEL,
    REMEDIES,
    ROWS,
    STORY,
    UPLOADED,
    WAITS,
    account_of,
    counters_of,
    film_of,
    granted,
    is_same,
    kind_of,
    kind_problems,
    notices_of,
    outcome_for_video,
    reason_of_video,
    state_of_video,
)
from platforms.adapters.facebook_uploads import LIFE, Uploads
from platforms.adapters.graph import GraphAdapter, GraphToken, proof_of
from platforms.adapters.graph_reading import (
    COMMON,
    GONE_CODES,
    instant_of,
    page_problem,
    table,
    usage_buckets,
    version_in_use,
    web_address,
)
from platforms.adapters.texts import comparable

POLL_AFTER = timedelta(seconds=5)
VIDEO_FIELDS = "status,permalink_url,post_id"


@dataclass(frozen=True, slots=True)
class FacebookConfig:
    """The Facebook app. `dialog_base` is where people consent, `video_base` takes videos."""

    graph_base: str = "https://graph.facebook.com"
    video_base: str = "https://graph-video.facebook.com"
    upload_base: str = "https://rupload.facebook.com"
    dialog_base: str = "https://www.facebook.com"
    version: str = "v26.0"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)


class Facebook(GraphAdapter):
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
    config: FacebookConfig
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
        return self._finished(draft, _live(progress, post_id, answer.get("permalink_url")))

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
            progress = _live_video(draft, progress, video)
        step = self._finished(draft, progress)
        return step if isinstance(step, Published) else Ready(step.progress)

    # --- after a lost answer ------------------------------------------------------------------
    async def find(
        self, http: Http, draft: Draft, progress: Progress, *, segment: int, since: datetime
    ) -> Published | None:
        if segment:
            parent, others = comment_parent(progress), spoken_for(progress)
            return await self._find_comment(http, draft.first_comment, parent, others)
        media = progress.get("media", {})
        staged = [media[place]["id"] for place, _ in draft.files if place in media]
        if film_of(draft) is not None and staged:
            return await self._find_video(http, draft, progress, staged[0], since)
        if kind_of(draft) == STORY:
            raise ServiceError(C.OUTCOME_UNKNOWN, "Facebook does not tell which stories are live.")
        return await self._find_listed(http, draft, progress, staged, since)

    async def _find_listed(
        self, http: Http, draft: Draft, progress: Progress, staged: Sequence[str], since: datetime
    ) -> Published | None:
        others = spoken_for(progress)
        params = {
            "fields": "id,message,created_time,permalink_url,attachments{type,target{id}}",
            "since": str(int(since.timestamp())),
            "limit": "50",
        }
        path = f"/{draft.account.external_id}/published_posts"
        async for post in self.listed(http, path, params):
            made_at = instant_of(post.get("created_time"))
            if made_at is None:
                raise ServiceError(C.OUTCOME_UNKNOWN, "Facebook lists a post without its time.")
            if made_at >= since and post["id"] not in others and is_same(post, draft, staged):
                progress = _live(progress, post["id"], post.get("permalink_url"))
                return Published((post["id"],), str(progress["permalink"]), progress)
        return None

    async def _find_video(
        self, http: Http, draft: Draft, progress: Progress, video_id: str, since: datetime
    ) -> Published | None:
        """Ask the video itself; one that does not name its post must be in the Page's list."""
        response = await http.get(f"/{video_id}", params={"fields": VIDEO_FIELDS, **proof_of(http)})
        if self.provider_code(response) in GONE_CODES:
            return None
        if not response.ok:
            raise self.error(response)
        video = response.json_object()
        if not isinstance(video.get("status"), dict):
            raise self.unreadable(response, wrote=True)
        state = outcome_for_video(video)
        if state == UPLOADED:
            return None
        if state == LIVE and (is_id(video.get("post_id")) or kind_of(draft) != POST):
            progress = _live_video(draft, {**progress, "processing": video_id}, video)
            return Published(tuple(progress["published"]), str(progress["permalink"]), progress)
        found = None
        if kind_of(draft) != STORY:
            found = await self._find_listed(http, draft, progress, [video_id], since)
        if found is None:
            detail = "Facebook has the video, but does not show yet whether it is published."
            raise ServiceError(C.SERVER_ERROR, detail, retry_after=POLL_AFTER)
        return found

    async def _find_comment(
        self, http: Http, text: str, parent: str, others: frozenset[str]
    ) -> Published | None:
        params = {"fields": "id,message,from", "filter": "stream", "limit": "50"}
        async for entry in self.listed(http, f"/{parent}/comments", params):
            same = comparable(str(entry.get("message") or "")) == comparable(text)
            if same and entry["id"] not in others:
                return Published((entry["id"],))
        return None

    # --- what people see ----------------------------------------------------------------------
    def account_address(self, account: Account) -> str:
        return f"https://www.facebook.com/{account.external_id}"

    def remote_id_in(self, address: str, account: Account) -> str:
        """Read the id in a post's or video's address; those with "pfbid" tell none."""
        found = ADDRESS.fullmatch(address.strip())
        if found is None:
            return ""
        post = found["post"] or found["story"]
        return found["whole"] or found["video"] or f"{account.external_id}_{post}"

    # --- the account --------------------------------------------------------------------------
    async def sign_in(self, http: Http, entered: Mapping[str, Any]) -> Mapping[str, Any]:
        """Swap a person's token of an hour for one of 60 days: its Pages' tokens do not end."""
        config = self.config
        app = (config.client_id, config.client_secret)
        return await self.long_lived_user(http, self.base_url({}), app, entered)

    async def targets(self, http: Http, credentials: Mapping[str, Any]) -> list[Target]:
        """Return the Pages that the person ticked, each with its own token."""
        if credentials.get("page_id"):
            return await super().targets(http, credentials)
        try:
            told = await self.ask(http, "/me/permissions", {})
            scopes = granted(told.json_object())
        except ServiceError:
            scopes = ()  # what is missing shows when it is needed
        params = {"fields": "id,name,username,access_token,tasks,picture", "limit": "100"}
        try:
            return [
                Target(
                    account_of(page, scopes),
                    {"access_token": str(page.get("access_token") or "")},
                    page_problem(page),
                )
                async for page in self.listed(http, "/me/accounts", params)
            ]
        except ServiceError as error:
            if error.provider_code.partition("/")[0] != "100":
                raise
            return await super().targets(http, credentials)  # a Page's own token has no Pages

    async def validate(self, http: Http) -> Account:
        response = await http.get(
            "/me", params={"fields": "id,name,username,picture", **proof_of(http)}
        )
        if self.provider_code(response).partition("/")[0] == "100":
            detail = (
                "This token is not a Page's. Connect through Facebook and choose a Page, or enter "
                "the Page's own token together with its id."
            )
            raise ServiceError(C.VALIDATION_ERROR, detail, http_status=response.status)
        if not response.ok:
            raise self.error(response)
        found = response.json_object()
        if not is_id(found.get("id")):
            raise self.unreadable(response)
        return account_of(found)

    async def delete(self, http: Http, remote_id: str) -> None:
        await self.remove(http, remote_id)

    async def metrics(self, http: Http, remote_ids: Sequence[str]) -> list[PostMetrics]:
        found = []
        for remote_id in remote_ids:
            values = await self._counters(http, remote_id)
            if values is None:
                continue
            try:
                told = await self.insights(http, f"/{remote_id}/insights", tuple(INSIGHTS))
            except ServiceError as error:
                if error.category is not C.PERMISSION:
                    raise
                told = {}  # without read_insights there are still likes and comments
            values |= {INSIGHTS[name]: value for name, value in told.items() if name in INSIGHTS}
            found.append(PostMetrics(remote_id, values))
        return found

    async def _counters(self, http: Http, remote_id: str) -> dict[str, int] | None:
        """Return what a post counts itself; videos and comments have fewer counters."""
        for fields in (COUNTERS, "comments.limit(0).summary(true),likes.limit(0).summary(true)"):
            params = {"fields": fields, **proof_of(http)}
            response = await http.get(f"/{remote_id}", params=params)
            code = self.provider_code(response)
            if response.ok:
                return counters_of(response.json_object())
            if response.status == 404 or code in GONE_CODES:
                return None
            if code.partition("/")[0] != "100":
                raise self.error(response)
        return {}


def comment_parent(progress: Progress) -> str:
    """Return the id that the first comment is written under."""
    return str(progress.get("comment_on") or progress["published"][0])


def _live(progress: Progress, post_id: str, permalink: Any) -> dict[str, Any]:
    """Return the progress with the finished post."""
    known = {name: value for name, value in progress.items() if name != "processing"}
    return {**known, "published": [post_id], "permalink": web_address(permalink)}


def _live_video(draft: Draft, progress: Progress, video: Mapping[str, Any]) -> dict[str, Any]:
    """Return the progress with the finished video; its post's id, where Facebook tells one.

    It is told without the Page, which the ids of posts begin with everywhere else.
    """
    video_id = remote_id = str(progress["processing"])
    if is_id(post_id := video.get("post_id")):
        is_short = "_" not in post_id and kind_of(draft) != STORY
        remote_id = f"{draft.account.external_id}_{post_id}" if is_short else post_id
    address = web_address(video.get("permalink_url"))
    made_up = f"https://www.facebook.com/reel/{video_id}" if kind_of(draft) == REEL else ""
    return _live(progress, remote_id, address or made_up)
