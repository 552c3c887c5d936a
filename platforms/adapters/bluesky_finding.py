"""Bluesky's half that looks for a part an earlier try may have left, and adds it to the progress.

Sources and progress: as in `platforms.adapters.bluesky`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine.http import Http
from platforms.adapters.base import Adapter, Draft, Progress, Published, spoken_for
from platforms.adapters.bluesky_records import is_same
from platforms.adapters.bluesky_repository import Live, Repository, place_of


class BlueskyFinding(Adapter):
    """The half of the adapter that finds."""

    async def find(
        self, http: Http, draft: Draft, progress: Progress, *, segment: int, since: datetime
    ) -> Published | None:
        """Look under the frozen record's key; without one, through the account's latest posts."""
        repository = Repository(self, http, draft.account.external_id)
        frozen = progress.get("record")
        if frozen is not None and frozen["number"] == segment:
            live = await repository.look(frozen["rkey"], frozen["value"])
            return _found(draft, progress, live) if live else None
        done = list(progress.get("published", ()))
        wanted = draft.parts[segment]
        parent = done[segment - 1] if 0 < segment <= len(done) else None
        others = spoken_for(progress)
        async for record in repository.posts_since(since):
            is_ours = is_same(record.get("value"), wanted.text, len(wanted.media), parent)
            if is_ours and record["uri"] not in others:
                return _found(draft, progress, (record["uri"], record["cid"]))
        return None


def _found(draft: Draft, progress: Progress, live: Live) -> Published:
    progress = progress_with(progress, live)
    return Published((live[0],), permalink(draft, progress), progress)


def progress_with(progress: Progress, live: Live) -> dict[str, Any]:
    uri, cid = live
    rest = {name: value for name, value in progress.items() if name not in {"record", "again"}}
    done = [*progress.get("published", ()), uri]
    return {**rest, "published": done, "cids": {**progress.get("cids", {}), uri: cid}}


def permalink(draft: Draft, progress: Progress) -> str:
    rkey = place_of(progress["published"][0])[2]
    return f"https://bsky.app/profile/{draft.account.external_id}/post/{rkey}"
