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
        done = list(progress.get("published", ()))
        if segment >= count_works(draft):
            look = self._find_comment
        else:
            look = self._find_work if draft.files else self._find_text
        found = await look(http, draft, progress, since)
        if found is None:
            return None
        remote_id, address = found
        known = progress if done else {**progress, "permalink": address}
        known = {**known, "published": [*done, remote_id]}
        return Published((remote_id,), address_of(draft, known), known)

    async def _find_work(
        self, http: Http, draft: Draft, progress: Progress, since: datetime
    ) -> tuple[str, str] | None:
        """Return the earliest deviation since then with our title that nobody owns."""
        others, found = spoken_for(progress), None
        title = comparable(post.title_of(draft))
        async for work in self._gallery(http, draft, since):
            deviation = work.get("deviationid")
            is_same = comparable(str(work.get("title") or "")) == title
            if is_same and is_id(deviation) and deviation not in others:
                found = deviation, str(work.get("url") or "")
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
    ) -> tuple[str, str] | None:
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
                return remote_id, str(entry.get("url") or "")
        return None

    async def _find_comment(
        self, http: Http, draft: Draft, progress: Progress, since: datetime
    ) -> tuple[str, str] | None:
        done, others = list(progress.get("published", ())), spoken_for(progress)
        wanted = comparable(draft.first_comment)
        path = f"/comments/deviation/{done[0] if done else ''}"
        async for comment in self._pages(http, path, {"limit": "50"}, since, key="thread"):
            user, remote_id = comment.get("user"), f"{COMMENT}{comment.get('commentid')}"
            author = user.get("userid") if isinstance(user, dict) else ""
            is_ours = author == draft.account.external_id and is_id(comment.get("commentid"))
            shown = comparable(plain_text(str(comment.get("body") or "")))
            if is_ours and shown == wanted and remote_id not in others:
                return remote_id, ""
        return None


def count_works(draft: Draft) -> int:
    """Return how many works the draft becomes: one for each file, or one for a text."""
    return len(draft.files) or len(draft.segments)


def address_of(draft: Draft, progress: Progress) -> str:
    """Return the address of the first work, or else the account's."""
    home = f"https://www.deviantart.com/{draft.account.username}"
    return str(progress.get("permalink") or "") or home
