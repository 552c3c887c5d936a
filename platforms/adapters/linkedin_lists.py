"""What LinkedIn lists: an organization's posts, the comments on one, their statistics.

Sources: learn.microsoft.com/linkedin, "Posts API", "Comments API", "Share Statistics", "Member Post
Statistics", read 2026-11.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Response
from platforms.adapters.base import Adapter, PostMetrics, Segment, is_id
from platforms.adapters.linkedin_client import Client, encoded, listed
from platforms.adapters.linkedin_text import plain
from platforms.adapters.texts import comparable

PAGE, PAGES = 100, 5
POSTS_AT_ONCE = 50
ORGANIZATION_METRICS = {  # field of totalShareStatistics -> our name
    "impressionCount": "impressions",
    "uniqueImpressionsCount": "reach",
    "clickCount": "clicks",
    "likeCount": "likes",
    "commentCount": "comments",
    "shareCount": "shares",
}
MEMBER_METRICS = {  # queryType of memberCreatorPostAnalytics -> our name
    "IMPRESSION": "impressions",
    "MEMBERS_REACHED": "reach",
    "REACTION": "likes",
    "COMMENT": "comments",
    "RESHARE": "shares",
}


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of one author, a URN; `adapter` judges errors."""

    adapter: Adapter
    client: Client
    author: str

    async def find_post(
        self, wanted: Segment, others: frozenset[str], since: datetime
    ) -> str | None:
        """Return the URN of the post that says and shows what we sent; None if it is not there."""
        async for post in self._posts_since(since):
            if post["id"] not in others and is_same(post, wanted):
                return str(post["id"])
        return None

    async def find_comment(self, post: str, text: str, others: frozenset[str]) -> str | None:
        """Return the author's own comment on a post; OUTCOME_UNKNOWN if there are too many."""
        path = f"/rest/socialActions/{encoded(post)}/comments"
        response = await self.client.call("GET", path, params={"count": str(PAGE)})
        comments = self._elements(response)
        for comment in comments:
            message = comment.get("message")
            shown = message.get("text") if isinstance(message, dict) else ""
            urn = comment.get("$URN") or comment.get("commentUrn") or comment.get("id")
            is_ours = comment.get("actor") == self.author and is_id(urn) and urn not in others
            if is_ours and comparable(str(shown)) == comparable(text):
                return str(urn)
        if len(comments) >= PAGE:
            raise ServiceError(C.OUTCOME_UNKNOWN, "There are too many comments to look through.")
        return None

    async def statistics(self, posts: Sequence[str]) -> list[PostMetrics]:
        """Return an organization's counters; posts that nobody saw are absent."""
        found: list[PostMetrics] = []
        for start in range(0, len(posts), POSTS_AT_ONCE):
            some = posts[start : start + POSTS_AT_ONCE]
            path = "/rest/organizationalEntityShareStatistics?q=organizationalEntity"
            path += f"&organizationalEntity={encoded(self.author)}"
            uploads = [urn for urn in some if ":ugcPost:" in urn]
            shares = [urn for urn in some if urn not in uploads]
            for name, urns in (("shares", shares), ("ugcPosts", uploads)):
                path += f"&{name}={listed(urns)}" if urns else ""
            response = await self.client.call("GET", path, method="FINDER")
            for element in self._elements(response):
                urn = element.get("share") or element.get("ugcPost")
                if is_id(urn):
                    counters = _counters(element.get("totalShareStatistics"))
                    found.append(PostMetrics(urn, counters))
        return found

    async def statistics_of_member(self, urn: str) -> PostMetrics | None:
        """Return the counters of a member's post, one call each; None when it is gone."""
        kind = "ugc" if ":ugcPost:" in urn else "share"
        counters: dict[str, int] = {}
        for name, ours in MEMBER_METRICS.items():
            path = f"/rest/memberCreatorPostAnalytics?q=entity&entity=({kind}:{encoded(urn)})"
            path += f"&queryType={name}&aggregation=TOTAL"
            response = await self.client.call("GET", path, method="FINDER")
            if response.status == 404:
                return None
            elements = self._elements(response)
            count = elements[0].get("count") if elements else None
            if type(count) is int:
                counters[ours] = count
        return PostMetrics(urn, counters)

    async def _posts_since(self, since: datetime) -> AsyncIterator[dict[str, Any]]:
        """Yield posts, newest first; OUTCOME_UNKNOWN if the list does not reach `since`."""
        params = {"q": "author", "author": self.author, "count": str(PAGE), "sortBy": "CREATED"}
        for page in range(PAGES):
            asked = {**params, "start": str(page * PAGE)} if page else params
            response = await self.client.call("GET", "/rest/posts", method="FINDER", params=asked)
            posts = self._elements(response)
            for post in posts:
                created_at = _instant(post.get("createdAt"))
                if not is_id(post.get("id")) or created_at is None:
                    raise self.adapter.unreadable(response, wrote=True)
                if created_at < since:
                    return
                yield post
            if len(posts) < PAGE:
                return
        raise ServiceError(C.OUTCOME_UNKNOWN, "There are too many posts to look through.")

    def _elements(self, response: Response) -> list[dict[str, Any]]:
        """Return the list in an answer; only a well-formed one tells that something is missing."""
        if not response.ok:
            raise self.adapter.error(response)
        elements = response.json_object().get("elements")
        if not isinstance(elements, list) or not all(isinstance(one, dict) for one in elements):
            raise self.adapter.unreadable(response, wrote=True)
        return elements


def is_same(post: Mapping[str, Any], wanted: Segment) -> bool:
    """Say whether a listed post is the one we sent: text and number of files."""
    content = post.get("content")
    content = content if isinstance(content, dict) else {}
    images = content.get("multiImage")
    many = images.get("images") if isinstance(images, dict) else None
    files = len(many) if isinstance(many, list) else int("media" in content)
    text = plain(str(post.get("commentary") or ""))
    return files == len(wanted.media) and comparable(text) == comparable(wanted.text)


def _instant(milliseconds: Any) -> datetime | None:
    if type(milliseconds) is not int or not 0 < milliseconds < 10**14:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _counters(statistics: Any) -> dict[str, int]:
    if not isinstance(statistics, dict):
        return {}
    return {
        ours: statistics[name]
        for name, ours in ORGANIZATION_METRICS.items()
        if type(statistics.get(name)) is int
    }
