"""What a channel at YouTube is asked beside uploads: who it is, its tokens, counters, deletions.

Sources: as in `platforms.adapters.youtube`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Bearer, Http
from platforms.adapters.base import Account, PostMetrics, Target, is_id
from platforms.adapters.oauth import refreshed
from platforms.adapters.youtube_client import YouTubeClient
from platforms.adapters.youtube_reading import counters_of, items_of, part_of, provider_code

VIDEO_ID_CHARS = 11  # comments have longer ids


class YouTubeAccount(YouTubeClient):
    """The part of the adapter that is about the account."""

    async def validate(self, http: Http) -> Account:
        return (await self._channels(http))[0]

    async def targets(self, http: Http, credentials: Mapping[str, Any]) -> list[Target]:
        return [Target(account, credentials) for account in await self._channels(http)]

    async def _channels(self, http: Http) -> list[Account]:
        response = await http.get(
            self._path("channels"), params={"part": "snippet", "mine": "true"}
        )
        if not response.ok:
            raise self.error(response)
        items = items_of(response)
        is_empty = response.json_object().get("kind") == "youtube#channelListResponse"
        if not items and (items == [] or is_empty):
            detail = "This Google account has no YouTube channel. Create one at youtube.com."
            raise ServiceError(C.PERMISSION, detail, http_status=response.status)
        if items is None or not all(is_id(item.get("id")) for item in items):
            raise self.unreadable(response)
        return [_account(item) for item in items]

    async def refresh(self, http: Http, credentials: Mapping[str, Any]) -> Mapping[str, Any]:
        config = self.config
        client = {"client_id": config.client_id, "client_secret": config.client_secret}
        return await refreshed(
            self,
            http,
            config.token_url,
            client,
            credentials,
            rotates=False,
            is_over=lambda response: provider_code(response) == "invalid_grant",
        )

    async def revoke(self, http: Http) -> None:
        token = http.auth.token if isinstance(http.auth, Bearer) else ""
        response = await http.post(self.config.revoke_url, form={"token": token}, auth=None)
        if not response.ok and provider_code(response) != "invalid_token":  # it is dead already
            raise self.error(response)

    async def delete(self, http: Http, remote_id: str) -> None:
        kind = "videos" if len(remote_id) <= VIDEO_ID_CHARS else "comments"
        response = await http.delete(self._path(kind), params={"id": remote_id})
        if not response.ok and response.status != 404:
            raise self.error(response)

    async def metrics(self, http: Http, remote_ids: Sequence[str]) -> list[PostMetrics]:
        ids = [remote_id for remote_id in remote_ids if len(remote_id) <= VIDEO_ID_CHARS]
        found: list[PostMetrics] = []
        for start in range(0, len(ids), 50):
            params = {"part": "statistics", "id": ",".join(ids[start : start + 50])}
            videos = await self._list(http, "videos", params)
            found += [PostMetrics(v["id"], counters_of(v)) for v in videos if is_id(v.get("id"))]
        return found


def _account(channel: Mapping[str, Any]) -> Account:
    snippet = part_of(channel, "snippet")
    thumbnail = part_of(part_of(snippet, "thumbnails"), "default")
    handle = str(snippet.get("customUrl") or "").removeprefix("@")
    title = str(snippet.get("title") or "")
    return Account(
        external_id=channel["id"],
        username=handle or title or channel["id"],
        display_name=title,
        avatar_url=str(thumbnail.get("url") or ""),
    )
