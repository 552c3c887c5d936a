"""LinkedIn: Posts API, for members and organizations, with images, videos and link cards.

Sources: learn.microsoft.com/linkedin/marketing, "Posts API", "Comments API", "Migrations", read
2026-11. Recalled: the length of comments. Unknown: whether the 3,000 characters are counted before
or after escaping; we stay below both.

Progress: `media` maps "segment.position" to what `linkedin_uploads` knows of a file, `sealed`
likewise what must not be seen; `published` lists the post's URN and, after it, its first comment's.
LinkedIn has no idempotency key, but refuses an exact copy of a recent post and names the original:
for ten minutes a repeat of the same bytes is safe. Members' posts cannot be listed at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http
from platforms.adapters.base import (
    Account,
    Bucket,
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
    spoken_for,
)
from platforms.adapters.checks import card_violations, draft_violations
from platforms.adapters.linkedin_client import Client, encoded
from platforms.adapters.linkedin_connection import (
    LinkedInConfig,
    LinkedInConnection,
    is_organization,
)
from platforms.adapters.linkedin_lists import Lists
from platforms.adapters.linkedin_post import body_of
from platforms.adapters.linkedin_reading import (
    ERRORS,
    POST_URN,
    comment_id,
    original_in,
)
from platforms.adapters.linkedin_text import escape
from platforms.adapters.linkedin_uploads import Upload

PIXELS_MOST = 36_152_320
VIDEO_SECONDS_LEAST, VIDEO_BYTES_LEAST = 3, 75 * 1024
POLL_AGAIN = timedelta(seconds=15)


class LinkedIn(LinkedInConnection):
    slug = "linkedin"
    name = "LinkedIn"
    limits = Limits(
        text_chars=3000,
        images=20,
        image_bytes=20 * 1024 * 1024,  # ours: LinkedIn limits pixels
        alt_text_chars=4086,
        thread_segments=1,
        checked="2026-11-22",
        source="learn.microsoft.com/linkedin/marketing: Posts API, Images API, Videos API",
        image_types=frozenset({"image/jpeg", "image/png"}),
        videos=1,
        video_bytes=500 * 1024 * 1024,
        video_seconds=30 * 60,
        video_types=frozenset({"video/mp4"}),
        gifs=1,
        gif_bytes=20 * 1024 * 1024,
        comment_chars=1250,
    )
    same_text_after = timedelta(minutes=10)  # not documented; its error asks to wait so long
    capabilities = frozenset(
        {
            Capability.IMAGES,
            Capability.VIDEOS,
            Capability.GIFS,
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
    app_wide_codes = frozenset({"NONEXISTENT_VERSION", "app-day-limit", "invalid_client"})
    # Numbers are not published (each application sees its own under Analytics) and no header tells;
    # these are folk knowledge of the Share API: 150 a member, 100,000 an application.
    buckets = (
        Bucket(
            "publish.day", "connection", 100, timedelta(days=1), counted=True, refilled_in="UTC"
        ),
        Bucket("publish.app", "app", 100_000, timedelta(days=1), counted=True, refilled_in="UTC"),
    )
    in_flight_per_connection = 1  # two writes at once are refused with 409
    # No min_wait: a member's post that is not repeated yet could not be asked about meanwhile.
    retry_safety = RetrySafety(Safety.KEY, ttl=timedelta(minutes=10))
    comment_safety = RetrySafety(Safety.FIND, ttl=timedelta(days=7))
    credential_keys: ClassVar[Mapping[str, str]] = {
        "access_token": "A member's token with w_member_social, or w_organization_social",
        "refresh_token?": "If LinkedIn gave one (applications with Community Management API)",
        "author?": "me, or urn:li:organization:...; empty: all that the token may post for",
    }
    review_gates = (
        "Personal profiles need the product Share on LinkedIn, which every application may add.",
        "Organizations, comments and statistics need the Community Management API, which LinkedIn "
        "reviews; without it only texts, images and videos of personal profiles go out.",
        "Refresh tokens are given to reviewed applications only; without one an account must be "
        "connected again every 60 days.",
    )
    options_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "visibility": {"type": "string", "enum": ["PUBLIC", "CONNECTIONS", "LOGGED_IN"]},
            "no_reshares": {"type": "boolean"},
            "title": {"type": "string", "maxLength": 200},  # of a video
            "card_url": {
                "type": "string",
                "maxLength": 2000,
                "pattern": r"https?://[^\s/]\S*",
                "example": "https://example.org/page",
            },
            "card_title": {"type": "string", "maxLength": 400},
            "card_description": {"type": "string", "maxLength": 4000},
        },
    }
    text_unit = "characters (reserved ones such as ( and _ count twice)"
    prepare_ahead = timedelta(minutes=30)  # videos take several minutes
    config_class = LinkedInConfig
    config_variables: ClassVar[Mapping[str, str]] = {
        "client_id": "LINKEDIN_CLIENT_ID",
        "client_secret": "LINKEDIN_CLIENT_SECRET",
    }
    post_address = "https://www.linkedin.com/feed/update/urn:li:share:7131234567890123456/"

    # --- before publishing --------------------------------------------------------------------
    def excess(self, text: str, limit: int) -> int:
        return max(0, len(escape(text)) - limit)

    def violations(self, draft: Draft) -> list[Violation]:
        found = draft_violations(
            draft,
            self.limits,
            self.options_schema,
            excess=self.excess,
            comments=_may_comment(draft.account),
        )
        options = draft.options
        if options.get("visibility") == "CONNECTIONS" and is_organization(draft.account):
            message = "An organization has no connections. Choose PUBLIC or LOGGED_IN."
            found.append(Violation("options.visibility", "invalid_option", message))
        kinds = {file.kind for _, file in draft.files}
        if options.get("title") and "video" not in kinds:
            message = "Only a video has a title. Leave it empty."
            found.append(Violation("options.title", "title_without_video", message))
        for place, file in draft.files:
            place = "segments[{}].media[{}]".format(*place.split("."))
            if file.width * file.height >= PIXELS_MOST and file.kind != "video":
                message = f"The image has more than {PIXELS_MOST:,} pixels. Make it smaller."
                found.append(Violation(place, "image_too_large", message))
            if file.kind == "video" and 0 < file.seconds < VIDEO_SECONDS_LEAST:
                message = f"A video lasts at least {VIDEO_SECONDS_LEAST} seconds here."
                found.append(Violation(place, "video_too_short", message))
            if file.kind == "video" and 0 < file.size_bytes < VIDEO_BYTES_LEAST:
                message = f"A video has at least {VIDEO_BYTES_LEAST:,} bytes here."
                found.append(Violation(place, "video_too_small", message))
        return [*found, *card_violations(draft)]

    def notices(self, draft: Draft) -> list[Notice]:
        if any(file.kind == "video" and file.alt_text for _, file in draft.files):
            message = "LinkedIn takes alt texts of images only: the video's is not sent."
            return [Notice("alt_text_not_sent", message)]
        return []

    def safety(self, draft: Draft, progress: Progress) -> RetrySafety:
        """Only posts are compared with recent ones: a comment that may be there is looked for."""
        return self.comment_safety if progress.get("published") else self.retry_safety

    async def prepare(
        self, http: Http, draft: Draft, progress: Progress
    ) -> Continue | Processing | Ready:
        media, sealed = progress.get("media", {}), progress.get("sealed", {})
        for place, file in draft.files:
            known = media.get(place, {})
            if not known.get("ready"):
                upload = Upload(self, self._client(http), draft.account.external_id, file)
                step = await upload.advance(known, sealed.get(place, {}))
                if step is None:
                    return Processing(progress, POLL_AGAIN)
                entry, secret = step
                media, sealed = {**media, place: entry}, {**sealed, place: secret}
                return Continue({**progress, "media": media, "sealed": sealed})
        ends = [entry["expires_at"] for entry in media.values()]
        return Ready(progress, datetime.fromtimestamp(min(ends), UTC) if ends else None)

    # --- publishing ---------------------------------------------------------------------------
    async def publish(
        self, http: Http, draft: Draft, progress: Progress, *, key: str
    ) -> Continue | Published:
        done = list(progress.get("published", ()))
        client = self._client(http)
        if not done:
            done = [await self._post(client, draft, progress)]
        elif len(done) < len(draft.parts):
            done.append(await self._comment(client, draft, done[0]))
        progress = {**progress, "published": done}
        if len(done) < len(draft.parts):
            return Continue(progress)
        return Published(tuple(done), _permalink(done[0]), progress)

    async def _post(self, client: Client, draft: Draft, progress: Progress) -> str:
        body = body_of(draft, progress)
        response = await client.call("POST", "/rest/posts", json=body, writes=True)
        if response.ok:
            created = response.headers.get("x-restli-id", "")
            if POST_URN.fullmatch(created):
                return created
            raise self.unreadable(response, wrote=True)
        error = self.error(response, wrote=True)
        original = original_in(response)
        is_ours = progress.get("repeated") and original not in spoken_for(progress)
        if error.category is not C.DUPLICATE or not original or not is_ours:
            raise error
        if not await self._is_there(client, draft, original):
            raise error
        return original

    async def _is_there(self, client: Client, draft: Draft, urn: str) -> bool:
        """Say whether a post exists, as far as that can be asked.

        For a day or two after a deletion LinkedIn takes new posts for copies of what is gone.
        """
        if not is_organization(draft.account):
            return True
        response = await client.call("GET", f"/rest/posts/{encoded(urn)}")
        return response.status != 404

    async def _comment(self, client: Client, draft: Draft, post: str) -> str:
        """Write the first comment; it is plain text, nothing in it is escaped."""
        body = {
            "actor": draft.account.external_id,
            "object": post,
            "message": {"text": draft.first_comment},
        }
        path = f"/rest/socialActions/{encoded(post)}/comments"
        response = await client.call("POST", path, json=body, writes=True)
        if not response.ok:
            raise self.error(response, wrote=True)
        created = comment_id(response)
        if not created:
            raise self.unreadable(response, wrote=True)
        return created

    async def find(
        self, http: Http, draft: Draft, progress: Progress, *, segment: int, since: datetime
    ) -> Published | None:
        """Look through an organization's posts, or through the comments on a post."""
        author = draft.account.external_id
        if not is_organization(draft.account):
            detail = "LinkedIn lists no member's posts or comments to applications."
            raise ServiceError(C.OUTCOME_UNKNOWN, detail)
        done, others = list(progress.get("published", ())), spoken_for(progress)
        lists = Lists(self, self._client(http), author)
        if segment:
            urn = await lists.find_comment(done[0], draft.first_comment, others)
        else:
            urn = await lists.find_post(draft.segments[0], others, since)
        if urn is None:
            return None
        done.append(urn)
        return Published((urn,), _permalink(done[0]), {**progress, "published": done})


def _may_comment(account: Account) -> bool:
    """Say whether applications may comment in its name; members need a reviewed permission."""
    return is_organization(account) or "w_member_social_feed" in account.scopes


def _permalink(urn: str) -> str:
    return f"https://www.linkedin.com/feed/update/{urn}/"
