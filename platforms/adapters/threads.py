"""Threads: containers of texts, images, videos and carousels; chains and first comments as replies.

Sources: developers.facebook.com/documentation/threads (overview, posts, delete), read 2026-11.

The first post's container is made ahead; a reply names its parent when it is made, so those of a
chain follow at the moment. A token lives 60 days and renews itself. Recalled, not read: that
`is_reply` and `replied_to` come with the lists; the emoji that Threads counts in bytes are taken to
be the grapheme clusters that are shown as pictures.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import regex

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
    Violation,
    is_id,
)
from platforms.adapters.checks import draft_violations
from platforms.adapters.containers import ContainerAdapter
from platforms.adapters.graph import GraphToken
from platforms.adapters.graph_reading import (
    BLOCKED,
    COMMON,
    lasts,
    table,
    usage_buckets,
)
from platforms.adapters.texts import comparable

ROWS: Mapping[str, C] = {
    "24": C.SERVER_ERROR,
    "/4279009": C.SERVER_ERROR,  # a new container is not everywhere yet
    "/4279013": C.PERMISSION,  # the account is restricted
    "/2207051": C.PERMISSION,  # blocked as spam
}
# Reasons of failed containers that say nothing against the file: another one may succeed.
PASSING = frozenset({"", "UNKNOWN", "FAILED_DOWNLOADING_VIDEO"})
REASONS: Mapping[str, str] = {
    "FAILED_PROCESSING_AUDIO": "its sound cannot be read. Use AAC with 48 kHz.",
    "FAILED_PROCESSING_VIDEO": "the video cannot be read. Use MP4 or MOV with H.264 or HEVC.",
    "INVALID_ASPEC_RATIO": "its shape is not accepted. Use 9:16, and nothing wider than 10:1.",
    "INVALID_BIT_RATE": "its bit rate is too high. Compress it.",
    "INVALID_DURATION": "it is too long or too short. Use at most 5 minutes.",
    "INVALID_FRAME_RATE": "its frame rate is not accepted. Use 23 to 60 frames a second.",
    "INVALID_AUDIO_CHANNELS": "its sound is not accepted. Use mono or stereo.",
    "INVALID_AUDIO_CHANNEL_LAYOUT": "its sound is not accepted. Use mono or stereo.",
}
METRICS = ("views", "likes", "replies", "reposts", "quotes", "shares")
LINK = re.compile(r"(?<!\w)https?://[^\s<>\"]+[^\s<>\".,;:!?')\]}]", re.IGNORECASE)
LINKS_MOST = 5
GRAPHEME = regex.compile(r"\X")
# A cluster shown as a picture: by nature, by variation selector 16, or a flag.
EMOJI = regex.compile(
    r"\p{Emoji_Presentation}|\p{Extended_Pictographic}|\uFE0F|\p{Regional_Indicator}"
)
IMAGE_RATIO_MOST = 10
VIDEO_WIDTH_MOST = 1920


@dataclass(frozen=True, slots=True)
class ThreadsConfig:
    """The Threads app: a use case of its own at developers.facebook.com, with its own id, secret.

    `auth_base` is where people consent.
    """

    graph_base: str = "https://graph.threads.net"
    auth_base: str = "https://www.threads.com"
    version: str = "v1.0"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)


class Threads(ContainerAdapter):
    slug = "threads"
    name = "Threads"
    limits = Limits(
        text_chars=500,
        images=20,
        image_bytes=8 * 1000 * 1000,
        alt_text_chars=1000,
        thread_segments=25,  # ours: Threads sets no limit, but replies have a quota
        checked="2026-11-22",
        source="developers.facebook.com/documentation/threads/posts",
        image_types=frozenset({"image/jpeg", "image/png"}),
        videos=20,
        video_bytes=1000 * 1000 * 1000,
        video_seconds=300,
        files=20,
        mixes=True,
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
        }
    )
    errors = table(COMMON, ROWS)
    buckets = (
        Bucket("publish.24h", "connection", 250, timedelta(hours=24)),
        Bucket("delete", "connection", 100, timedelta(hours=24), counted=True),
        *usage_buckets(48_000),
    )
    retry_safety = RetrySafety(Safety.FIND, ttl=timedelta(hours=24), find_lag=timedelta(seconds=30))
    credential_keys: ClassVar[Mapping[str, str]] = {
        "access_token": "The account's token (developers.facebook.com, Threads, User token)",
        "expires_at?": "When a token of 60 days ends, ISO 8601; leave it out for one of an hour",
    }
    required_scopes = frozenset({"threads_basic", "threads_content_publish"})
    review_gates = (
        "Without app review, only accounts that are testers of your Threads app can be connected.",
    )
    text_unit = "characters (an emoji counts its bytes)"
    keep_alive = timedelta(days=30)  # a token is renewed only once it is a day old, and lives 60
    prepare_ahead = timedelta(minutes=20)  # files are fetched and worked on for some minutes
    options_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "reply_control": {
                "type": "string",
                "enum": [
                    "everyone",
                    "accounts_you_follow",
                    "mentioned_only",
                    "parent_post_author_only",
                    "followers_only",
                ],
            },
            "topic_tag": {
                "type": "string",
                "maxLength": 50,
                "pattern": r"[^.&]+",
                "example": "one tag of 1 to 50 characters without . and &",
            },
            "link_attachment": {
                "type": "string",
                "maxLength": 2000,
                "pattern": r"https?://[!-~]+",
                "example": "a web address",
            },
            "quote_post_id": {"type": "string", "pattern": r"\d{1,25}", "example": "digits"},
        },
    }
    config_class = ThreadsConfig
    config_variables: ClassVar[Mapping[str, str]] = {
        "client_id": "THREADS_CLIENT_ID",
        "client_secret": "THREADS_CLIENT_SECRET",
    }
    config: ThreadsConfig
    waits: ClassVar[Mapping[str, timedelta]] = {
        "368": BLOCKED,
        "/4279013": BLOCKED,
        "/2207051": BLOCKED,
    }
    remedies: ClassVar[Mapping[str, str]] = {
        "/4279013": "Open the Threads app and follow what it asks of you.",
        "/2207051": "Threads took this for spam: publish nothing for a day.",
    }
    edge = "threads"
    status_fields = "status,error_message"
    poll_least = timedelta(seconds=3)
    patience = timedelta(minutes=10)  # the documentation says five; large videos take longer
    publish_again = timedelta(seconds=10)
    later_codes = frozenset({"24/4279009"})
    lost_codes = frozenset()

    # --- what the http layer needs ------------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        return f"{self.config.graph_base}/{self.config.version}"

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token = str(credentials.get("access_token") or "").strip()
        if not token:
            raise ServiceError(C.AUTH_ERROR, "The connection to Threads has no access token.")
        return GraphToken(token)

    def api_versions(self) -> Sequence[ApiVersion]:
        return (ApiVersion("THREADS_API_VERSION", self.config.version, None),)

    # --- before publishing --------------------------------------------------------------------
    def excess(self, text: str, limit: int) -> int:
        return excess(text, limit)

    def violations(self, draft: Draft) -> list[Violation]:
        found = draft_violations(
            draft, self.limits, self.options_schema, excess=excess, unit=self.text_unit
        )
        attached = str(draft.options.get("link_attachment") or "")
        for number, segment in enumerate(draft.segments):
            place = f"segments[{number}]"
            found += _too_many_links(f"{place}.text", segment.text, "" if number else attached)
            for position, file in enumerate(segment.media):
                found += [
                    Violation(f"{place}.media[{position}]", code, message)
                    for code, message in _file_problems(file)
                ]
        if attached and draft.segments and draft.segments[0].media:
            message = "A link is attached to texts only. Leave it out, or remove the files."
            found.append(Violation("options.link_attachment", "link_with_files", message))
        found += _too_many_links("first_comment", draft.first_comment, "")
        return found

    def notices(self, draft: Draft) -> list[Notice]:
        most = self.limits.text_chars
        texts = [part.text for part in draft.parts]
        if any(excess(text, most) == 0 < len(text.encode()) - most for text in texts):
            message = (
                f"In bytes this text is longer than {most}. Threads counts characters, but emoji "
                "in bytes: it may see more emoji in it than Carillon does."
            )
            return [Notice("many_bytes", message)]
        return []

    def needs_preparation(self, draft: Draft) -> bool:
        """Say yes: a text, too, is a container that can be made ahead."""
        return True

    def container(
        self, draft: Draft, number: int, position: int | None, items: Sequence[str], parent: str
    ) -> dict[str, Any]:
        part = draft.parts[number]
        if position is not None:
            return {**_source(part.media[position]), "is_carousel_item": True}
        if items:
            body: dict[str, Any] = {"media_type": "CAROUSEL", "children": ",".join(items)}
        else:
            body = _source(part.media[0]) if part.media else {"media_type": "TEXT"}
        if part.text:
            body["text"] = part.text
        if parent:
            body["reply_to_id"] = parent
        if number == 0:
            body |= draft.options
        return body

    def may_pass(self, reason: str) -> bool:
        return reason in PASSING

    def why(self, reason: str) -> str:
        return REASONS.get(reason) or super().why(reason)

    async def look_at_quota(self, http: Http, draft: Draft) -> None:
        """Ask how many posts and replies are left; those of a chain need one each."""
        fields = "quota_usage,config,reply_quota_usage,reply_config"
        response = await self.ask(http, "/me/threads_publishing_limit", {"fields": fields})
        self.judge_quota(response, "quota_usage", "config", needed=1)
        replies = len(draft.parts) - 1
        if replies:
            self.judge_quota(
                response, "reply_quota_usage", "reply_config", needed=replies, what="replies"
            )

    # --- the account's posts ------------------------------------------------------------------
    def text_of(self, draft: Draft, segment: int) -> str:
        return draft.parts[segment].text

    def posts(
        self, http: Http, draft: Draft, segment: int, since: datetime
    ) -> AsyncIterator[dict[str, Any]]:
        params = {
            "fields": "id,text,timestamp,permalink,is_reply",
            "since": str(int(since.timestamp())),
            "limit": "50",
        }
        return self.listed(http, "/me/replies" if segment else "/me/threads", params)

    def is_same(self, post: Mapping[str, Any], draft: Draft, segment: int) -> bool:
        shown = comparable(str(post.get("text") or ""))
        is_reply = post.get("is_reply")
        return shown == comparable(self.text_of(draft, segment)) and (
            not isinstance(is_reply, bool) or is_reply is (segment > 0)
        )

    async def delete(self, http: Http, remote_id: str) -> None:
        await self.remove(http, remote_id)

    async def metrics(self, http: Http, remote_ids: Sequence[str]) -> list[PostMetrics]:
        return [
            PostMetrics(remote_id, values)
            for remote_id in remote_ids
            if (values := await self.insights(http, f"/{remote_id}/insights", METRICS))
        ]

    # --- the account --------------------------------------------------------------------------
    async def sign_in(self, http: Http, entered: Mapping[str, Any]) -> Mapping[str, Any]:
        """Swap a token of an hour for one of 60 days; one that lasts already is kept."""
        config = self.config
        if not config.client_secret or lasts(entered):
            return entered
        params = {
            "grant_type": "th_exchange_token",
            "client_secret": config.client_secret,
            "access_token": str(entered.get("access_token") or ""),
        }
        return await self.swap_token(http, f"{config.graph_base}/access_token", params, entered)

    async def validate(self, http: Http) -> Account:
        fields = "id,username,name,threads_profile_picture_url"
        response = await self.ask(http, "/me", {"fields": fields})
        found = response.json_object()
        if not is_id(found.get("id")) or not is_id(found.get("username")):
            raise self.unreadable(response)
        return Account(
            external_id=found["id"],
            username=found["username"],
            display_name=str(found.get("name") or ""),
            avatar_url=str(found.get("threads_profile_picture_url") or ""),
        )

    def renewable(self, credentials: Mapping[str, Any]) -> bool:
        """Say yes: a token renews itself while it lives."""
        return True

    async def refresh(self, http: Http, credentials: Mapping[str, Any]) -> Mapping[str, Any]:
        url = f"{self.config.graph_base}/refresh_access_token"
        return await self.renewed(http, url, "th_refresh_token", credentials)

    def account_address(self, account: Account) -> str:
        return f"https://www.threads.com/@{account.username}" if account.username else ""


# --- counting -------------------------------------------------------------------------------
def excess(text: str, limit: int) -> int:
    """Return by how much `text` is over `limit`, or 0: characters, but emoji count their bytes."""
    if text.isascii():
        return max(0, len(text) - limit)
    if len(text.encode()) <= limit:
        return 0
    length = sum(
        len(cluster.encode()) if EMOJI.search(cluster) else len(cluster)
        for cluster in GRAPHEME.findall(text)
    )
    return max(0, length - limit)


def _too_many_links(place: str, text: str, attached: str) -> list[Violation]:
    links = {*LINK.findall(text), *([attached] if attached else [])}
    if len(links) <= LINKS_MOST:
        return []
    message = f"At most {LINKS_MOST} different links are accepted; there are {len(links)}."
    return [Violation(place, "too_many_links", f"{message} Remove some.")]


def _file_problems(file: Media) -> list[tuple[str, str]]:
    found = []
    if not file.url:
        message = (
            "Threads fetches files from a public address, and this installation has none: set "
            "PUBLIC_URL."
        )
        found.append(("public_address_missing", message))
    sides = sorted((file.width, file.height))
    if file.kind == "image" and sides[0] and sides[1] > IMAGE_RATIO_MOST * sides[0]:
        message = f"The image is longer than {IMAGE_RATIO_MOST}:1. Crop it."
        found.append(("aspect_ratio", message))
    if file.kind == "video" and file.width > VIDEO_WIDTH_MOST:
        message = f"The video is {file.width} pixels wide; at most {VIDEO_WIDTH_MOST} are accepted."
        found.append(("video_too_wide", f"{message} Scale it down."))
    return found


def _source(file: Media) -> dict[str, Any]:
    if not file.url:
        detail = "Threads fetches files from a public address: set PUBLIC_URL."
        raise ServiceError(C.MEDIA_ERROR, detail)
    described = {"alt_text": file.alt_text} if file.alt_text else {}
    return {"media_type": file.kind.upper(), f"{file.kind}_url": file.url, **described}
