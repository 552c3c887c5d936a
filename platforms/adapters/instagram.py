"""Instagram: containers of images and videos, on either login, with a first comment.

Sources: developers.facebook.com, Instagram platform (content publishing, error codes, media
insights) for Graph API v26.0, read 2026-11.

Two kinds of credentials. `login` "instagram": a token of graph.instagram.com, swapped for one of 60
days and renewed. `login` "facebook": the token of a Page that an Instagram account is linked to.
Images are fetched by Instagram from a public address; videos, too, where there is one, else they
are uploaded. Recalled, not read: alt texts of 1,000 characters; that a token of a Page, asked for
`/me`, names the linked account; the fields `username` of comments and `media_type` of stories.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Http
from platforms.adapters.base import (
    Account,
    ApiVersion,
    Bucket,
    Capability,
    Draft,
    Limits,
    Media,
    Notice,
    PostMetrics,
    RetrySafety,
    Safety,
    Target,
    Violation,
    is_id,
)
from platforms.adapters.checks import draft_violations
from platforms.adapters.containers import ContainerAdapter
from platforms.adapters.graph import GraphToken
from platforms.adapters.graph_reading import (
    BLOCKED,
    COMMON,
    QUOTA_AGAIN,
    lasts,
    table,
    usage_buckets,
    version_in_use,
)
from platforms.adapters.instagram_reading import (
    FETCH_CODES,
    LATER_CODES,
    LINKED,
    LOST_CODES,
    METRIC_NAMES,
    PASSING,
    REMEDIES,
    ROWS,
    account_of,
    file_problems,
    linked_account,
)
from platforms.adapters.texts import comparable

HASHTAG = re.compile(r"(?<![\w&])#\w+")
MENTION = re.compile(r"(?<![\w/.])@[\w.]+")
HASHTAGS_SHOWN = 5  # since 2025-12 the app counts no more of them
MENTIONS_MOST = 20
STORY = "story"
REASON_CODE = re.compile(r"\b2207\d{3}\b")


@dataclass(frozen=True, slots=True)
class InstagramConfig:
    """The Instagram app (its own id and secret), and the Facebook app for logins by Facebook.

    `authorize_url` is the page that asks people, `oauth_base` where their code is exchanged.
    """

    graph_base: str = "https://graph.instagram.com"
    facebook_base: str = "https://graph.facebook.com"
    upload_base: str = "https://rupload.facebook.com"
    oauth_base: str = "https://api.instagram.com"
    version: str = "v26.0"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    facebook_client_id: str = ""
    facebook_client_secret: str = field(default="", repr=False)
    max_hashtags: int = 30
    authorize_url: str = "https://www.instagram.com/oauth/authorize"


class Instagram(ContainerAdapter):
    slug = "instagram"
    name = "Instagram"
    limits = Limits(
        text_chars=2200,
        images=10,
        image_bytes=8 * 1000 * 1000,
        alt_text_chars=1000,
        thread_segments=1,
        checked="2026-11-22",
        source="developers.facebook.com/docs/instagram-platform (content publishing, media)",
        image_types=frozenset({"image/jpeg"}),
        videos=10,
        video_bytes=300 * 1000 * 1000,
        video_seconds=900,
        files=10,
        mixes=True,
        needs_file=True,
        comment_chars=300,
    )
    capabilities = frozenset(
        {
            Capability.IMAGES,
            Capability.VIDEOS,
            Capability.ALT_TEXT,
            Capability.FIRST_COMMENT,
            Capability.FIND,
            Capability.DELETE,  # of accounts connected through Facebook
            Capability.METRICS,
            Capability.REFRESH,
        }
    )
    errors = table(COMMON, ROWS)
    buckets = (
        # Documented as 50 and as 100; the account's own number is asked for before each post.
        Bucket("publish.24h", "connection", 50, timedelta(hours=24)),
        *usage_buckets(48_000),
    )
    retry_safety = RetrySafety(Safety.FIND, ttl=timedelta(hours=24), find_lag=timedelta(seconds=30))
    credential_keys: ClassVar[Mapping[str, str]] = {
        "access_token": "The account's token, or with login facebook the linked Page's",
        "login?": "instagram (the default), or facebook: how the account was connected",
        "expires_at?": "When a token of 60 days ends, ISO 8601; leave it out for one of an hour",
        "page_id?": "Login facebook: the Page's id, when the token is the Page's own",
    }
    required_scopes = frozenset({"instagram_business_basic", "instagram_business_content_publish"})
    review_gates = (
        "Without app review and business verification, only accounts with a role in your Meta app "
        "can be connected.",
        "Only professional accounts (business or creator) can publish; personal ones cannot.",
    )
    keep_alive = timedelta(days=30)  # a token is renewed only once it is a day old, and lives 60
    prepare_ahead = timedelta(minutes=30)  # videos are worked on for up to a quarter of an hour
    options_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "kind": {"type": "string", "enum": ["post", STORY]},
            "share_to_feed": {"type": "boolean"},
            "thumb_offset": {"type": "integer", "minimum": 0, "maximum": 900_000},
            "cover_url": {"type": "string", "maxLength": 2000, "pattern": r"https://[!-~]+"},
            "audio_name": {"type": "string", "maxLength": 200},
            "collaborators": {
                "type": "array",
                "maxItems": 3,
                "items": {"type": "string", "pattern": r"[\w.]{1,30}"},
            },
            "location_id": {"type": "string", "pattern": r"\d{1,20}"},
            "is_ai_generated": {"type": "boolean"},
        },
    }
    config_class = InstagramConfig
    config_variables: ClassVar[Mapping[str, str]] = {
        "client_id": "INSTAGRAM_CLIENT_ID",
        "client_secret": "INSTAGRAM_CLIENT_SECRET",
    }
    config: InstagramConfig
    waits: ClassVar[Mapping[str, timedelta]] = {
        "368": BLOCKED,
        "/2207050": BLOCKED,
        "/2207051": BLOCKED,
        "/2207042": QUOTA_AGAIN,
    }
    remedies = REMEDIES
    edge = "media"
    status_fields = "status_code,status"
    poll_least = timedelta(seconds=5)
    patience = timedelta(minutes=15)
    later_codes = LATER_CODES
    lost_codes = LOST_CODES
    fetch_codes = FETCH_CODES

    # --- what the http layer needs ------------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        config = self.config
        base = config.facebook_base if _by_facebook(credentials) else config.graph_base
        return f"{base}/{config.version}"

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token = str(credentials.get("access_token") or "").strip()
        if not token:
            raise ServiceError(C.AUTH_ERROR, "The connection to Instagram has no access token.")
        if _by_facebook(credentials):
            return GraphToken(
                token, app_secret=self.config.facebook_client_secret, login="facebook"
            )
        return GraphToken(token)

    def api_versions(self) -> Sequence[ApiVersion]:
        return (version_in_use("META_GRAPH_VERSION", self.config.version),)

    # --- before publishing --------------------------------------------------------------------
    def violations(self, draft: Draft) -> list[Violation]:
        found = draft_violations(draft, self.limits, self.options_schema, excess=self.excess)
        is_story = draft.options.get("kind") == STORY
        for number, segment in enumerate(draft.segments):
            place = f"segments[{number}]"
            if is_story and len(segment.media) > 1:
                message = "A story has one image or one video. Remove the others."
                found.append(Violation(f"{place}.media", "too_many_files", message))
            for position, file in enumerate(segment.media):
                found += [
                    Violation(f"{place}.media[{position}]", code, message)
                    for code, message in file_problems(
                        file, is_story=is_story, is_first=position == 0
                    )
                ]
            found += self._too_many_tags(f"{place}.text", segment.text)
        if is_story and draft.first_comment:
            message = "A story takes no first comment. Leave it empty."
            found.append(Violation("first_comment", "first_comment_unsupported", message))
        return found

    def _too_many_tags(self, place: str, text: str) -> list[Violation]:
        found = []
        if (hashtags := len(HASHTAG.findall(text))) > self.config.max_hashtags:
            message = (
                f"At most {self.config.max_hashtags} hashtags are accepted; there are {hashtags}. "
                "Remove some."
            )
            found.append(Violation(place, "too_many_hashtags", message))
        if (mentions := len(MENTION.findall(text))) > MENTIONS_MOST:
            message = f"At most {MENTIONS_MOST} mentions are accepted; there are {mentions}."
            found.append(Violation(place, "too_many_mentions", f"{message} Remove some."))
        return found

    def notices(self, draft: Draft) -> list[Notice]:
        found = []
        texts = [segment.text for segment in draft.segments]
        if any(len(HASHTAG.findall(text)) > HASHTAGS_SHOWN for text in texts):
            message = (
                f"Since 2025-12 the Instagram app counts no more than {HASHTAGS_SHOWN} hashtags."
            )
            found.append(Notice("many_hashtags", message))
        if draft.options.get("kind") == STORY and any(texts):
            message = "A story shows no caption: the text is not sent to Instagram."
            found.append(Notice("text_not_shown", message))
        shapes = {
            round(file.width / file.height, 2)
            for segment in draft.segments
            for file in segment.media
            if file.width and file.height
        }
        if len(shapes) > 1:
            message = "All images of a carousel are cropped to the shape of the first."
            found.append(Notice("cropped", message))
        return found

    def uploads(self, file: Media) -> bool:
        return file.kind == "video" and not file.url

    def upload_address(self, answer: Mapping[str, Any]) -> str:
        config = self.config
        told = answer.get("uri")
        known = f"{config.upload_base}/ig-api-upload/{config.version}/{answer['id']}"
        return told if is_id(told) else known

    def container(
        self, draft: Draft, number: int, position: int | None, items: Sequence[str], parent: str
    ) -> dict[str, Any]:
        segment = draft.segments[number]
        if items:
            children = {"media_type": "CAROUSEL", "children": ",".join(items)}
            return {**children, **self._shown(draft, segment.text)}
        file = segment.media[position or 0]
        source = self._source(file)
        if draft.options.get("kind") == STORY:
            return {"media_type": "STORIES", **source}
        if file.alt_text and file.kind == "image":
            source["alt_text"] = file.alt_text
        if position is not None:
            item = {"media_type": "VIDEO"} if file.kind == "video" else {}
            return {**item, **source, "is_carousel_item": True}
        if file.kind == "video":
            chosen = _chosen(draft, "share_to_feed", "thumb_offset", "cover_url", "audio_name")
            source = {"media_type": "REELS", **source, **chosen}
        return {**source, **self._shown(draft, segment.text)}

    def _shown(self, draft: Draft, text: str) -> dict[str, Any]:
        """Return what a post says, of whatever kind it is."""
        caption = {"caption": text} if text else {}
        return caption | _chosen(draft, "collaborators", "location_id", "is_ai_generated")

    def _source(self, file: Media) -> dict[str, Any]:
        if self.uploads(file):
            return {"upload_type": "resumable"}
        if not file.url:
            detail = "Instagram fetches images from a public address: set PUBLIC_URL."
            raise ServiceError(C.MEDIA_ERROR, detail)
        return {f"{file.kind}_url": file.url}

    def reason_code(self, reason: str) -> str:
        found = REASON_CODE.search(reason)
        return found[0] if found else ""

    def may_pass(self, reason: str) -> bool:
        code = self.reason_code(reason)
        return not code or code in PASSING

    def why(self, reason: str) -> str:
        remedy = REMEDIES.get(f"/{self.reason_code(reason)}", "")
        return f"{super().why(reason)} {remedy}".strip()

    async def look_at_quota(self, http: Http, draft: Draft) -> None:
        """Ask how many posts are left today; hosts that do not tell let us try."""
        path = f"/{draft.account.external_id}/content_publishing_limit"
        try:
            response = await self.ask(http, path, {"fields": "quota_usage,config"})
        except ServiceError as error:
            if error.provider_code.partition("/")[0] == "100":
                return
            raise
        self.judge_quota(response, "quota_usage", "config", needed=1)

    # --- the first comment --------------------------------------------------------------------
    def is_comment(self, draft: Draft, number: int) -> bool:
        return number >= len(draft.segments)

    async def comment(self, http: Http, draft: Draft, done: Sequence[str]) -> str:
        body = {"message": draft.first_comment}
        response = await self.tell(http, f"/{done[0]}/comments", body, writes=True)
        if not response.ok:
            raise self.error(response, wrote=True)
        made = response.json_object().get("id")
        if not is_id(made):
            raise self.unreadable(response, wrote=True)
        return made

    async def find_comment(
        self, http: Http, draft: Draft, parent: str, others: frozenset[str]
    ) -> str:
        wanted = comparable(draft.first_comment)
        async for entry in self.listed(http, f"/{parent}/comments", {"fields": "id,text,from"}):
            written_by = entry.get("from")
            author = written_by.get("id") if isinstance(written_by, dict) else None
            if (
                entry["id"] not in others
                and author in (None, draft.account.external_id)
                and comparable(str(entry.get("text") or "")) == wanted
            ):
                return str(entry["id"])
        return ""

    # --- the account's posts ------------------------------------------------------------------
    def posts(
        self, http: Http, draft: Draft, segment: int, since: datetime
    ) -> AsyncIterator[dict[str, Any]]:
        edge, fields = "media", "id,caption,permalink,timestamp"
        if draft.options.get("kind") == STORY:
            edge, fields = "stories", "id,permalink,timestamp"
        path = f"/{draft.account.external_id}/{edge}"
        return self.listed(http, path, {"fields": fields, "limit": "25"})

    def text_of(self, draft: Draft, segment: int) -> str:
        return "" if draft.options.get("kind") == STORY else draft.segments[segment].text

    def is_same(self, post: Mapping[str, Any], draft: Draft, segment: int) -> bool:
        shown = str(post.get("caption") or "")
        return comparable(shown) == comparable(self.text_of(draft, segment))

    async def delete(self, http: Http, remote_id: str) -> None:
        if not (isinstance(http.auth, GraphToken) and http.auth.login == "facebook"):
            detail = (
                "Instagram lets applications delete only posts of accounts that were connected "
                "through Facebook. Delete this one in the Instagram app."
            )
            raise ServiceError(C.VALIDATION_ERROR, detail)
        await self.remove(http, remote_id)

    async def metrics(self, http: Http, remote_ids: Sequence[str]) -> list[PostMetrics]:
        found = []
        for remote_id in remote_ids:
            told = await self.insights(http, f"/{remote_id}/insights", tuple(METRIC_NAMES))
            if told:
                values = {METRIC_NAMES[name]: value for name, value in told.items()}
                found.append(PostMetrics(remote_id, values))
        return found

    # --- the account --------------------------------------------------------------------------
    async def sign_in(self, http: Http, entered: Mapping[str, Any]) -> Mapping[str, Any]:
        """Swap a token of an hour for one of 60 days; those that last already are kept."""
        config = self.config
        if _by_facebook(entered):
            return await self.long_lived_user(
                http,
                f"{config.facebook_base}/{config.version}",
                (config.facebook_client_id, config.facebook_client_secret),
                entered,
            )
        if not config.client_secret or lasts(entered):
            return entered
        params = {
            "grant_type": "ig_exchange_token",
            "client_secret": config.client_secret,
            "access_token": str(entered.get("access_token") or ""),
        }
        return await self.swap_token(http, f"{config.graph_base}/access_token", params, entered)

    async def targets(self, http: Http, credentials: Mapping[str, Any]) -> list[Target]:
        """Return the account; of a login by Facebook, the accounts linked to its Pages."""
        if not _by_facebook(credentials):
            return await super().targets(http, credentials)
        params = {"fields": f"id,name,access_token,tasks,{LINKED}", "limit": "100"}
        return [
            Target(account, {"login": "facebook", "access_token": token}, problem)
            async for page in self.listed(http, "/me/accounts", params)
            for account, token, problem in linked_account(page)
        ]

    async def validate(self, http: Http) -> Account:
        if isinstance(http.auth, GraphToken) and http.auth.login == "facebook":
            return await self._validate_page(http)
        fields = "user_id,username,name,account_type,profile_picture_url"
        response = await self.ask(http, "/me", {"fields": fields})
        found = response.json_object()
        if not is_id(found.get("user_id")) or not is_id(found.get("username")):
            raise self.unreadable(response)
        return account_of({**found, "id": found["user_id"]})

    async def _validate_page(self, http: Http) -> Account:
        response = await self.ask(http, "/me", {"fields": LINKED})
        linked = response.json_object().get("instagram_business_account")
        if not isinstance(linked, dict) or not is_id(linked.get("id")):
            detail = (
                "This token belongs to no Page with a linked Instagram account. Connect through "
                "Facebook and choose the account, or link it to the Page first."
            )
            raise ServiceError(C.VALIDATION_ERROR, detail, http_status=response.status)
        return account_of(linked)

    def renewable(self, credentials: Mapping[str, Any]) -> bool:
        """Tokens renew themselves; those of Pages do not end, and die with the person's login."""
        return not _by_facebook(credentials)

    async def refresh(self, http: Http, credentials: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self.renewed(
            http,
            f"{self.config.graph_base}/refresh_access_token",
            "ig_refresh_token",
            credentials,
        )

    def account_address(self, account: Account) -> str:
        return f"https://www.instagram.com/{account.username}/" if account.username else ""


def _by_facebook(credentials: Mapping[str, Any]) -> bool:
    return credentials.get("login") == "facebook"


def _chosen(draft: Draft, *names: str) -> dict[str, Any]:
    return {name: draft.options[name] for name in names if name in draft.options}
