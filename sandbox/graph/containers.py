"""Media containers of Instagram and Threads: made, filled and processed, then published once.

A container is its own proof: after PUBLISHED it never publishes again, whatever is asked.
"""

from __future__ import annotations

import base64
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.exchange import Call
from sandbox.fetching import Fetch
from sandbox.files import FileFacts, look_at
from sandbox.records import Account, Media, Post
from sandbox.world import Site

State = Literal["IN_PROGRESS", "FINISHED", "ERROR", "EXPIRED", "PUBLISHED"]
AGENT = "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"
LIFE_SECONDS = 86_400.0
_IMAGE_SECONDS = 0.05
_VIDEO_SECONDS = 0.3
_FETCH_PATIENCE_SECONDS = 20.0
_MIB = 1024 * 1024


@dataclass(slots=True, eq=False)
class Container:
    """`kind` in the network's words; `media` once the bytes are there, at `filled_at`.

    `error` is why it will never be FINISHED, in the network's words.
    """

    id: str
    account: Account
    kind: str
    text: str
    created_at: float
    is_video: bool = False
    is_item: bool = False  # of a carousel
    options: dict[str, Any] = field(default_factory=dict)
    fetch: Fetch | None = None
    upload: Media | None = None
    children: tuple[Container, ...] = ()
    parent: Post | None = None
    media: Media | None = None
    filled_at: float | None = None
    is_finished: bool = False
    error: str = ""
    published: Post | None = None

    @property
    def all_media(self) -> tuple[Media, ...]:
        own = () if self.media is None else (self.media,)
        return own + tuple(itertools.chain.from_iterable(c.all_media for c in self.children))


@dataclass(frozen=True, slots=True)
class Judge:
    """A network's own rules for files. Both return the reason of an error, empty when fine."""

    of_file: Callable[[Container, Media, FileFacts], str]
    of_fetch: Callable[[Container, Fetch], str]


class Containers:
    """The containers of one network; their ids and those of its posts never meet."""

    def __init__(self) -> None:
        self._by_id: dict[str, Container] = {}
        self._made_at: dict[str, deque[float]] = {}  # account id -> within the last day
        self._last = 0

    def add(self, container: Container) -> Container:
        self._by_id[container.id] = container
        self._made_at.setdefault(container.account.id, deque()).append(container.created_at)
        return container

    def new_id(self, now: float) -> str:
        """17 digits as Meta has them, time-ordered and beyond 2^53."""
        self._last = max(self._last + 1, int(now * 1000) * 100)
        return f"18{self._last % 10**15:015d}"

    def of(self, container_id: str, account: Account) -> Container | None:
        found = self._by_id.get(container_id)
        return found if found is not None and found.account is account else None

    def made_within_a_day(self, account: Account, now: float) -> int:
        made_at = self._made_at.get(account.id, deque())
        while made_at and made_at[0] <= now - LIFE_SECONDS:
            made_at.popleft()
        return len(made_at)


def shortcode(post_id: str) -> str:
    """The id as permalinks spell it."""
    return base64.urlsafe_b64encode(int(post_id).to_bytes(8)).decode().rstrip("=")


def new_id(site: Site) -> str:
    return site.books(Containers).new_id(site.world.now())


async def wait_for_image(call: Call, url: str) -> None:
    """Fetch an image before the call is answered, as Meta does; videos are fetched later."""
    fetch = call.world.fetcher.order(url, agent=AGENT, asks_robots=True, limit_bytes=64 * _MIB)
    call.fetched[url] = fetch
    await fetch.wait(_FETCH_PATIENCE_SECONDS)


def order_video(call: Call, url: str) -> Fetch:
    return call.world.fetcher.order(url, agent=AGENT, asks_robots=True, limit_bytes=1024 * _MIB)


def state_of(container: Container, site: Site, judge: Judge) -> State:
    """Where the container stands now; looking is what moves it on."""
    if container.published is not None:
        return "PUBLISHED"
    if site.world.now() >= container.created_at + _life_seconds(container, site):
        return "EXPIRED"
    if not container.error and not container.is_finished:
        _advance(container, site, judge)
    if container.error:
        return "ERROR"
    return "FINISHED" if container.is_finished else "IN_PROGRESS"


def _advance(container: Container, site: Site, judge: Judge) -> None:
    states = [state_of(child, site, judge) for child in container.children]
    if any(state in ("ERROR", "EXPIRED") for state in states):
        failed = next(c for c, s in zip(container.children, states, strict=True) if s != "FINISHED")
        container.error = failed.error or "UNKNOWN"
        return
    if any(state == "IN_PROGRESS" for state in states):
        return
    if container.filled_at is None:
        fill(container, site, judge)
    if container.filled_at is None or container.error:
        return
    account = container.account.name
    if site.world.now() < container.filled_at + _processing_seconds(container, site):
        return
    container.error = site.world.switches.setting("processing_fails", site.name, account) or ""
    container.is_finished = not container.error


def fill(container: Container, site: Site, judge: Judge) -> None:
    """Take the bytes over when they have come."""
    fetch, upload = container.fetch, container.upload
    if fetch is None and upload is None:
        container.filled_at = container.created_at  # text, or a carousel's parent
    elif fetch is not None and fetch.state == "failed":
        container.error = judge.of_fetch(container, fetch)
    elif fetch is not None and fetch.state == "fetched":
        container.filled_at = fetch.ended_at
        _accept(container, fetch.data, site, judge)
    elif upload is not None and upload.complete:
        container.filled_at = upload.ready_at
        _accept(container, upload.data, site, judge)


def _accept(container: Container, data: bytes, site: Site, judge: Judge) -> None:
    facts = look_at(data)
    media = Media(new_id(site), container.account, facts.mime_type, site.world.now())
    media.alt_text = str(container.options.get("alt_text", ""))
    media.seal(data)
    container.error = judge.of_file(container, media, facts)
    if not container.error:
        container.media = site.media[media.id] = media
        container.fetch = None


def _life_seconds(container: Container, site: Site) -> float:
    life_ms = site.world.switches.setting("handle_life_ms", site.name, container.account.name)
    return LIFE_SECONDS if life_ms is None else float(life_ms) / 1000


def _processing_seconds(container: Container, site: Site) -> float:
    work_ms = site.world.switches.setting("processing_ms", site.name, container.account.name)
    if work_ms is not None:
        return float(work_ms) / 1000
    if container.is_video:
        return _VIDEO_SECONDS
    return _IMAGE_SECONDS if container.media is not None else 0.0
