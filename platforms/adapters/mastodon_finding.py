"""Finding what an earlier try may have left on a Mastodon server, among the account's statuses.

Sources and progress: as in `platforms.adapters.mastodon`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http
from platforms.adapters.base import Adapter, Draft, Progress, Published, spoken_for
from platforms.adapters.mastodon_reading import comparable_status, instant, is_status
from platforms.adapters.texts import comparable, plain_text

FIND_PAGES = 5


class MastodonFinding(Adapter):
    """The half of the adapter that looks for what is published already."""

    async def find(
        self, http: Http, draft: Draft, progress: Progress, *, segment: int, since: datetime
    ) -> Published | None:
        done = list(progress.get("published", ()))
        wanted = draft.parts[segment]
        parent = done[segment - 1] if 0 < segment <= len(done) else None
        text = comparable_status(wanted.text)
        spoiler = comparable(str(draft.options.get("spoiler_text") or ""))
        account_id = draft.account.external_id.rpartition(":")[2]
        others = spoken_for(progress)
        async for status in self._statuses_since(http, account_id, since):
            if (
                status["id"] not in others
                and status.get("in_reply_to_id") == parent
                and len(status.get("media_attachments") or ()) == len(wanted.media)
                and comparable(str(status.get("spoiler_text") or "")) == spoiler
                and comparable_status(plain_text(str(status.get("content") or ""))) == text
            ):
                progress = with_status(progress, done, status)
                first = (*done, status["id"])[0]
                return Published((status["id"],), permalink(draft, progress, first), progress)
        return None

    async def _statuses_since(
        self, http: Http, account_id: str, since: datetime
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield statuses, newest first; OUTCOME_UNKNOWN if the list does not reach `since`."""
        params = {"limit": "40", "exclude_reblogs": "true"}
        for _ in range(FIND_PAGES):
            response = await http.get(f"/api/v1/accounts/{account_id}/statuses", params=params)
            if not response.ok:
                raise self.error(response)
            page = response.json()
            if not isinstance(page, list) or not all(is_status(entry) for entry in page):
                raise self.unreadable(response, wrote=True)
            for status in page:
                created_at = instant(status["created_at"])
                if created_at is None or created_at < since:
                    return
                yield status
            if not page or 'rel="next"' not in response.headers.get("link", ""):
                return
            params["max_id"] = page[-1]["id"]
        raise ServiceError(C.OUTCOME_UNKNOWN, "The account has too many statuses to look through.")


def with_status(
    progress: Progress, done: Sequence[str], status: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the progress with one more finished status."""
    known = {**progress, "published": [*done, status["id"]]}
    if not done and isinstance(status.get("url"), str):
        known["permalink"] = status["url"]
    return known


def permalink(draft: Draft, progress: Progress, first_id: str) -> str:
    account = draft.account
    return str(progress.get("permalink") or "") or (
        f"{account.instance_url}/@{account.username}/{first_id}"
    )
