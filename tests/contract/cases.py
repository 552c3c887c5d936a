"""Wire data of every adapter: what its network answers when all is well, from its reference page.

A new adapter needs one entry here; without it the contract suite fails.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from platforms.adapters.base import Account, Adapter, Media, Segment
from platforms.adapters.mastodon import Mastodon
from platforms.adapters.sandbox import Sandbox, SandboxConfig
from platforms.adapters.x import X, XConfig
from tests.contract.server import Reply, Request

TEXT = "Release 1.4 is out"
PIXELS = b"\x89PNG\r\n\x1a\n" + b"\x00" * 60


async def _read(start: int = 0, size: int | None = None) -> AsyncIterator[bytes]:
    yield PIXELS[start:][:size]


def image(*, alt_text: str = "", kind: str = "image", **more: Any) -> Media:
    """Return a small PNG."""
    fields = {"mime_type": "image/png", "size_bytes": len(PIXELS), "file_name": "dot.png", **more}
    return Media(kind=kind, alt_text=alt_text, read=_read, **fields)


def video(size_bytes: int = 300, **more: Any) -> Media:
    """Return something that calls itself an MP4; `size_bytes` zeros long."""

    async def read(start: int = 0, size: int | None = None) -> AsyncIterator[bytes]:
        left = min(size_bytes - start, size_bytes if size is None else size)
        while left > 0:
            yield bytes(min(left, 1 << 20))
            left -= 1 << 20

    fields = {"mime_type": "video/mp4", "file_name": "film.mp4", "url": "", **more}
    return Media(kind="video", size_bytes=size_bytes, alt_text="", read=read, **fields)


SIMPLEST = Segment(TEXT)
PICTURED = Segment(TEXT, (image(alt_text="a dot"), image()))


@dataclass(frozen=True)
class Case:
    """How to run one adapter against a server at an address, and what that server says.

    `created` is the answer to the request that publishes, `success_id` the id in it; the other
    answers go with the operation of their name. `too_long` is the shortest text that is too long.
    `segment` and `options` make the simplest post, `pictured` one with files. `progress` is what
    stands in the row before the request that publishes the simplest post. `network` answers every
    request of a whole preparation and publication well (default: `uploaded` to paths with "media",
    else `created`). Where `goes_live` is false, the network works on the post and `check` asks.
    """

    make: Callable[[str], Adapter]
    credentials: Callable[[str], Mapping[str, Any]]
    secrets: tuple[str, ...]
    created: Reply
    success_id: str
    too_long: str
    me: tuple[Reply, ...]
    account: Account
    uploaded: Reply | None = None
    listed_nothing: Reply | None = None
    other: Mapping[str, Reply] = field(default_factory=dict)
    segment: Segment = SIMPLEST
    pictured: Segment = PICTURED
    options: Mapping[str, Any] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)
    network: Callable[[Request], Reply] | None = None
    goes_live: bool = True
    body_matters: bool = True  # whether a 2xx without its documented body leaves doubt
    check_progress: Mapping[str, Any] = field(default_factory=lambda: {"processing": "4711"})
    counters: Mapping[str, int] = field(default_factory=lambda: {"likes": 3, "reposts": 2})
    rotates: bool = True  # whether a refresh brings a new refresh token

    def answer(self, request: Request) -> Reply:
        """Answer as the network would when all is well."""
        if self.network is not None:
            return self.network(request)
        is_upload = self.uploaded is not None and "media" in request.path
        return self.uploaded if is_upload and self.uploaded is not None else self.created


X_USER = {"id": "2244994945", "name": "Ada", "username": "ada"}
X_OAUTH1 = {"oauth_token": "x-user-token", "oauth_token_secret": "x-token-secret"}
X_OAUTH2 = {"access_token": "x-access-token", "refresh_token": "x-refresh-token"}


def make_x(url: str) -> X:
    return X(
        XConfig(
            api_base=url,
            token_url=f"{url}/2/oauth2/token",
            consumer_key="x-consumer",
            consumer_secret="x-consumer-secret",
            client_id="x-client",
            client_secret="x-client-secret",
        )
    )


# docs.x.com/x-api/posts/create-post, /users/lookup/api-reference, /media/upload, read 2026-11
X_CASE = Case(
    make=make_x,
    credentials=lambda url: X_OAUTH1,
    secrets=("x-user-token", "x-token-secret", "x-consumer-secret"),
    created=Reply(
        201, {"data": {"id": "1445880548472328192", "text": TEXT, "edit_history_post_ids": ["1"]}}
    ),
    success_id="1445880548472328192",
    uploaded=Reply(
        200,
        {"data": {"id": "1880028106020515840", "media_key": "3_1", "expires_after_secs": 86400}},
    ),
    listed_nothing=Reply(200, {"meta": {"result_count": 0}}),
    too_long="x" * 281,
    me=(Reply(200, {"data": X_USER}),),
    account=Account("2244994945", "ada"),
    other={
        "refresh": Reply(
            200, {"access_token": "new-access", "refresh_token": "new-refresh", "expires_in": 7200}
        ),
        "delete": Reply(200, {"data": {"deleted": True}}),
        "metrics": Reply(
            200, {"data": [{"id": "1", "public_metrics": {"like_count": 3, "retweet_count": 2}}]}
        ),
    },
)

# docs.joinmastodon.org/methods/statuses, /media, /accounts, /instance, read 2026-11
MASTODON_CASE = Case(
    make=lambda url: Mastodon(),
    credentials=lambda url: {"instance_url": url, "access_token": "m-access-token"},
    secrets=("m-access-token",),
    created=Reply(
        200,
        {
            "id": "103254962155278888",
            "created_at": "2026-11-22T09:30:00.123Z",
            "url": "https://mastodon.example/@ada/103254962155278888",
            "content": f"<p>{TEXT}</p>",
        },
    ),
    success_id="103254962155278888",
    uploaded=Reply(200, {"id": "22348641", "type": "image", "url": "https://files.example/1.png"}),
    listed_nothing=Reply(200, []),
    too_long="x" * 501,
    me=(
        Reply(200, {"id": "14715", "username": "ada", "acct": "ada", "display_name": "Ada"}),
        Reply(200, {"configuration": {"statuses": {"max_characters": 1000}}}),
    ),
    account=Account("mastodon.example:14715", "ada", instance_url="https://mastodon.example"),
    other={
        "delete": Reply(200, {"id": "1", "text": TEXT}),
        "metrics": Reply(200, {"id": "1", "favourites_count": 3, "reblogs_count": 2}),
    },
)

SANDBOX_POST = {
    "id": "4711",
    "status": "published",
    "text": TEXT,
    "reply_to": None,
    "media": [],
    "url": "http://127.0.0.1:8010/#4711",
    "created_at": "2026-11-22T09:30:00.123456Z",
}
# The page in sandbox/own.py
SANDBOX_CASE = Case(
    make=lambda url: Sandbox(SandboxConfig(url)),
    credentials=lambda url: {"access_token": "demo-contract"},
    secrets=("demo-contract",),
    created=Reply(201, SANDBOX_POST),
    success_id="4711",
    uploaded=Reply(201, {"id": "12", "mime_type": "image/png", "size_bytes": 68}),
    listed_nothing=Reply(200, {"posts": []}),
    too_long="x" * 501,
    me=(Reply(200, {"id": "17", "username": "contract", "name": "Contract"}),),
    account=Account("17", "contract"),
    other={"delete": Reply(200, {"deleted": True}), "check": Reply(200, SANDBOX_POST)},
)

CASES: Mapping[str, Case] = {"x": X_CASE, "mastodon": MASTODON_CASE, "sandbox": SANDBOX_CASE}
