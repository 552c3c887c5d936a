"""Containers, as Instagram and Threads publish: made ahead, watched until ready, published once.

Progress: `containers` maps "segment" (a post) and "segment.position" (an item of a carousel) to
{"id", "at" (epoch seconds, when it was made), "ready", and where a video is uploaded "address" and
"sent" (bytes)}; `published` lists the ids of the finished segments, the first comment last;
`permalink` is the first one's address; `quota` says that the allowance was looked at; `remade`
counts containers that were made anew, `refused` how often publishing was put off.

A container is what makes a repeat safe: it is published once. After a lost answer its status tells
whether it went out; the post's id then comes from the account's list.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, Response
from platforms.adapters.base import (
    Continue,
    Draft,
    Processing,
    Progress,
    Published,
    Ready,
    is_id,
    spoken_for,
)
from platforms.adapters.containers_making import (
    FAILED,
    FINISHED,
    IN_PROGRESS,
    LOOK_AGAIN,
    PUBLISHED,
    ContainerMaking,
    places_of,
    with_entry,
)
from platforms.adapters.graph_reading import (
    QUOTA_AGAIN,
    instant_of,
    object_of,
)

REFUSED_MOST = 5
CLOCK_SKEW = timedelta(minutes=2)


class ContainerAdapter(ContainerMaking):
    """What Instagram and Threads have in common; each says how its containers look."""

    # --- what differs -------------------------------------------------------------------------
    def posts(
        self, http: Http, draft: Draft, segment: int, since: datetime
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield what the account published, newest first, each with its id and `timestamp`.

        It need not end at `since`.
        """
        raise NotImplementedError

    def text_of(self, draft: Draft, segment: int) -> str:
        """Return the text by which a segment can be recognised."""
        return draft.segments[segment].text

    def is_same(self, post: Mapping[str, Any], draft: Draft, segment: int) -> bool:
        """Say whether a listed post looks like this segment."""
        raise NotImplementedError

    def is_comment(self, draft: Draft, number: int) -> bool:
        """Say whether a part is a comment, which has no container."""
        return False

    async def comment(self, http: Http, draft: Draft, done: Sequence[str]) -> str:
        """Write the first comment; returns its id."""
        raise NotImplementedError

    async def find_comment(
        self, http: Http, draft: Draft, parent: str, others: frozenset[str]
    ) -> str:
        """Return the id of the first comment below `parent`, "" when it is not there."""
        raise NotImplementedError

    def judge_quota(
        self, response: Response, used: str, config: str, *, needed: int, what: str = "posts"
    ) -> None:
        """Raise QUOTA_EXCEEDED unless `needed` more calls are within the allowance told."""
        told = response.json_object()
        entries = told.get("data")
        if (
            "error" in told
            or not isinstance(entries, list)
            or not all(isinstance(entry, dict) for entry in entries)
        ):
            raise self.unreadable(response)
        for entry in entries:
            usage, limit = entry.get(used), object_of(entry.get(config)).get("quota_total")
            if type(usage) is int and type(limit) is int and usage + needed > limit:
                raise ServiceError(
                    C.QUOTA_EXCEEDED,
                    f"{self.name} allows {limit} {what} in 24 hours; {usage} were made already.",
                    retry_after=QUOTA_AGAIN,
                    provider_code=used,
                    http_status=response.status,
                    request_id=response.request_id,
                )

    # --- at the moment ------------------------------------------------------------------------
    async def publish(
        self, http: Http, draft: Draft, progress: Progress, *, key: str
    ) -> Continue | Processing | Published:
        done = list(progress.get("published", ()))
        number = len(done)
        if number >= len(draft.parts):
            return self._finished(draft, progress)
        if self.is_comment(draft, number):
            made = await self.comment(http, draft, done)
            return self._finished(draft, {**progress, "published": [*done, made]})
        if draft.parts[number].media and not (progress.get("containers") or "remade" in progress):
            raise ServiceError(C.UNKNOWN, "The files are not prepared yet.")
        step = await self._build(http, draft, progress, number, ahead=False)
        if step is not None:
            return step
        container = progress["containers"][str(number)]["id"]
        path = f"/{draft.account.external_id}/{self.edge}_publish"
        response = await self.tell(http, path, {"creation_id": container}, writes=True)
        if not response.ok:
            return self._put_off(response, progress, str(number))
        media_id = response.json_object().get("id")
        if not is_id(media_id):
            raise self.unreadable(response, wrote=True)
        progress = {**progress, "published": [*done, media_id], "refused": 0}
        if number == 0:
            progress["permalink"] = await self.permalink(http, media_id, "permalink")
        return self._finished(draft, progress)

    def _put_off(self, response: Response, progress: Progress, place: str) -> Processing:
        """Have the container looked at again; raises the refusal when that is no remedy."""
        refused = progress.get("refused", 0) + 1
        known = self.later_codes | self.lost_codes
        if self.provider_code(response) not in known or refused > REFUSED_MOST:
            raise self.error(response, wrote=True)
        entry = {**progress["containers"][place], "ready": False}
        progress = {**with_entry(progress, place, entry), "refused": refused}
        return Processing(progress, self.retry_after(response) or self.publish_again)

    def _finished(self, draft: Draft, progress: Progress) -> Continue | Published:
        done = tuple(progress.get("published", ()))
        if len(done) < len(draft.parts):
            return Continue(progress)
        address = str(progress.get("permalink") or "") or self.account_address(draft.account)
        return Published(done, address, progress)

    async def check(
        self, http: Http, draft: Draft, progress: Progress
    ) -> Processing | Ready | Published:
        step = self._finished(draft, progress)
        if isinstance(step, Published):
            return step
        number = len(progress.get("published", ()))
        items, whole = places_of(draft, number)
        made = progress.get("containers", {})
        for place in [*items, whole]:
            if place not in made or made[place]["ready"]:
                continue
            seen = await self._look(http, made[place]["id"])
            if seen.state == PUBLISHED and place == whole:
                return await self._adopted(http, draft, progress, number)
            judged = self._judged(draft, progress, place, seen)
            return judged if isinstance(judged, Processing) else Ready(judged.progress)
        return Ready(progress)

    async def _adopted(
        self, http: Http, draft: Draft, progress: Progress, number: int
    ) -> Processing | Ready | Published:
        """Return the post that a published container became: the only one that looks like it."""
        made_at = datetime.fromtimestamp(progress["containers"][str(number)]["at"], UTC)
        others = spoken_for(progress)
        found = [post async for post in self._alike(http, draft, number, made_at - CLOCK_SKEW)]
        found = [post for post in found if post["id"] not in others]
        if len(found) != 1:
            return Processing(progress, LOOK_AGAIN)
        step = self._finished(draft, _with_post(progress, found[0]))
        return step if isinstance(step, Published) else Ready(step.progress)

    # --- after a lost answer ------------------------------------------------------------------
    async def find(
        self, http: Http, draft: Draft, progress: Progress, *, segment: int, since: datetime
    ) -> Published | None:
        done, others = list(progress.get("published", ())), spoken_for(progress)
        if self.is_comment(draft, segment):
            comment = await self.find_comment(http, draft, done[0], others)
            return Published((comment,)) if comment else None
        entry = progress.get("containers", {}).get(str(segment))
        state = (await self._look(http, entry["id"])).state if entry else ""
        if state in {IN_PROGRESS, FINISHED, FAILED}:
            return None
        alike = [post async for post in self._alike(http, draft, segment, since)]
        found = [post for post in alike if post["id"] not in others]
        if len(found) > 1 and not self.text_of(draft, segment).strip():
            detail = f"{self.name} lists {len(found)} posts without a text that may be this one."
            raise ServiceError(C.OUTCOME_UNKNOWN, detail)
        if found:
            progress = _with_post(progress, found[0])
            return Published((found[0]["id"],), str(progress.get("permalink") or ""), progress)
        if state == PUBLISHED:
            detail = f"{self.name} says that the post is live, but does not list it yet."
            raise ServiceError(C.SERVER_ERROR, detail, retry_after=LOOK_AGAIN)
        return None

    async def _alike(
        self, http: Http, draft: Draft, segment: int, since: datetime
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the account's posts since then that look like this segment, newest first."""
        async for post in self.posts(http, draft, segment, since):
            made_at = instant_of(post.get("timestamp"))
            if made_at is None:
                detail = f"{self.name} lists a post without its time."
                raise ServiceError(C.OUTCOME_UNKNOWN, detail)
            if made_at < since:
                return
            if self.is_same(post, draft, segment):
                yield post


def _with_post(progress: Progress, post: Mapping[str, Any]) -> dict[str, Any]:
    """Return the progress with one more finished segment."""
    done = list(progress.get("published", ()))
    known = {**progress, "published": [*done, post["id"]]}
    if not done and isinstance(post.get("permalink"), str):
        known["permalink"] = post["permalink"]
    return known
