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
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, Response
from platforms.adapters.base import (
    Continue,
    Draft,
    Media,
    Processing,
    Progress,
    Published,
    Ready,
    is_id,
    sentence,
    spoken_for,
)
from platforms.adapters.graph import GraphAdapter, proof_of
from platforms.adapters.graph_reading import (
    GONE_CODES,
    QUOTA_AGAIN,
    instant_of,
    object_of,
)
from platforms.adapters.graph_uploads import bytes_received, send_chunk

IN_PROGRESS, FINISHED, PUBLISHED = "IN_PROGRESS", "FINISHED", "PUBLISHED"
FAILED, EXPIRED = "ERROR", "EXPIRED"
STATES = frozenset({IN_PROGRESS, FINISHED, PUBLISHED, FAILED, EXPIRED})
LIFE = timedelta(hours=23)  # the networks keep a container for 24 hours
POLL_MOST = timedelta(seconds=60)
REMADE_MOST = 2
REFUSED_MOST = 5
LOOK_AGAIN = timedelta(seconds=30)
NEW = timedelta(minutes=1)  # for so long a container may not be everywhere yet
CLOCK_SKEW = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a container's status said, and when."""

    state: str
    reason: str
    at: datetime


class ContainerAdapter(GraphAdapter):
    """What Instagram and Threads have in common; each says how its containers look."""

    edge: ClassVar[str]  # where containers are made; "<edge>_publish" publishes them
    status_fields: ClassVar[str]  # the state first, then the reason
    poll_least: ClassVar[timedelta]
    publish_again: ClassVar[timedelta] = timedelta(seconds=30)  # after "not ready yet"
    patience: ClassVar[timedelta]  # how long a file may be worked on
    later_codes: ClassVar[frozenset[str]]  # refusals that mean: not ready yet
    lost_codes: ClassVar[frozenset[str]]  # refusals that mean: there is no such container any more
    fetch_codes: ClassVar[frozenset[str]] = frozenset()  # ... the file's address did not answer

    # --- what differs -------------------------------------------------------------------------
    def container(
        self, draft: Draft, number: int, position: int | None, items: Sequence[str], parent: str
    ) -> dict[str, Any]:
        """Return the body that makes a segment's container, or with `position` that of an item."""
        raise NotImplementedError

    def uploads(self, file: Media) -> bool:
        """Say whether the file is sent to the network, which else fetches it from its address."""
        return False

    def upload_address(self, answer: Mapping[str, Any]) -> str:
        """Return where the bytes of a new container go."""
        raise NotImplementedError

    def may_pass(self, reason: str) -> bool:
        """Say whether a container that failed for `reason` may succeed when it is made anew."""
        raise NotImplementedError

    def reason_code(self, reason: str) -> str:
        """Return the code in the reason of a failed container."""
        return reason

    def why(self, reason: str) -> str:
        """Return the reason of a failed container as a sentence for people."""
        return sentence(reason or "it gave no reason")

    async def look_at_quota(self, http: Http, draft: Draft) -> None:
        """Raise QUOTA_EXCEEDED when the account's allowance is used up already."""
        raise NotImplementedError

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

    # --- ahead of the moment ------------------------------------------------------------------
    async def prepare(
        self, http: Http, draft: Draft, progress: Progress
    ) -> Continue | Processing | Ready:
        if not progress.get("quota"):
            await self.look_at_quota(http, draft)
            return Continue({**progress, "quota": True})
        for number, segment in enumerate(draft.segments):
            # A reply names its parent when it is made; only the items of its carousel can wait.
            if number == 0 or len(segment.media) > 1:
                step = await self._build(http, draft, progress, number, ahead=True)
                if step is not None:
                    return step
        made = [entry["at"] for entry in progress.get("containers", {}).values()]
        return Ready(progress, datetime.fromtimestamp(min(made), UTC) + LIFE if made else None)

    async def _build(
        self, http: Http, draft: Draft, progress: Progress, number: int, *, ahead: bool
    ) -> Continue | Processing | None:
        """Take one step towards the container of a segment; None: it is ready."""
        made = progress.get("containers", {})
        items, whole = places_of(draft, number)
        for place in items or [whole]:
            if place not in made:
                return await self._make(http, draft, progress, place, ahead=ahead)
            if "address" in made[place]:
                return await self._send(http, draft, progress, place)
        for place in items:
            if not made[place]["ready"]:
                return await self._watch(http, draft, progress, place)
        if ahead and number:
            return None
        if whole not in made:
            return await self._make(http, draft, progress, whole, ahead=ahead)
        if not made[whole]["ready"]:
            return await self._watch(http, draft, progress, whole)
        return None

    async def _make(
        self, http: Http, draft: Draft, progress: Progress, place: str, *, ahead: bool
    ) -> Continue | Processing:
        number, position = _numbers(place)
        file = file_at(draft, place)
        made, done = progress.get("containers", {}), progress.get("published", ())
        item_places = places_of(draft, number)[0] if position is None else []
        items = [made[item]["id"] for item in item_places]
        body = self.container(draft, number, position, items, done[-1] if done else "")
        has_files = bool(draft.parts[number].media)
        path = f"/{draft.account.external_id}/{self.edge}"
        try:
            response = await self.create(http, path, body, upload=has_files)
        except ServiceError as error:
            remade = progress.get("remade", 0)
            if error.provider_code not in self.fetch_codes or remade >= REMADE_MOST:
                raise
            return Processing({**progress, "remade": remade + 1}, LOOK_AGAIN)
        answer = response.json_object()
        entry: dict[str, Any] = {
            "id": answer["id"],
            "at": int(response.received_at.timestamp()),
            "ready": not (ahead or has_files),  # the text of a reply needs no work
        }
        if file is not None and self.uploads(file):
            entry |= {"address": self.upload_address(answer), "sent": 0}
        return Continue(_with(progress, place, entry))

    async def _send(self, http: Http, draft: Draft, progress: Progress, place: str) -> Continue:
        """Upload one more chunk of a video; begin anew when the network lost what it had."""
        entry = progress["containers"][place]
        file = file_at(draft, place)
        if file is None:
            raise ServiceError(C.MEDIA_ERROR, "The post's files were changed during the upload.")
        sent = await send_chunk(self, http, entry["address"], file, entry["sent"])
        if sent is None:
            sent = await self._received(http, entry["id"])
        if sent is None or sent > file.size_bytes or sent == entry["sent"]:
            return Continue(self._dropped(progress, place, "the upload broke off."))
        entry = {**entry, "sent": sent}
        if sent == file.size_bytes:
            del entry["address"]
        return Continue(_with(progress, place, entry))

    async def _received(self, http: Http, container: str) -> int | None:
        """Return how much of an upload is there; the field is documented for uploads only."""
        try:
            response = await self.ask(http, f"/{container}", {"fields": "video_status"})
        except ServiceError as error:
            if error.category is C.VALIDATION_ERROR:
                return None
            raise
        return bytes_received(response.json_object().get("video_status"))

    async def _watch(
        self, http: Http, draft: Draft, progress: Progress, place: str
    ) -> Continue | Processing:
        seen = await self._look(http, progress["containers"][place]["id"])
        return self._judged(draft, progress, place, seen)

    async def _look(self, http: Http, container: str) -> Seen:
        """Return how far a container is; one that is not there any more has expired."""
        params = {"fields": self.status_fields, **proof_of(http)}
        response = await http.get(f"/{container}", params=params)
        code = self.provider_code(response)
        if code in self.lost_codes | self.later_codes | GONE_CODES:
            return Seen(EXPIRED, "", response.received_at)
        if not response.ok:
            raise self.error(response)
        state, reason = (response.json_object().get(n) for n in self.status_fields.split(","))
        if state not in STATES:
            raise self.unreadable(response)
        return Seen(state, reason if isinstance(reason, str) else "", response.received_at)

    def _judged(
        self, draft: Draft, progress: Progress, place: str, seen: Seen
    ) -> Continue | Processing:
        """Return what follows from a container's state."""
        entry, reason = progress["containers"][place], self.why(seen.reason)
        if seen.state in {FINISHED, PUBLISHED}:
            return Continue(_with(progress, place, {**entry, "ready": True}))
        age = seen.at - datetime.fromtimestamp(entry["at"], UTC)
        if seen.state == IN_PROGRESS or (seen.state == EXPIRED and age < NEW):
            if age > self.patience:
                minutes = round(self.patience.total_seconds() / 60)
                detail = f"{self.name} did not finish with a file within {minutes} minutes."
                raise ServiceError(C.MEDIA_ERROR, detail)
            # As long as it has taken already: 5 s, 10 s, 20 s ... once a minute at the end.
            return Processing(progress, min(max(age, self.poll_least), POLL_MOST))
        if seen.state == FAILED and not self.may_pass(seen.reason):
            category = C.MEDIA_ERROR if draft.files else C.VALIDATION_ERROR
            detail = f"{self.name} cannot use this post: {reason}"
            raise ServiceError(category, detail, provider_code=self.reason_code(seen.reason)[:100])
        return Continue(self._dropped(progress, place, reason))

    def _dropped(self, progress: Progress, place: str, reason: str) -> Progress:
        """Return the progress without a container, and without the one it is an item of."""
        remade = progress.get("remade", 0) + 1
        if remade > REMADE_MOST:
            detail = f"{self.name} failed several times to take this post: {reason}"
            raise ServiceError(C.MEDIA_ERROR, detail)
        lost = {place, place.partition(".")[0]}
        left = {at: entry for at, entry in progress["containers"].items() if at not in lost}
        return {**progress, "containers": left, "remade": remade}

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
        progress = {**_with(progress, place, entry), "refused": refused}
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


def places_of(draft: Draft, number: int) -> tuple[list[str], str]:
    """Return the places of a segment's items, if it is a carousel, and of the segment itself."""
    files = draft.parts[number].media
    items = [f"{number}.{position}" for position in range(len(files))] if len(files) > 1 else []
    return items, str(number)


def file_at(draft: Draft, place: str) -> Media | None:
    """Return the file that the container at a place is made of; None: text, or a carousel."""
    number, position = _numbers(place)
    files = draft.parts[number].media
    if position is not None:
        return files[position] if position < len(files) else None
    return files[0] if len(files) == 1 else None


def _numbers(place: str) -> tuple[int, int | None]:
    number, _, position = place.partition(".")
    return int(number), int(position) if position else None


def _with(progress: Progress, place: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**progress, "containers": {**progress.get("containers", {}), place: entry}}


def _with_post(progress: Progress, post: Mapping[str, Any]) -> dict[str, Any]:
    """Return the progress with one more finished segment."""
    done = list(progress.get("published", ()))
    known = {**progress, "published": [*done, post["id"]]}
    if not done and isinstance(post.get("permalink"), str):
        known["permalink"] = post["permalink"]
    return known
