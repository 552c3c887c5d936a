"""What an instance says of itself, and an account of itself."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sandbox.exchange import Answer, Call
from sandbox.records import Account

TEXT_LIMIT = 500
MEDIA_LIMIT = 4
DESCRIPTION_LIMIT = 1500
IMAGE_BYTES_LIMIT = 16 * 1024 * 1024
VIDEO_BYTES_LIMIT = 99 * 1024 * 1024
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/heic")
VIDEO_TYPES = ("video/webm", "video/mp4", "video/quicktime", "audio/mpeg", "audio/ogg")


def instance_url(call: Call) -> str:
    return f"{call.base_url}/{call.site.name}"


def is_old(call: Call) -> bool:
    """The instance `old` is a Mastodon before 4.3."""
    return call.params["instance"] == "old"


def show(call: Call) -> Answer:
    """`GET /api/v2/instance`: adapters read the limits from `configuration`."""
    name = call.params["instance"]
    return Answer(
        200,
        {
            "domain": urlsplit(call.base_url).netloc,
            "title": f"Sandbox {name}",
            "version": "4.2.0+sandbox" if is_old(call) else "4.6.0+sandbox",
            "source_url": "https://github.com/mastodon/mastodon",
            "description": "An imitation instance; nothing here leaves this machine.",
            **({} if is_old(call) else {"api_versions": {"mastodon": 8}}),
            "languages": ["en"],
            "configuration": {
                "urls": {"streaming": None},
                "accounts": {"max_featured_tags": 10, "max_pinned_statuses": 5},
                "statuses": {
                    "max_characters": TEXT_LIMIT,
                    "max_media_attachments": MEDIA_LIMIT,
                    "characters_reserved_per_url": 23,
                },
                "media_attachments": {
                    "supported_mime_types": [*IMAGE_TYPES, *VIDEO_TYPES],
                    "description_limit": DESCRIPTION_LIMIT,
                    "image_size_limit": IMAGE_BYTES_LIMIT,
                    "image_matrix_limit": 33_177_600,
                    "video_size_limit": VIDEO_BYTES_LIMIT,
                    "video_frame_rate_limit": 120,
                    "video_matrix_limit": 8_294_400,
                },
                "polls": {
                    "max_options": 4,
                    "max_characters_per_option": 50,
                    "min_expiration": 300,
                    "max_expiration": 2_629_746,
                },
                "translation": {"enabled": False},
            },
            "registrations": {"enabled": False, "approval_required": False, "message": None},
            "rules": [],
        },
    )


def verify_credentials(call: Call) -> Answer:
    return Answer(200, describe_account(call, call.account))


def describe_account(call: Call, account: Account) -> dict[str, Any]:
    avatar = f"{call.base_url}/_static/avatar.svg"
    return {
        "id": account.id,
        "username": account.name,
        "acct": account.name,
        "display_name": account.display_name,
        "locked": False,
        "bot": False,
        "url": f"{instance_url(call)}/@{account.name}",
        "avatar": avatar,
        "avatar_static": avatar,
        "followers_count": 100 + int(account.id) % 900,
        "following_count": int(account.id) % 300,
        "statuses_count": account.live,
        "fields": [],
        "emojis": [],
    }
