"""YouTube's wire data, from developers.google.com/youtube/v3 as read in 2026-11."""

from __future__ import annotations

from platforms.adapters.base import Account, Segment
from platforms.adapters.youtube import YouTube
from platforms.adapters.youtube_client import YouTubeConfig
from tests.contract.server import Reply, Request
from tests.contract.wire import TEXT, Case, image, video

CREDENTIALS = {"access_token": "yt-access-token", "refresh_token": "yt-refresh-token"}
CHANNEL_ID = "UCuAXFkgsw1L7xaCfnd5JJOw"
VIDEO_ID = "dQw4w9WgXcQ"
OPTIONS = {"title": TEXT, "made_for_kids": False}
LIVE = Reply(200, {"kind": "youtube#video", "id": VIDEO_ID, "status": {"privacyStatus": "public"}})
PROCESSED = {"id": VIDEO_ID, "status": {"uploadStatus": "processed"}}
CHANNEL = {
    "kind": "youtube#channel",
    "id": CHANNEL_ID,
    "snippet": {
        "title": "Ada's films",
        "customUrl": "@ada",
        "thumbnails": {"default": {"url": "https://yt3.example/ada.jpg"}},
    },
}
FILMED = Segment(TEXT, (video(),))


def listed(*items: object) -> Reply:
    """Return a list answer."""
    return Reply(200, {"kind": "youtube#listResponse", "items": list(items)})


def make(url: str) -> YouTube:
    return YouTube(
        YouTubeConfig(
            api_base=url,
            upload_base=url,
            token_url=f"{url}/token",
            revoke_url=f"{url}/revoke",
            client_id="yt-client",
            client_secret="yt-client-secret",
        )
    )


def network(request: Request) -> Reply:
    """Answer as YouTube would when all is well."""
    path = request.path.partition("?")[0]
    if path.endswith("/upload/youtube/v3/videos"):
        address = f"http://{request.headers['host']}/upload/session?upload_id=yt-session-secret"
        return Reply(200, b"", {"location": address})
    if path == "/upload/session":
        return Reply(200, {"id": VIDEO_ID, "status": {"privacyStatus": "private"}})
    if path.endswith("/commentThreads"):
        return Reply(200, {"kind": "youtube#commentThread", "id": "UgzDE8zqP1Kv1Xq9cnx4AaABAg"})
    if request.method == "GET":
        return listed(PROCESSED)
    return LIVE


YOUTUBE_CASE = Case(
    make=make,
    credentials=lambda url: CREDENTIALS,
    secrets=("yt-access-token",),
    created=LIVE,
    success_id=VIDEO_ID,
    listed_nothing=Reply(200, {"items": []}),
    too_long="x" * 5001,
    me=(listed(CHANNEL),),
    account=Account(CHANNEL_ID, "ada"),
    other={
        "refresh": Reply(200, {"access_token": "new-access", "expires_in": 3599}),
        "delete": Reply(204),
        "metrics": listed({"id": "1", "statistics": {"viewCount": "7", "likeCount": "3"}}),
    },
    counters={"views": 7, "likes": 3},
    rotates=False,
    segment=FILMED,
    pictured=Segment(TEXT, (video(), image())),
    beside=(video(),),
    options=OPTIONS,
    progress={"video": VIDEO_ID, "uploaded_at": 1_795_600_000, "processed": True},
    network=network,
)
