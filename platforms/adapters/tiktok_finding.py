"""Finding what an earlier try may have left at TikTok: by its publish_id, else in the list.

Sources and progress: as in `platforms.adapters.tiktok`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from engine import wall_clock
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http
from platforms.adapters import tiktok_post as post
from platforms.adapters.base import Account, Draft, Progress, Published, is_id, spoken_for
from platforms.adapters.tiktok_reading import first_id, has_caption, id_of, made_at
from platforms.adapters.tiktok_upload import TikTokUploads

LISTS_LATE = timedelta(minutes=10)  # ours: how long a new post may be missing from the list
FIND_PAGES = 5
VIDEO_FIELDS = "id,create_time,title,video_description,share_url"


class TikTokFinding(TikTokUploads):
    """The part of the adapter that finds posts, and what names and addresses them."""

    async def find(
        self, http: Http, draft: Draft, progress: Progress, *, segment: int, since: datetime
    ) -> Published | None:
        if is_id(publish_id := progress.get("publish_id")):
            return await self._find_by_status(http, draft, progress, publish_id)
        text, others = draft.segments[0].text, spoken_for(progress)
        async for video in self._videos(http, since):
            remote_id = id_of(video.get("id"))
            if remote_id and remote_id not in others and has_caption(video, text):
                found = self._published(draft, progress, remote_id)
                return replace(found, permalink=str(video.get("share_url") or found.permalink))
        if draft.files and post.video_of(draft) is None:
            raise _not_listed(draft, since)
        return None  # a video whose upload was never opened cannot be there

    async def _find_by_status(
        self, http: Http, draft: Draft, progress: Progress, publish_id: str
    ) -> Published | None:
        data = await self._status(http, publish_id)
        status = data.get("status")
        if status in ("PUBLISH_COMPLETE", "SEND_TO_USER_INBOX"):
            return self._published(draft, progress, first_id(data) or publish_id)
        if status == "FAILED":
            return None
        raise ServiceError(C.SERVER_ERROR, "TikTok is still working on the post.")

    async def _videos(self, http: Http, since: datetime) -> AsyncIterator[dict[str, Any]]:
        """Yield the account's public posts, newest first; OUTCOME_UNKNOWN if the list is cut."""
        body: dict[str, Any] = {"max_count": 20}
        for _ in range(FIND_PAGES):
            response = await http.post(
                self._path("video/list/"), params={"fields": VIDEO_FIELDS}, json=body
            )
            data = self._data(response)
            videos = data.get("videos")
            if not isinstance(videos, list) or not all(isinstance(v, dict) for v in videos):
                raise self.unreadable(response, wrote=True)
            for video in videos:
                made = made_at(video)
                if made is not None and made < since:
                    return
                yield video
            if not data.get("has_more") or not isinstance(data.get("cursor"), int):
                return
            body = {**body, "cursor": data["cursor"]}
        raise ServiceError(C.OUTCOME_UNKNOWN, "The account has too many posts to look through.")

    def _published(self, draft: Draft, progress: Progress, remote_id: str) -> Published:
        address = self.account_address(draft.account)
        if remote_id.isdecimal() and draft.account.username:
            kind = "photo" if post.video_of(draft) is None else "video"
            address = f"https://www.tiktok.com/@{draft.account.username}/{kind}/{remote_id}"
        return Published((remote_id,), address, {**progress, "published": [remote_id]})

    # --- what people see ------------------------------------------------------------------------
    def account_address(self, account: Account) -> str:
        name = f"@{account.username}" if account.username else ""
        return f"https://www.tiktok.com/{name}"

    def remote_id_in(self, address: str, account: Account) -> str:
        found = post.POST_ADDRESS.fullmatch(address.strip())
        return found["id"] if found else ""


def _not_listed(draft: Draft, since: datetime) -> ServiceError:
    """The list shows public posts only, and late: that photos are missing in it proves nothing."""
    is_public = draft.options.get("privacy_level") == "PUBLIC_TO_EVERYONE"
    if is_public and wall_clock.instant() < since + LISTS_LATE:
        detail = "TikTok does not list the post yet."
        return ServiceError(C.SERVER_ERROR, detail, retry_after=timedelta(minutes=1))
    detail = "TikTok lists no such post, which may also mean that it is not public."
    return ServiceError(C.OUTCOME_UNKNOWN, detail)
