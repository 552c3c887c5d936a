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

from sandbox import working
from sandbox.exchange import Call
from sandbox.fetching import Fetch
from sandbox.files import FileFacts, look_at
from sandbox.records import Account, Media, Post
from sandbox.working import Work
from sandbox.world import Site

State = Literal["IN_PROGRESS", "FINISHED", "ERROR", "EXPIRED", "PUBLISHED"]
AGENT = "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"
LIFE_SECONDS = 86_400.0
_IMAGE_MS, _VIDEO_MS = 50.0, 300.0
_FETCH_PATIENCE_SECONDS = 20.0
_MIB = 1024 * 1024


@dataclass(slots=True, eq=False)
class Container:
    """`kind` in the network's words; `media` and `work` once the bytes are there.

    `error` is why the file will not do, in the network's words.
    """

    id: str
    account: Account
    kind: str
    text: str
    created_at: float
    is_video: bool = False
    is_item: bool = False  # of a carousel
    options: dict[str, Any] = field(default_factory=dict)
    upload: Media | None = None
    children: tuple[Container, ...] = ()
    parent: Post | None = None
    media: Media | None = None
    work: Work | None = None
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


def state_of(container: Container, call: Call) -> State:
    if container.published is not None:
        return "PUBLISHED"
    now, work = call.world.now(), container.work
    if now >= container.created_at + working.handle_life_s(call, LIFE_SECONDS):
        return "EXPIRED"
    if container.error or (work is not None and work.has_failed(now)):
        return "ERROR"
    return "FINISHED" if work is not None and work.is_good(now) else "IN_PROGRESS"


def begin_without_file(container: Container, call: Call) -> None:
    """Of text, or of finished items: nothing has to come."""
    container.work = working.begin(call, default_ms=0)


def take_from(container: Container, fetch: Fetch, call: Call, judge: Judge) -> None:
    """Take the bytes over, now or when they come."""
    if fetch.state == "pending" and container.is_video:
        fetch.when_ended(lambda: take_from(container, fetch, call, judge))
    elif fetch.state == "fetched":
        accept(container, fetch.data, call, judge)
    else:
        container.error = judge.of_fetch(container, fetch)


def accept(container: Container, data: bytes, call: Call, judge: Judge) -> None:
    """All bytes are there: work begins, unless the network's rules refuse the file."""
    facts, site = look_at(data), call.site
    media = Media(new_id(site), container.account, facts.mime_type, call.world.now())
    media.alt_text = str(container.options.get("alt_text", ""))
    media.seal(data)
    container.error = judge.of_file(container, media, facts)
    if not container.error:
        container.media = site.media[media.id] = media
        work_ms = _VIDEO_MS if container.is_video else _IMAGE_MS
        container.work = working.begin(call, default_ms=work_ms)


def reason_of(container: Container) -> str:
    """Why a container is in ERROR, in the network's words."""
    return container.error or (container.work.reason if container.work is not None else "")
