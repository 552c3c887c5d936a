"""Finding what an earlier try may have left at YouTube: a visible video, or its comment.

Sources and progress: as in `platforms.adapters.youtube`.
"""

from __future__ import annotations

from datetime import datetime

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http
from platforms.adapters import youtube_post as post
from platforms.adapters.base import Draft, Progress, Published, is_id, spoken_for
from platforms.adapters.texts import comparable
from platforms.adapters.youtube_client import YouTubeClient
from platforms.adapters.youtube_reading import instant, items_of, part_of


class YouTubeFinding(YouTubeClient):
    """The part of the adapter that finds videos and comments."""

    async def find(
        self, http: Http, draft: Draft, progress: Progress, *, segment: int, since: datetime
    ) -> Published | None:
        done = list(progress.get("published", ()))
        found = (
            await self._find_comment(http, draft, progress, since)
            if segment > 0
            else await self._find_video(http, draft, progress, since)
        )
        if not found:
            return None
        known = [*done, found]
        address = post.permalink(draft, known[0])
        return Published((found,), address, {**progress, "published": known})

    async def _find_video(
        self, http: Http, draft: Draft, progress: Progress, since: datetime
    ) -> str:
        """Return the id of our video if it is visible; told by its id, else by its marker."""
        wanted = post.privacy_of(draft)
        if is_id(known := progress.get("video")):
            items = await self._list(http, "videos", {"part": "status", "id": known})
            is_live = any(part_of(v, "status").get("privacyStatus") == wanted for v in items)
            return known if is_live else ""
        others, marker = spoken_for(progress), progress.get("marker")
        async for video in self._uploads(http, draft, since):
            snippet, status = part_of(video, "snippet"), part_of(video, "status")
            tags = snippet.get("tags")
            is_ours = (
                marker in tags
                if marker and isinstance(tags, list)
                else snippet.get("title") == post.title_of(draft)
            )
            if is_ours and status.get("privacyStatus") == wanted and video["id"] not in others:
                return str(video["id"])
        return ""

    async def _find_comment(
        self, http: Http, draft: Draft, progress: Progress, since: datetime
    ) -> str:
        params = {
            "part": "snippet",
            "videoId": progress["published"][0] if progress.get("published") else "",
            "order": "time",
            "maxResults": "50",
            "textFormat": "plainText",
        }
        response = await http.get(self._path("commentThreads"), params=params)
        if not response.ok:
            raise self.error(response)
        items = items_of(response)
        if items is None:
            raise self.unreadable(response, wrote=True)
        made = []
        for thread in items:
            comment = part_of(part_of(part_of(thread, "snippet"), "topLevelComment"), "snippet")
            author = part_of(comment, "authorChannelId").get("value")
            shown = comment.get("textOriginal") or comment.get("textDisplay") or ""
            made.append(instant(comment.get("publishedAt")))
            if (
                is_id(thread.get("id"))
                and thread["id"] not in spoken_for(progress)
                and author == draft.account.external_id
                and comparable(str(shown)) == comparable(draft.first_comment)
            ):
                return str(thread["id"])
        if is_id(response.json_object().get("nextPageToken")) and not any(
            moment and moment < since for moment in made
        ):
            raise ServiceError(
                C.OUTCOME_UNKNOWN, "The video has too many comments to look through."
            )
        return ""
