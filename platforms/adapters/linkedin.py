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

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import unquote

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Bearer, Http, Response
from platforms.adapters.base import (
    Account,
    Adapter,
    ApiVersion,
    Bucket,
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
    spoken_for,
)
from platforms.adapters.checks import card_violations, draft_violations
from platforms.adapters.linkedin_accounts import ORGANIZATION, Accounts, Tokens
from platforms.adapters.linkedin_client import Client, encoded
from platforms.adapters.linkedin_lists import Lists
from platforms.adapters.linkedin_reading import (
    ERRORS,
    POST_URN,
    comment_id,
    original_in,
    provider_code,
    reason_of,
    retry_after,
)
from platforms.adapters.linkedin_text import escape
from platforms.adapters.linkedin_uploads import Upload

VERSION_ENDS = {  # learn.microsoft.com/linkedin/marketing/integrations/migrations, read 2026-11
    "202511": date(2026, 11, 16),
    "202601": date(2027, 1, 15),
    "202604": date(2027, 4, 15),
    "202607": date(2027, 7, 15),
}
PIXELS_MOST = 36_152_320
VIDEO_SECONDS_LEAST, VIDEO_BYTES_LEAST = 3, 75 * 1024
POLL_AGAIN = timedelta(seconds=15)
COMMENT_URN = re.compile(r"urn:li:comment:\((?P<post>urn:li:\w+:\d+),(?P<id>\d+)\)")
POST_ADDRESS = re.compile(
    r"https://(?:www\.)?linkedin\.com/(?:feed/update/(?P<urn>urn:li:(?:share|ugcPost|activity):\d+)"
    r"|posts/[^/?#]*?-(?P<kind>share|ugcPost|activity)-(?P<id>\d+)-[\w-]+)/?(?:[?#].*)?"
)


@dataclass(frozen=True, slots=True)
class LinkedInConfig:
    """The application at linkedin.com/developers, and the version of the API it speaks."""

    api_base: str = "https://api.linkedin.com"
    oauth_base: str = "https://www.linkedin.com/oauth/v2"
    version: str = "202607"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Author(Bearer):
    """A member's token, and for whom it speaks: an organization's URN, else for the member."""

    urn: str = ""


