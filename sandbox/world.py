"""The state of all networks: what was published, by whom, and every call that was made."""

from __future__ import annotations

import hashlib
import itertools
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from sandbox.codes import Codes
from sandbox.fetching import Fetcher
from sandbox.oauth1 import Consumers, Legs, Nonces
from sandbox.rates import Rates
from sandbox.records import Account, Media, Post, fingerprint
from sandbox.switches import Switchboard
from sandbox.tokens import Clients, Tokens

CALLS_KEPT = 100_000
FEED_POSTS_KEPT = 400
LETTERS_KEPT = 20_000
MEDIA_LIFE_SECONDS = 86_400
Books = TypeVar("Books")


@dataclass(slots=True)
class CallRecord:
    """One call: `at` is when its head arrived, `status` None when it got no (whole) answer."""

    network: str
    account: str | None
    operation: str
    method: str
    path: str
    at: float
    status: int | None = None
    fault: str | None = None
    answered_at: float | None = None


@dataclass(slots=True, eq=False)
class Letter:
    """A message that one of the imitation post offices accepted; see `sandbox.inbox`."""

    id: str
    office: str
    to: str
    sender: str
    at: float
    content: dict[str, Any]
    is_copy: bool = False
    status: str = ""  # in the office's words


class Site:
    """One network, or one Mastodon instance: its accounts, posts, media, keys and allowances."""

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.world = world
        self.accounts: dict[str, Account] = {}
        self.accounts_by_id: dict[str, Account] = {}
        self.posts: dict[str, Post] = {}
        self.media: dict[str, Media] = {}
        self.copies: dict[bytes, list[Post]] = {}  # living posts per fingerprint
        self.keys: dict[tuple[str, str], tuple[Post, float]] = {}  # (account id, key) -> post, at
        self.tokens = Tokens(world.now)
        self.codes = Codes(world.now)
        self.nonces = Nonces(world.now)
        self.legs = Legs(world.now)
        self.rates = Rates(world.now)
        self.calls = 0
        self._books: dict[type, Any] = {}
        self._last_id = 0

    def account(self, name: str) -> Account:
        """Return the account, making it on first sight. Its id depends on its name alone."""
        found = self.accounts.get(name)
        if found is None:
            digest = hashlib.blake2b(f"{self.name}:{name}".encode(), digest_size=8).digest()
            found = Account(id=str(10**17 + int.from_bytes(digest) % 10**17), name=name)
            self.accounts[name] = self.accounts_by_id[found.id] = found
        return found

    def books(self, kind: type[Books]) -> Books:
        """What this network alone keeps (sessions, containers, ...), made empty on first sight."""
        found: Books | None = self._books.get(kind)
        if found is None:
            found = self._books[kind] = kind()
        return found

    def new_id(self, *, epoch_ms: int = 0, shift: int = 16) -> str:
        """Return a time-ordered id, larger than all before."""
        stamp = (int(self.world.now() * 1000) - epoch_ms) << shift
        self._last_id = max(self._last_id + 1, stamp)
        return str(self._last_id)

    def publish(
        self,
        post_id: str,
        account: Account,
        text: str,
        *,
        media: tuple[Media, ...] = (),
        parent: Post | None = None,
        received_at: float,
        due_at: float | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Post:
        """Add a post. Costs the same however many there are."""
        print_ = fingerprint(account, text, media, parent)
        post = Post(
            id=post_id,
            network=self.name,
            account=account,
            text=text,
            media=media,
            parent=parent,
            received_at=received_at,
            published_at=self.world.now(),
            due_at=due_at,
            fingerprint=print_,
            extra=extra or {},
        )
        self.posts[post_id] = post
        account.posts.append(post)
        account.live += 1
        self._count(post)
        for item in media:
            item.attached = True
        if self.world.sites.get(self.name) is self:  # else forgotten while the call was under way
            self.world.recent.append(post)
            self.world.revision += 1
        return post

    def delete(self, post: Post) -> None:
        """Take the post down; it stays in the statistics as deleted."""
        post.deleted_at = self.world.now()
        post.account.live -= 1
        post.account.deleted += 1
        self._uncount(post)
        self.world.revision += 1

    def rewrite(self, post: Post, text: str, media: tuple[Media, ...]) -> None:
        """Change a living post in place, as an edit does; it stays one post."""
        self._uncount(post)
        post.text, post.media = text, media
        post.fingerprint = fingerprint(post.account, text, media, post.parent)
        self._count(post)
        self.world.revision += 1

    def _count(self, post: Post) -> None:
        copies = self.copies.setdefault(post.fingerprint, [])
        post.is_copy = bool(copies)
        post.account.duplicates += post.is_copy
        copies.append(post)

    def _uncount(self, post: Post) -> None:
        copies = self.copies[post.fingerprint]
        copies.remove(post)
        if copies:
            post.account.duplicates -= 1
        else:
            del self.copies[post.fingerprint]

    def newest_copy(
        self, account: Account, text: str, media: tuple[Media, ...], parent: Post | None
    ) -> Post | None:
        """The youngest living post that a reader would call the same."""
        copies = self.copies.get(fingerprint(account, text, media, parent))
        return copies[-1] if copies else None

    def living(self, post_id: str) -> Post | None:
        """The post, lagging or not; None when it never was or is deleted."""
        post = self.posts.get(post_id)
        return post if post is not None and post.deleted_at is None else None

    def visible(self, post_id: str, reader: str | None) -> Post | None:
        """The post as a reader sees it: hidden while younger than the switch `find_lag_ms`."""
        post = self.living(post_id)
        return None if post is None or self._lags(post, reader) else post

    def newest_first(self, account: Account, reader: str | None) -> Iterator[Post]:
        """The account's living, visible posts."""
        for post in reversed(account.posts):
            if post.deleted_at is None and not self._lags(post, reader):
                yield post

    def _lags(self, post: Post, reader: str | None) -> bool:
        lag_ms = self.world.switches.setting("find_lag_ms", self.name, reader)
        return bool(lag_ms) and self.world.now() - post.published_at < lag_ms / 1000

    def usable_media(self, media_id: str, account: Account) -> Media | None:
        """The account's finished media; None when unknown, foreign, incomplete or expired."""
        item = self.media.get(media_id)
        if item is None or item.account is not account or not item.complete:
            return None
        life_ms = self.world.switches.setting("handle_life_ms", self.name, account.name)
        life_s = MEDIA_LIFE_SECONDS if life_ms is None else life_ms / 1000
        return None if self.world.now() - item.uploaded_at > life_s else item

    def remembered(self, account: Account, key: str, *, life_seconds: float) -> Post | None:
        """The post made under an idempotency key, unless the key's life or a switch ended it."""
        entry = self.keys.get((account.id, key))
        if entry is None:
            return None
        rule = self.world.switches.setting("idempotency", self.name, account.name)
        if rule == "ignored":
            return None
        if isinstance(rule, dict):
            life_seconds = rule["expire_ms"] / 1000
        post, stored_at = entry
        return post if self.world.now() - stored_at <= life_seconds else None

    def remember(self, account: Account, key: str, post: Post) -> None:
        self.keys[account.id, key] = (post, self.world.now())


class World:
    """Everything the sandbox knows. `now` is its only clock, in epoch seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.now = clock
        self.switches = Switchboard(clock)
        self.consumers = Consumers()
        self.clients = Clients()
        self.fetcher = Fetcher(clock)
        self.run_id = secrets.token_hex(4)
        self._request_numbers = itertools.count(1)
        self.revision = 0
        self.forget()

    def forget(self) -> None:
        """Drop posts, letters, accounts, keys, tokens, allowances, the calls; not switches."""
        self.sites: dict[str, Site] = {}
        self.recent: deque[Post] = deque(maxlen=FEED_POSTS_KEPT)
        self.letters: deque[Letter] = deque(maxlen=LETTERS_KEPT)
        self.calls: deque[CallRecord] = deque(maxlen=CALLS_KEPT)
        self.revision += 1

    def site(self, name: str) -> Site:
        found = self.sites.get(name)
        if found is None:
            found = self.sites[name] = Site(name, self)
        return found

    def request_id(self) -> str:
        return f"{self.run_id}{next(self._request_numbers):08x}"
