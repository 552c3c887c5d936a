"""Threads: containers of texts, images, videos and carousels; chains and first comments as replies.

Sources: developers.facebook.com/documentation/threads (overview, posts, delete), read 2026-11.

The first post's container is made ahead; a reply names its parent when it is made, so those of a
chain follow at the moment. A token lives 60 days and renews itself. Recalled, not read: that
`is_reply` and `replied_to` come with the lists; the emoji that Threads counts in bytes are taken to
be the grapheme clusters that are shown as pictures.
"""

from __future__ import annotations

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
    PostMetrics,
    RetrySafety,
    Safety,
    Violation,
)
from platforms.adapters.checks import draft_violations
from platforms.adapters.graph_reading import (
    BLOCKED,
    COMMON,
    table,
    usage_buckets,
)
from platforms.adapters.texts import comparable
from platforms.adapters.threads_account import ThreadsAccount, ThreadsConfig
from platforms.adapters.threads_reading import (
    METRICS,
    PASSING,
    REASONS,
    ROWS,
    excess,
    file_problems,
    too_many_links,
)


class Threads(ThreadsAccount):
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
            found += too_many_links(f"{place}.text", segment.text, "" if number else attached)
            for position, file in enumerate(segment.media):
                found += [
                    Violation(f"{place}.media[{position}]", code, message)
                    for code, message in file_problems(file)
                ]
        if attached and draft.segments and draft.segments[0].media:
            message = "A link is attached to texts only. Leave it out, or remove the files."
            found.append(Violation("options.link_attachment", "link_with_files", message))
        found += too_many_links("first_comment", draft.first_comment, "")
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


def _source(file: Media) -> dict[str, Any]:
    if not file.url:
        detail = "Threads fetches files from a public address: set PUBLIC_URL."
        raise ServiceError(C.MEDIA_ERROR, detail)
    described = {"alt_text": file.alt_text} if file.alt_text else {}
    return {"media_type": file.kind.upper(), f"{file.kind}_url": file.url, **described}