class LinkedIn(Adapter):
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
    config: LinkedInConfig

    # --- what the http layer needs ----------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        return self.config.api_base

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token = str(credentials.get("access_token") or "").strip()
        if not token:
            raise ServiceError(C.AUTH_ERROR, "The connection to LinkedIn has no access token.")
        return Author(token, urn=str(credentials.get("author") or "").strip())

    def api_versions(self) -> Sequence[ApiVersion]:
        version = self.config.version
        return [ApiVersion("LINKEDIN_VERSION", version, VERSION_ENDS.get(version))]

    def _client(self, http: Http) -> Client:
        return Client(http, self.config.version)

    def _tokens(self, http: Http) -> Tokens:
        config = self.config
        application = {"client_id": config.client_id, "client_secret": config.client_secret}
        return Tokens(self, http, config.oauth_base, application)

    # --- the account ------------------------------------------------------------------------
    async def targets(self, http: Http, credentials: Mapping[str, Any]) -> list[Target]:
        return await Accounts(self, self._client(http)).targets(credentials)

    async def validate(self, http: Http) -> Account:
        accounts, urn = Accounts(self, self._client(http)), _organization_of(http)
        return await (accounts.organization(urn) if urn else accounts.member())

    async def refresh(self, http: Http, credentials: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._tokens(http).renew(credentials)

    async def revoke(self, http: Http) -> None:
        if isinstance(http.auth, Bearer):
            await self._tokens(http).revoke(http.auth.token)

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
        if options.get("visibility") == "CONNECTIONS" and _is_organization(draft.account):
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
        body = self._body(draft, progress)
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
        if not _is_organization(draft.account):
            return True
        response = await client.call("GET", f"/rest/posts/{encoded(urn)}")
        return response.status != 404

    def _body(self, draft: Draft, progress: Progress) -> dict[str, Any]:
        """Return the post; a repeat must have the same bytes, so all of it comes from the draft."""
        segment, options = draft.segments[0], draft.options
        body: dict[str, Any] = {
            "author": draft.account.external_id,
            "commentary": escape(segment.text),
            "visibility": options.get("visibility", "PUBLIC"),
            "distribution": {
                "feedDistribution": "MAIN_FEED",
                "targetEntities": [],
                "thirdPartyDistributionChannels": [],
            },
            "lifecycleState": "PUBLISHED",
            "isReshareDisabledByAuthor": bool(options.get("no_reshares")),
        }
        if segment.media:
            body["content"] = self._files(draft, progress)
        elif options.get("card_url"):
            body["content"] = {"article": _card(options)}
        return body

    def _files(self, draft: Draft, progress: Progress) -> dict[str, Any]:
        media, uploaded = draft.segments[0].media, progress.get("media", {})
        entries = [uploaded.get(f"0.{position}", {}) for position in range(len(media))]
        if not all(entry.get("ready") for entry in entries):
            raise ServiceError(C.UNKNOWN, "The files are not uploaded yet.")
        shown = []
        for file, entry in zip(media, entries, strict=True):
            item = {"id": entry["id"]}
            if file.kind == "video" and draft.options.get("title"):
                item["title"] = draft.options["title"]
            elif file.kind != "video" and file.alt_text:
                item["altText"] = file.alt_text
            shown.append(item)
        return {"media": shown[0]} if len(shown) == 1 else {"multiImage": {"images": shown}}

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
        if not _is_organization(draft.account):
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

    # --- afterwards -----------------------------------------------------------------------------
    async def delete(self, http: Http, remote_id: str) -> None:
        path = f"/rest/posts/{encoded(remote_id)}"
        if comment := COMMENT_URN.fullmatch(remote_id):
            path = f"/rest/socialActions/{encoded(comment['post'])}/comments/{comment['id']}"
            if author := _organization_of(http):
                path += f"?actor={encoded(author)}"
        response = await self._client(http).call("DELETE", path, method="DELETE")
        if not response.ok and response.status != 404:
            raise self.error(response)

    async def metrics(self, http: Http, remote_ids: Sequence[str]) -> list[PostMetrics]:
        without = ("urn:li:comment:", "urn:li:activity:")  # these have no statistics of their own
        posts = [urn for urn in remote_ids if not urn.startswith(without)]
        lists = Lists(self, self._client(http), _organization_of(http))
        if lists.author:
            return await lists.statistics(posts)
        each = [await lists.statistics_of_member(urn) for urn in posts]
        return [metrics for metrics in each if metrics is not None]

    # --- what people see ------------------------------------------------------------------------
    def account_address(self, account: Account) -> str:
        if not _is_organization(account):
            return ""  # only members themselves see the name in their profile's address
        return f"https://www.linkedin.com/company/{account.username}/"

    def remote_id_in(self, address: str, account: Account) -> str:
        found = POST_ADDRESS.fullmatch(unquote(address.strip()))
        if found is None:
            return ""
        return found["urn"] or f"urn:li:{found['kind']}:{found['id']}"

    # --- errors -----------------------------------------------------------------------------
    def provider_code(self, response: Response) -> str:
        return provider_code(response)

    def retry_after(self, response: Response) -> timedelta | None:
        return retry_after(response)

    def explain(self, response: Response) -> str:
        return reason_of(response)


def _organization_of(http: Http) -> str:
    """Return the organization that the token speaks for here, "" for the member."""
    urn = http.auth.urn if isinstance(http.auth, Author) else ""
    return urn if urn.startswith(ORGANIZATION) else ""


def _is_organization(account: Account) -> bool:
    return account.external_id.startswith(ORGANIZATION)


def _may_comment(account: Account) -> bool:
    """Say whether applications may comment in its name; members need a reviewed permission."""
    return _is_organization(account) or "w_member_social_feed" in account.scopes


def _card(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a link's card from what the draft says: LinkedIn fetches nothing from the link."""
    card = {"source": options["card_url"], "title": options["card_title"]}
    if options.get("card_description"):
        card["description"] = options["card_description"]
    return card


def _permalink(urn: str) -> str:
    return f"https://www.linkedin.com/feed/update/{urn}/"
