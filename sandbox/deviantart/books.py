"""What DeviantArt keeps: Sta.sh items, published works, folders; all by ids of its own forms."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from dataclasses import dataclass, field
from typing import Any

from sandbox.exchange import Call
from sandbox.records import Account, Media, Post
from sandbox.working import Work
from sandbox.world import Site

_FIRST_ITEM = 9_100_000_000_000_000  # beyond 2**53: whoever reads ids as floats loses them
_FIRST_STACK = 1_234_567_890_123_456
_FIRST_WORK = 1_100_000_000
FOLDERS = ("Featured", "Scraps", "Watchers Only")
WATCHERS_ONLY = FOLDERS[2]


@dataclass(slots=True)
class Item:
    """One upload in Sta.sh, invisible to others; `work_id` once it is published."""

    itemid: int
    stackid: int
    account: Account
    title: str
    comments: str
    media: Media
    work: Work
    stored_at: float
    work_id: str = ""


@dataclass(slots=True)
class Deviation:
    """One published work. `kind`: art, literature, journal or status."""

    id: str
    kind: str
    post: Post
    title: str
    body: str
    url: str
    options: dict[str, Any] = field(default_factory=dict)
    folders: tuple[str, ...] = ()


class Books:
    """All of it, for one site."""

    def __init__(self) -> None:
        self.items: dict[int, Item] = {}
        self.stacks: dict[tuple[str, str], int] = {}  # account id, stack's name -> stackid
        self.works: dict[str, Deviation] = {}
        self.comments: dict[str, Post] = {}
        self.item_ids = itertools.count(_FIRST_ITEM, 3)
        self.work_numbers = itertools.count(_FIRST_WORK)

    def stack(self, account: Account, name: str) -> int:
        key = (account.id, name)
        return self.stacks.setdefault(key, _FIRST_STACK + len(self.stacks))

    def used_bytes(self, account: Account) -> int:
        return sum(len(i.media.data) for i in self.items.values() if i.account is account)


def books(call: Call) -> Books:
    return call.site.books(Books)


def new_uuid() -> str:
    return str(uuid.uuid4()).upper()


def user_id(site: Site, account: Account) -> str:
    return _uuid_of(f"{site.name} {account.id}")


def folder_id(account: Account, name: str) -> str:
    return _uuid_of(f"folder {account.id} {name}")


def folder_ids(account: Account) -> dict[str, str]:
    """Folder id -> name."""
    return {folder_id(account, name): name for name in FOLDERS}


def _uuid_of(seed: str) -> str:
    digest = hashlib.blake2b(seed.encode(), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4)).upper()
