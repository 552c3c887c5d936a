"""Wire data of every adapter: what its network answers when all is well, from its reference page.

A new adapter needs one entry here; without it the contract suite fails.
"""

from __future__ import annotations

from collections.abc import Mapping

from platforms.adapters.base import Account
from platforms.adapters.mastodon import Mastodon
from platforms.adapters.sandbox import Sandbox, SandboxConfig
from platforms.adapters.x import X
from platforms.adapters.x_client import XConfig
from tests.contract.bluesky_case import BLUESKY_CASE
from tests.contract.deviantart_case import DEVIANTART_CASE
from tests.contract.facebook_case import FACEBOOK_CASE
from tests.contract.instagram_case import INSTAGRAM_CASE
from tests.contract.linkedin_case import LINKEDIN_CASE
from tests.contract.server import Reply
from tests.contract.telegram_case import TELEGRAM_CASE
from tests.contract.threads_case import THREADS_CASE
from tests.contract.tiktok_case import TIKTOK_CASE
from tests.contract.wire import TEXT, Case, image, video
from tests.contract.youtube_case import YOUTUBE_CASE

__all__ = [
    "CASES",
    "MASTODON_CASE",
    "TEXT",
    "X_CASE",
    "X_OAUTH1",
    "X_OAUTH2",
    "Case",
    "image",
    "make_x",
    "video",
]

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

CASES: Mapping[str, Case] = {
    "x": X_CASE,
    "linkedin": LINKEDIN_CASE,
    "mastodon": MASTODON_CASE,
    "instagram": INSTAGRAM_CASE,
    "threads": THREADS_CASE,
    "facebook": FACEBOOK_CASE,
    "bluesky": BLUESKY_CASE,
    "youtube": YOUTUBE_CASE,
    "tiktok": TIKTOK_CASE,
    "deviantart": DEVIANTART_CASE,
    "telegram": TELEGRAM_CASE,
    "sandbox": SANDBOX_CASE,
}
