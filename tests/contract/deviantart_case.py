"""DeviantArt's wire data, from deviantart.readme.io (API v1, 20240701) as of 2026-11."""

from __future__ import annotations

from typing import Any

from platforms.adapters.base import Account, Segment
from platforms.adapters.deviantart import DeviantArt
from platforms.adapters.deviantart_finding import DeviantArtConfig
from tests.contract.server import Reply, Request
from tests.contract.wire import TEXT, Case, image

CREDENTIALS = {"access_token": "da-access-token", "refresh_token": "da-refresh-token"}
USER_ID = "CAFD9087-C6EF-2F2C-183B-A658AE61FB95"
DEVIATION_ID = "F9921FC4-3A0F-90A9-3625-AA8E105747AD"
DEVIATION_URL = "https://www.deviantart.com/ada/art/Release-1-4-is-out-1234567890"
COMMENT_ID = "B3C5F1E0-1111-2222-3333-444455556666"
ITEM_ID = 4502318545176648123  # beyond 2**53
ACCOUNT = Account(USER_ID, "ada")


def fine(**more: Any) -> Reply:
    return Reply(200, {"status": "success", **more})


def refusal(status: int, error: str, description: str = "No.", **more: Any) -> Reply:
    body = {"status": "error", "error": error, "error_description": description, **more}
    return Reply(status, body)


def listed(*works: dict[str, Any], **more: Any) -> Reply:
    return Reply(200, {"has_more": False, "next_offset": None, "results": list(works), **more})


SUBMITTED = fine(itemid=ITEM_ID, stack="Sta.sh Uploads 12", stackid=1234567890123456)
LIVE = fine(url=DEVIATION_URL, deviationid=DEVIATION_ID)


def make(url: str) -> DeviantArt:
    return DeviantArt(
        DeviantArtConfig(
            api_base=url,
            oauth_base=f"{url}/oauth2",
            client_id="12345",
            client_secret="da-client-secret",
        )
    )


def network(request: Request) -> Reply:
    """Answer as DeviantArt would when all is well."""
    path = request.path.partition("?")[0]
    if path == "/stash/submit":
        return SUBMITTED
    if path.startswith("/comments/post/"):
        return Reply(200, {"commentid": COMMENT_ID, "body": "three"})
    return LIVE


DEVIANTART_CASE = Case(
    make=make,
    credentials=lambda url: CREDENTIALS,
    secrets=("da-access-token",),
    created=LIVE,
    success_id=DEVIATION_ID,
    listed_nothing=listed(),
    too_long="x" * 60_001,
    me=(Reply(200, {"userid": USER_ID, "username": "ada", "usericon": "https://a.example/a"}),),
    account=ACCOUNT,
    other={
        "refresh": Reply(
            200,
            {
                "access_token": "new-access",
                "refresh_token": "new-refresh",
                "expires_in": 3600,
                "status": "success",
            },
        ),
        "metrics": Reply(
            200,
            {
                "metadata": [
                    {"deviationid": "1", "stats": {"views": 40, "favourites": 3, "comments": 2}}
                ]
            },
        ),
    },
    counters={"views": 40, "likes": 3, "comments": 2},
    segment=Segment(TEXT, (image(),)),
    pictured=Segment(TEXT, (image(),)),
    options={"title": TEXT},
    progress={"items": {"0.0": {"id": str(ITEM_ID), "at": 1_795_600_000}}},
    network=network,
)
