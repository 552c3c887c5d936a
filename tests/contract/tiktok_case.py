"""TikTok's wire data, from developers.tiktok.com (content posting, display API) as of 2026-11."""

from __future__ import annotations

from typing import Any

from platforms.adapters.base import Account, Segment
from platforms.adapters.tiktok import TikTok
from platforms.adapters.tiktok_upload import TikTokConfig
from tests.contract.server import Reply, Request
from tests.contract.wire import TEXT, Case, image, video

CREDENTIALS = {"access_token": "tt-access-token", "refresh_token": "tt-refresh-token"}
PUBLISH_ID = "v_pub_file~v2-1.7400000000000000009"
POST_ID = 7400000000000000001
OPTIONS = {"privacy_level": "PUBLIC_TO_EVERYONE"}
USER = {"open_id": "723f24d7-e717-40f8-a2b6", "username": "ada", "display_name": "Ada"}
CREATOR = {
    "creator_username": "ada",
    "creator_nickname": "Ada",
    "privacy_level_options": ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"],
    "comment_disabled": False,
    "duet_disabled": False,
    "stitch_disabled": True,
    "max_video_post_duration_sec": 300,
}
PHOTO = image(mime_type="image/jpeg", file_name="dot.jpg", url="https://files.example/1.jpg")


def fine(**data: Any) -> Reply:
    """Return a success: the error object is always there."""
    return Reply(200, {"data": data, "error": {"code": "ok", "message": "", "log_id": "20261125"}})


def refusal(status: int, code: str, message: str = "No.") -> Reply:
    error = {"code": code, "message": message, "log_id": "2026112509300001"}
    return Reply(status, {"data": {}, "error": error})


COMPLETE = fine(status="PUBLISH_COMPLETE", publicaly_available_post_id=[POST_ID])


def make(url: str) -> TikTok:
    config = TikTokConfig(api_base=url, client_id="tt-client-key", client_secret="tt-secret")
    return TikTok(config)


def network(request: Request) -> Reply:
    """Answer as TikTok would when all is well."""
    path = request.path.partition("?")[0]
    if path.endswith("/creator_info/query/"):
        return fine(**CREATOR)
    if path.endswith("/video/init/"):
        address = f"http://{request.headers['host']}/upload?upload_id=tt-upload-secret"
        return fine(publish_id=PUBLISH_ID, upload_url=address)
    if path.endswith("/content/init/"):
        return fine(publish_id="p_pub_url~v2.1")
    if path == "/upload":
        return Reply(201)
    return COMPLETE


TIKTOK_CASE = Case(
    make=make,
    credentials=lambda url: CREDENTIALS,
    secrets=("tt-access-token",),
    created=Reply(201),
    success_id=str(POST_ID),
    listed_nothing=fine(videos=[], cursor=0, has_more=False),
    too_long="x" * 2201,
    me=(fine(user=USER), fine(**CREATOR)),
    account=Account(USER["open_id"], "ada"),
    other={
        "refresh": Reply(
            200,
            {
                "access_token": "new-access",
                "refresh_token": "new-refresh",
                "expires_in": 7200,
                "refresh_expires_in": 15_552_000,
                "open_id": USER["open_id"],
                "scope": "user.info.basic,video.publish",
                "token_type": "Bearer",
            },
        ),
        "check": COMPLETE,
        "metrics": fine(videos=[{"id": "1", "view_count": 12, "like_count": 3}]),
    },
    counters={"views": 12, "likes": 3},
    segment=Segment(TEXT, (video(),)),
    pictured=Segment(TEXT, (PHOTO, PHOTO)),
    options=OPTIONS,
    progress={
        "creator": {"asked_at": 1_795_600_000},
        "publish_id": PUBLISH_ID,
        "sealed": {"upload_url": "/upload?upload_id=tt-upload-secret"},
        "chunk": 300,
        "count": 1,
        "sent": 0,
        "opened_at": 1_795_600_000,
    },
    network=network,
    goes_live=False,
    body_matters=False,
    check_progress={"publish_id": PUBLISH_ID},
)
