"""Creators: who they are, and what they and their application may post.

What a name begins with decides: `private...` has a private account; `unaudited...` comes through
an application without an audit, which posts to SELF_ONLY alone, for five users a day.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.growth import grown
from sandbox.records import Account
from sandbox.tiktok import envelopes

PUBLIC = "PUBLIC_TO_EVERYONE"
SELF_ONLY = "SELF_ONLY"
MAX_SECONDS = 600
_FIELDS = {  # user field -> scope
    "open_id": "user.info.basic",
    "union_id": "user.info.basic",
    "avatar_url": "user.info.basic",
    "avatar_url_100": "user.info.basic",
    "avatar_large_url": "user.info.basic",
    "display_name": "user.info.basic",
    "username": "user.info.profile",
    "bio_description": "user.info.profile",
    "profile_deep_link": "user.info.profile",
    "is_verified": "user.info.profile",
    "follower_count": "user.info.stats",
    "following_count": "user.info.stats",
    "likes_count": "user.info.stats",
    "video_count": "user.info.stats",
}


def open_id(account: Account) -> str:
    digest = hashlib.blake2b(f"tiktok:{account.name}".encode(), digest_size=24).digest()
    return "-000" + base64.urlsafe_b64encode(digest).decode()


def privacy_options(account: Account) -> list[str]:
    if account.name.startswith(("private", "unaudited")):
        return ["FOLLOWER_OF_CREATOR", "MUTUAL_FOLLOW_FRIENDS", SELF_ONLY]
    return [PUBLIC, "MUTUAL_FOLLOW_FRIENDS", SELF_ONLY]


def is_audited(account: Account) -> bool:
    return not account.name.startswith("unaudited")


def creator_info(call: Call) -> Answer:
    """`POST /v2/post/publish/creator_info/query/`."""
    account = call.account
    return envelopes.ok(
        {
            "creator_avatar_url": f"{call.base_url}/_static/avatar.svg",
            "creator_username": account.name,
            "creator_nickname": account.display_name,
            "privacy_level_options": privacy_options(account),
            "comment_disabled": False,
            "duet_disabled": False,
            "stitch_disabled": False,
            "max_video_post_duration_sec": MAX_SECONDS,
        }
    )


def user_info(call: Call) -> Answer:
    """`GET /v2/user/info/?fields=`: only what was asked for and granted."""
    wanted = [name for name in call.query.get("fields", "").split(",") if name]
    if not wanted or not _FIELDS.keys() >= set(wanted):
        raise envelopes.invalid("Fields is required and must name fields of a user.")
    grant = call.grant
    if grant is not None and not grant.allows(*{_FIELDS[name] for name in wanted}):
        raise envelopes.refused_scope()
    told = _user(call)
    return envelopes.ok({"user": {name: told[name] for name in wanted}})


def _user(call: Call) -> dict[str, Any]:
    account, now = call.account, call.world.now()
    avatar = f"{call.base_url}/_static/avatar.svg"
    likes = sum(grown(f"{p.id}likes", now - p.published_at, most=200) for p in account.posts)
    return {
        "open_id": open_id(account),
        "union_id": open_id(account)[::-1],
        "avatar_url": avatar,
        "avatar_url_100": avatar,
        "avatar_large_url": avatar,
        "display_name": account.display_name,
        "username": account.name,
        "bio_description": "",
        "profile_deep_link": f"https://www.tiktok.com/@{account.name}",
        "is_verified": False,
        "follower_count": 100 + int(account.id) % 900,
        "following_count": 7,
        "likes_count": likes,
        "video_count": account.live,
    }
