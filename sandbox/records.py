"""What a network remembers: accounts, media and posts. Instants are epoch seconds (floats)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(slots=True, eq=False)
class Account:
    """One user of one network; `posts` grows in the order of publication, deleted ones included."""

    id: str
    name: str
    posts: list[Post] = field(default_factory=list)
    live: int = 0
    deleted: int = 0
    duplicates: int = 0
    calls: int = 0

    @property
    def display_name(self) -> str:
        return self.name.replace("_", " ").replace("-", " ").title()


@dataclass(slots=True, eq=False)
class Media:
    """One uploaded file. `chunks`: of an unfinished upload of `promised_bytes`.

    Processing goes on from `processed_from` to `ready_at`; then a `failure` is why it ended badly.
    """

    id: str
    account: Account
    mime_type: str
    uploaded_at: float
    data: bytes = b""
    digest: bytes = b""
    alt_text: str = ""
    category: str = ""
    processed_from: float = 0.0
    ready_at: float = 0.0
    failure: str = ""
    promised_bytes: int = 0
    complete: bool = True
    attached: bool = False
    chunks: dict[int, bytes] = field(default_factory=dict)

    def seal(self, data: bytes) -> None:
        """Give the file its bytes; equal bytes have equal digests, whatever the media's id."""
        self.data, self.complete = data, True
        self.digest = hashlib.blake2b(data, digest_size=16).digest()
        self.chunks = {}

    @property
    def is_image(self) -> bool:
        return self.mime_type.startswith("image/")


@dataclass(slots=True, eq=False)
class Post:
    """One published post. `received_at`: the request's body was complete; `due_at`: if known.

    `fingerprint` covers account, text, media bytes and the chain of parents, so that a thread
    published twice counts as that many duplicates.
    """

    id: str
    network: str
    account: Account
    text: str
    media: tuple[Media, ...]
    parent: Post | None
    received_at: float
    published_at: float
    due_at: float | None
    fingerprint: bytes
    extra: dict[str, Any]  # README.md lists the keys that the feed page shows
    is_copy: bool = False  # a living post with this fingerprint was there before
    deleted_at: float | None = None

    @property
    def root(self) -> Post:
        """The first post of this post's thread."""
        post = self
        while post.parent is not None:
            post = post.parent
        return post

    @property
    def lateness_ms(self) -> float | None:
        """How late the request arrived; negative when early, None without a known due time."""
        if self.due_at is None:
            return None
        return round((self.received_at - self.due_at) * 1000, 3)


def fingerprint(
    account: Account, text: str, media: tuple[Media, ...], parent: Post | None
) -> bytes:
    """Return 16 bytes that are equal for two posts a reader would call the same."""
    digest = hashlib.blake2b(account.id.encode(), digest_size=16)
    digest.update(b"\0" + text.encode(errors="surrogatepass"))
    for item in media:
        digest.update(b"\0m" + item.digest)
    if parent is not None:
        digest.update(b"\0p" + parent.fingerprint)
    return digest.digest()


def iso(at: float, *, timespec: str = "milliseconds") -> str:
    """Return the instant as ISO 8601 in UTC with a final Z."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec=timespec)
    return text.replace("+00:00", "Z")


def parse_instant(text: str) -> float:
    """Return epoch seconds of an ISO 8601 instant with a zone; ValueError otherwise."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("an instant needs a zone, for example a final Z")
    return instant.timestamp()
