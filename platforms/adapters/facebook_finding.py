"""After a lost answer posts are found in the Page's list, and videos asked for by their id.

Sources and progress: as in `platforms.adapters.facebook`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http
from platforms.adapters.base import (
    Draft,
    Progress,
    Published,
    is_id,
    spoken_for,
)
from platforms.adapters.facebook_reading import (
    LIVE,
    POST,
    REEL,
    STORY,
    UPLOADED,
    film_of,
    is_same,
    kind_of,
    outcome_for_video,
)
from platforms.adapters.graph import GraphAdapter, proof_of
from platforms.adapters.graph_reading import (
    GONE_CODES,
    instant_of,
    web_address,
)
from platforms.adapters.texts import comparable

POLL_AFTER = timedelta(seconds=5)
VIDEO_FIELDS = "status,permalink_url,post_id"


class FacebookFinding(GraphAdapter):
    """Looks for what an earlier try may have left."""

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
                progress = live_post(progress, post["id"], post.get("permalink_url"))
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
            progress = live_video(draft, {**progress, "processing": video_id}, video)
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


def comment_parent(progress: Progress) -> str:
    """Return the id that the first comment is written under."""
    return str(progress.get("comment_on") or progress["published"][0])


def live_post(progress: Progress, post_id: str, permalink: Any) -> dict[str, Any]:
    """Return the progress with the finished post."""
    known = {name: value for name, value in progress.items() if name != "processing"}
    return {**known, "published": [post_id], "permalink": web_address(permalink)}


def live_video(draft: Draft, progress: Progress, video: Mapping[str, Any]) -> dict[str, Any]:
    """Return the progress with the finished video; its post's id, where Facebook tells one.

    It is told without the Page, which the ids of posts begin with everywhere else.
    """
    video_id = remote_id = str(progress["processing"])
    if is_id(post_id := video.get("post_id")):
        is_short = "_" not in post_id and kind_of(draft) != STORY
        remote_id = f"{draft.account.external_id}_{post_id}" if is_short else post_id
    address = web_address(video.get("permalink_url"))
    made_up = f"https://www.facebook.com/reel/{video_id}" if kind_of(draft) == REEL else ""
    return live_post(progress, remote_id, address or made_up)
