"""Asking DeviantArt: requests, their errors, and finding what an earlier try may have left.

Sources and progress: as in `platforms.adapters.deviantart`. How lists of comments and of profile
posts look is what several public clients read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, Response
from platforms.adapters import deviantart_post as post
from platforms.adapters.base import (
    Adapter,
    Draft,
    ErrorTable,
    Progress,
    Published,
    is_id,
    spoken_for,
)
from platforms.adapters.deviantart_reading import (
    CODES,
    entries_of,
    instant,
    kind_of,
    provider_code,
    reason_of,
    retry_after,
    shows,
    success_of,
)
from platforms.adapters.texts import comparable, plain_text

FIND_PAGES = 5
COMMENT = "comment/"  # before remote ids that are no deviations


@dataclass(frozen=True, slots=True)
class DeviantArtConfig:
    """The application at deviantart.com/developers; `api_version` is the minor version.

    `oauth_base` is where accounts are connected, and where tokens come from.
    """

    api_base: str = "https://www.deviantart.com/api/v1/oauth2"
    oauth_base: str = "https://www.deviantart.com/oauth2"
    api_version: str = "20240701"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)


class DeviantArtLists(Adapter):
    """The half of the adapter that asks, and the requests that both halves make."""

    config_class = DeviantArtConfig
    config: DeviantArtConfig

    # --- requests and errors ------------------------------------------------------------------
    @property
    def _version(self) -> dict[str, str]:
        return {"dA-minor-version": self.config.api_version}

    async def _get(self, http: Http, path: str) -> dict[str, Any]:
        return self._success(await http.get(path, headers=self._version))

    def _success(
        self, response: Response, *, wrote: bool = False, upload: bool = False
    ) -> dict[str, Any]:
        """Return the answer of a success; raises what else it is."""
        answer = success_of(response)
        if answer is not None:
            return answer
        if response.ok and not kind_of(response):
            raise self.unreadable(response, wrote=wrote)
        raise self.error(response, wrote=wrote, upload=upload)

    def error(
        self,
        response: Response,
        *,
        wrote: bool = False,
        upload: bool = False,
        table: ErrorTable | None = None,
    ) -> ServiceError:
        code, kind = provider_code(response), kind_of(response)
        known = self.errors.get((response.status, ""))
        if response.status < 500:
            known = CODES.get(kind) or known
        if known is None and response.ok:  # a refusal all the same
            known = C.OUTCOME_UNKNOWN if wrote and kind == "server_error" else C.UNKNOWN
        table = {(response.status, code[:100]): known} if known else None
        error = super().error(response, wrote=wrote, upload=upload, table=table)
        error.app_wide = kind in self.app_wide_codes
        return error

    def provider_code(self, response: Response) -> str:
        return provider_code(response)

    def retry_after(self, response: Response) -> timedelta | None:
        return retry_after(response)

    def explain(self, response: Response) -> str:
        return reason_of(response)

    # --- finding ------------------------------------------------------------------------------
    async def find(
        self, http: Http, draft: Draft, progress: Progress, *, segment: int, since: datetime
    ) -> Published | None:
        if segment > 0:
            return await self._find_comment(http, draft, progress, since)
        if not draft.files:
            return await self._find_text(http, draft, progress, since)
        found = await self._find_deviation(http, draft, progress, since)
        if found is None:
            return None
        items = dict(progress.get("items", {}))
        open_places = [p for p, _ in draft.files if "deviation" not in items.get(p, {})]
        if items and len(open_places) > 1:
            return None  # the repeat is refused, adopts this file and goes on with the others
        if items and open_places:
            items[open_places[0]] = {**items[open_places[0]], **found}
            return published_as(draft, with_items(draft, progress, items))
        return Published((found["deviation"],), found["url"], progress)

    async def _find_deviation(
        self, http: Http, draft: Draft, progress: Progress, since: datetime
    ) -> dict[str, str] | None:
        """Return the earliest deviation since then with our title that nobody owns."""
        items = progress.get("items", {}).values()
        owned = spoken_for(progress) | {item.get("deviation", "") for item in items}
        title, found = comparable(post.title_of(draft)), None
        async for work in self._gallery(http, draft, since):
            deviation = work.get("deviationid")
            is_same = comparable(str(work.get("title") or "")) == title
            if is_same and is_id(deviation) and deviation not in owned:
                found = {"deviation": deviation, "url": str(work.get("url") or "")}
        return found

    async def _gallery(
        self, http: Http, draft: Draft, since: datetime
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the account's works, newest first; OUTCOME_UNKNOWN if the list is cut."""
        params = {"username": draft.account.username, "limit": "24", "mature_content": "true"}
        async for work in self._pages(http, "/gallery/all", params, since):
            yield work

    async def _pages(
        self, http: Http, path: str, params: Mapping[str, str], since: datetime, *, key: str = ""
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield a list's entries that are not older; comments come in any order."""
        turn: dict[str, str] = {}
        for _ in range(FIND_PAGES):
            response = await http.get(path, params={**params, **turn}, headers=self._version)
            answer = self._success(response)
            entries = entries_of(response, key or "results")
            if entries is None:
                raise self.unreadable(response, wrote=True)
            for entry in entries:
                made = instant(entry.get("published_time"))
                if made is not None and made < since:
                    return
                yield entry
            following = answer.get("next_cursor") or answer.get("next_offset")
            if not answer.get("has_more") or not following:
                return
            turn = {"cursor" if answer.get("next_cursor") else "offset": str(following)}
        raise ServiceError(C.OUTCOME_UNKNOWN, "DeviantArt lists too much to look through.")

    async def _find_text(
        self, http: Http, draft: Draft, progress: Progress, since: datetime
    ) -> Published | None:
        """Look among the profile's posts: journals are known by their title, statuses by words."""
        is_journal, others = post.is_journal(draft), spoken_for(progress)
        text, title = plain_text(post.body_of(draft)), comparable(post.title_of(draft))
        params = {"username": draft.account.username}
        async for entry in self._pages(http, "/user/profile/posts", params, since):
            remote_id = entry.get("deviationid")
            is_same = (
                comparable(str(entry.get("title") or "")) == title
                if is_journal
                else shows(entry, text)
            )
            if is_same and is_id(remote_id) and remote_id not in others:
                known = {**progress, "published": [remote_id]}
                return Published((remote_id,), str(entry.get("url") or ""), known)
        return None

    async def _find_comment(
        self, http: Http, draft: Draft, progress: Progress, since: datetime
    ) -> Published | None:
        done, others = list(progress.get("published", ())), spoken_for(progress)
        wanted = comparable(draft.first_comment)
        path = f"/comments/deviation/{done[0] if done else ''}"
        async for comment in self._pages(http, path, {"limit": "50"}, since, key="thread"):
            user, remote_id = comment.get("user"), f"{COMMENT}{comment.get('commentid')}"
            author = user.get("userid") if isinstance(user, dict) else ""
            is_ours = author == draft.account.external_id and is_id(comment.get("commentid"))
            shown = comparable(plain_text(str(comment.get("body") or "")))
            if is_ours and shown == wanted and remote_id not in others:
                known = {**progress, "published": [*done, remote_id]}
                return Published((remote_id,), published_as(draft, known).permalink, known)
        return None


def with_items(draft: Draft, progress: Progress, items: Mapping[str, Any]) -> dict[str, Any]:
    """Return the progress with these items; the segment is published when all of them are."""
    known = {**progress, "items": dict(items)}
    made = [items[place].get("deviation") for place, _ in draft.files]
    if all(made):
        first = items[draft.files[0][0]]
        known |= {"published": [made[0]], "permalink": first.get("url", "")}
    return known


def published_as(draft: Draft, progress: Progress) -> Published:
    """Return the end: every deviation of the segment, then the comment."""
    done, items = list(progress["published"]), progress.get("items", {})
    made = [items[place]["deviation"] for place, _ in draft.files if place in items] or done[:1]
    home = f"https://www.deviantart.com/{draft.account.username}"
    address = str(progress.get("permalink") or "") or home
    return Published((*made, *done[1:]), address, progress)
