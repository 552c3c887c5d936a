"""How containers are made ahead of the moment: built, filled, watched, and made anew when lost.

Progress: as in `platforms.adapters.containers`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http
from platforms.adapters.base import (
    Continue,
    Draft,
    Media,
    Processing,
    Progress,
    Ready,
    sentence,
)
from platforms.adapters.graph import GraphAdapter, proof_of
from platforms.adapters.graph_reading import (
    GONE_CODES,
)
from platforms.adapters.graph_uploads import bytes_received, send_chunk

IN_PROGRESS, FINISHED, PUBLISHED = "IN_PROGRESS", "FINISHED", "PUBLISHED"
FAILED, EXPIRED = "ERROR", "EXPIRED"
STATES = frozenset({IN_PROGRESS, FINISHED, PUBLISHED, FAILED, EXPIRED})
LIFE = timedelta(hours=23)  # the networks keep a container for 24 hours
POLL_MOST = timedelta(seconds=60)
REMADE_MOST = 2
LOOK_AGAIN = timedelta(seconds=30)
NEW = timedelta(minutes=1)  # for so long a container may not be everywhere yet


@dataclass(frozen=True, slots=True)
class Seen:
    """What a container's status said, and when."""

    state: str
    reason: str
    at: datetime


class ContainerMaking(GraphAdapter):
    """The half that needs no moment; Instagram and Threads say how their containers look."""

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
        return Continue(with_entry(progress, place, entry))

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
        return Continue(with_entry(progress, place, entry))

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
            return Continue(with_entry(progress, place, {**entry, "ready": True}))
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


def with_entry(progress: Progress, place: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the progress with what is known of the container at a place."""
    return {**progress, "containers": {**progress.get("containers", {}), place: entry}}
