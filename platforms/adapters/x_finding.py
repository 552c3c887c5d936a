"""Finding what an earlier try may have left on X, among the account's own posts.

Sources and progress: as in `platforms.adapters.x`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http
from platforms.adapters.base import Draft, Progress, Published, spoken_for
from platforms.adapters.x_client import XClient
from platforms.adapters.x_counting import excess
from platforms.adapters.x_reading import has_id, is_same

FIND_PAGES = 5


class XFinding(XClient):
    """The half of the adapter that looks for what is published already."""

    async def find(
        self, http: Http, draft: Draft, progress: Progress, *, segment: int, since: datetime
    ) -> Published | None:
        done = list(progress.get("published", ()))
        wanted = draft.parts[segment]
        parent = done[segment - 1] if 0 < segment <= len(done) else None
        others = spoken_for(progress)
        async for post in self._posts_since(http, draft, wanted.text, since):
            if post["id"] not in others and is_same(post, wanted, parent, draft.account):
                progress = {**progress, "published": [*done, post["id"]]}
                return Published((post["id"],), permalink(draft, (*done, post["id"])[0]), progress)
        return None

    async def _posts_since(
        self, http: Http, draft: Draft, text: str, since: datetime
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the account's own posts, newest first; OUTCOME_UNKNOWN if the list is not whole."""
        kind = self.config.post_fields_param.partition(".")[0]  # "tweet", or "post" as of 2.167
        fields = f"created_at,text,entities,attachments,referenced_{kind}s"
        if excess(text, self.limits.text_chars):
            fields += f",note_{kind}"  # the whole of a long post; `text` has its beginning
        params = {
            "start_time": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "max_results": "100",
            "exclude": "retweets",
            self.config.post_fields_param: fields,
        }
        for _ in range(FIND_PAGES):
            path = f"/2/users/{draft.account.external_id}/tweets"
            response = await http.get(path, params=params)
            if not response.ok:
                raise self._error(http, response)
            answer = response.json_object()
            posts, meta = answer.get("data", []), answer.get("meta")
            if not isinstance(posts, list) or not all(map(has_id, posts)):
                raise self.unreadable(response, wrote=True)
            if not isinstance(meta, dict) or not (posts or meta.get("result_count") == 0):
                raise self.unreadable(response, wrote=True)
            for post in posts:
                yield post
            if not meta.get("next_token"):
                return
            params["pagination_token"] = str(meta["next_token"])
        raise ServiceError(C.OUTCOME_UNKNOWN, "X lists too many posts to look through.")


def permalink(draft: Draft, remote_id: str) -> str:
    return f"https://x.com/{draft.account.username or 'i'}/status/{remote_id}"
