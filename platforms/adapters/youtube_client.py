"""Asking YouTube: addresses, requests and their errors, and the list of a channel's uploads.

Sources: as in `platforms.adapters.youtube`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Http, InAddress, Response
from platforms.adapters.base import Adapter, Draft, is_id
from platforms.adapters.youtube_reading import (
    instant,
    items_of,
    part_of,
    provider_code,
    reason_of,
    retry_after,
)

FIND_PAGES = 4


@dataclass(frozen=True, slots=True)
class YouTubeConfig:
    """The OAuth client of a Google Cloud project (console.cloud.google.com, Credentials).

    `authorize_url` is where accounts are connected.
    """

    api_base: str = "https://youtube.googleapis.com"
    upload_base: str = "https://youtube.googleapis.com"
    api_version: str = "v3"
    authorize_url: str = "https://accounts.google.com/o/oauth2/v2/auth"
    token_url: str = "https://oauth2.googleapis.com/token"
    revoke_url: str = "https://oauth2.googleapis.com/revoke"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)


class YouTubeClient(Adapter):
    """The requests that all parts of the adapter make."""

    config_class = YouTubeConfig
    config: YouTubeConfig

    async def _uploads(
        self, http: Http, draft: Draft, since: datetime
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the channel's videos, newest first, private ones too; OUTCOME_UNKNOWN if cut."""
        playlist = "UU" + draft.account.external_id.removeprefix("UC")
        params = {"part": "contentDetails", "playlistId": playlist, "maxResults": "50"}
        for _ in range(FIND_PAGES):
            response = await http.get(self._path("playlistItems"), params=params)
            if not response.ok:
                raise self.error(response)
            items = items_of(response)
            if items is None:
                raise self.unreadable(response, wrote=True)
            ids = [part_of(item, "contentDetails").get("videoId") for item in items]
            known = ",".join(video_id for video_id in ids if is_id(video_id))
            if not known:
                return
            videos = await self._list(http, "videos", {"part": "snippet,status", "id": known})
            made = [instant(part_of(video, "snippet").get("publishedAt")) for video in videos]
            for video in videos:
                if is_id(video.get("id")):
                    yield video
            token = response.json_object().get("nextPageToken")
            if not is_id(token) or any(moment and moment < since for moment in made):
                return
            params["pageToken"] = token
        raise ServiceError(C.OUTCOME_UNKNOWN, "The channel has too many uploads to look through.")

    # --- requests and errors ------------------------------------------------------------------
    def _path(self, kind: str) -> str:
        return f"/youtube/{self.config.api_version}/{kind}"

    def _upload_url(self, kind: str) -> str:
        return f"{self.config.upload_base}/upload{self._path(kind)}"

    def _way(self, http: Http, session: str) -> Auth:
        """Return the authorization of an upload's address: our token goes to Google's host only."""
        ours = urlsplit(session)[:2] in {
            urlsplit(base)[:2] for base in (self.config.upload_base, self.config.api_base)
        }
        power = urlsplit(session).query or session  # blotted out of whatever echoes it
        return InAddress(power, beside=http.auth if ours else None)

    async def _list(self, http: Http, kind: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        response = await http.get(self._path(kind), params=params)
        if not response.ok:
            raise self.error(response)
        items = items_of(response)
        if items is None:
            raise self.unreadable(response)
        return items

    def provider_code(self, response: Response) -> str:
        return provider_code(response)

    def retry_after(self, response: Response) -> timedelta | None:
        return retry_after(response)

    def explain(self, response: Response) -> str:
        return reason_of(response)
