"""What an account at TikTok is asked beside its posts: who it is, its tokens, its counters.

Sources: as in `platforms.adapters.tiktok`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from engine.errors import ServiceError
from engine.http import Bearer, Http
from platforms.adapters.base import Account, PostMetrics, is_id
from platforms.adapters.oauth import refreshed
from platforms.adapters.tiktok_reading import counters_of, data_of, id_of, provider_code
from platforms.adapters.tiktok_upload import TikTokUploads

COUNTER_FIELDS = "id,view_count,like_count,comment_count,share_count"


class TikTokAccount(TikTokUploads):
    """The part of the adapter that is about the account."""

    async def validate(self, http: Http) -> Account:
        fields = "open_id,union_id,username,display_name,avatar_url"
        response = await http.get(self._path("user/info/"), params={"fields": fields})
        user = self._data(response).get("user")
        if not isinstance(user, dict) or not is_id(user.get("open_id")):
            raise self.unreadable(response)
        longest = None
        with suppress(ServiceError):
            creator = data_of(await self._creator(http)) or {}
            longest = creator.get("max_video_post_duration_sec")
        return Account(
            external_id=user["open_id"],
            username=str(user.get("username") or ""),
            display_name=str(user.get("display_name") or ""),
            avatar_url=str(user.get("avatar_url") or ""),
            limits={"video_seconds": longest} if isinstance(longest, int) and longest > 0 else {},
        )

    async def refresh(self, http: Http, credentials: Mapping[str, Any]) -> Mapping[str, Any]:
        return await refreshed(
            self,
            http,
            f"{self.config.api_base}{self._path('oauth/token/')}",
            self._client,
            credentials,
            rotates=True,
            is_over=lambda response: provider_code(response) == "invalid_grant",
        )

    async def revoke(self, http: Http) -> None:
        token = http.auth.token if isinstance(http.auth, Bearer) else ""
        form = {**self._client, "token": token}
        response = await http.post(self._path("oauth/revoke/"), form=form, auth=None)
        if not response.ok or provider_code(response):
            raise self.error(response)

    async def metrics(self, http: Http, remote_ids: Sequence[str]) -> list[PostMetrics]:
        ids = [remote_id for remote_id in remote_ids if remote_id.isdecimal()]
        found: list[PostMetrics] = []
        for start in range(0, len(ids), 20):
            body = {"filters": {"video_ids": ids[start : start + 20]}}
            response = await http.post(
                self._path("video/query/"), params={"fields": COUNTER_FIELDS}, json=body
            )
            videos = self._data(response).get("videos")
            if not isinstance(videos, list):
                raise self.unreadable(response)
            found += [
                PostMetrics(id_of(video["id"]), counters_of(video))
                for video in videos
                if isinstance(video, dict) and id_of(video.get("id"))
            ]
        return found
