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
from datetime import datetime, timedelta
from typing import Any, ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http
from platforms.adapters.base import (
    Bucket,
    Capability,
    Draft,
    Limits,
    Media,
    Notice,
    RetrySafety,
    Safety,
    Violation,
    is_id,
)
from platforms.adapters.checks import draft_violations
from platforms.adapters.graph_reading import (
    COMMON,
    table,
    usage_buckets,
)
from platforms.adapters.instagram_account import InstagramAccount, InstagramConfig
from platforms.adapters.instagram_reading import (
    FETCH_CODES,
    HASHTAG,
    HASHTAGS_SHOWN,
    LATER_CODES,
    LOST_CODES,
    PASSING,
    REMEDIES,
    ROWS,
    WAITS,
    file_problems,
    too_many_tags,
)
from platforms.adapters.texts import comparable

STORY = "story"
REASON_CODE = re.compile(r"\b2207\d{3}\b")


class Instagram(InstagramAccount):
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
    waits = WAITS
    remedies = REMEDIES
    edge = "media"
    status_fields = "status_code,status"
    poll_least = timedelta(seconds=5)
    patience = timedelta(minutes=15)
    later_codes = LATER_CODES
    lost_codes = LOST_CODES
    fetch_codes = FETCH_CODES

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
            found += too_many_tags(f"{place}.text", segment.text, self.config.max_hashtags)
        if is_story and draft.first_comment:
            message = "A story takes no first comment. Leave it empty."
            found.append(Violation("first_comment", "first_comment_unsupported", message))
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


def _chosen(draft: Draft, *names: str) -> dict[str, Any]:
    return {name: draft.options[name] for name in names if name in draft.options}
