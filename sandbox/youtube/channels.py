"""Channels: every account has one, except those whose names begin with `no-channel`."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.growth import grown
from sandbox.records import Account, iso
from sandbox.youtube import errors, parameters, quota

_PARTS = ("id", "snippet", "contentDetails", "statistics", "status", "brandingSettings")
_BORN = 1_262_304_000.0


def channel_id(account: Account) -> str:
    """`UC` and 22 characters, from the name alone."""
    digest = hashlib.blake2b(f"channel:{account.name}".encode(), digest_size=16).digest()
    return "UC" + base64.urlsafe_b64encode(digest).decode()[:22]


def uploads_id(account: Account) -> str:
    """The playlist of everything the channel uploaded."""
    return "UU" + channel_id(account)[2:]


def has_channel(account: Account) -> bool:
    return not account.name.startswith("no-channel")


def need_channel(call: Call) -> None:
    if not has_channel(call.account):
        raise errors.refused(
            401,
            "youtubeSignupRequired",
            "The user must sign up for YouTube.",
            domain="youtube.header",
            location="Authorization",
            locationType="header",
        )


def read(call: Call) -> Answer:
    """`channels.list`: `mine=true`, or `id`."""
    parameters.need(call, parameters.READ)
    quota.spend(call, 1)
    wanted = parameters.parts(call, _PARTS)
    if call.query.get("mine") == "true":
        found = [call.account] if has_channel(call.account) else []
    else:
        given = parameters.ids(call)
        found = [a for a in call.site.accounts.values() if channel_id(a) in given]
    items = [_shape(account, wanted, call) for account in found]
    return Answer(200, parameters.listing("channelListResponse", items, call))


def _shape(account: Account, wanted: list[str], call: Call) -> dict[str, Any]:
    picture = {"url": f"{call.base_url}/_static/avatar.svg", "width": 88, "height": 88}
    now = call.world.now()
    views = sum(grown(p.id, now - p.published_at, most=1000) for p in account.posts)
    parts = {
        "snippet": {
            "title": account.display_name,
            "description": "",
            "customUrl": f"@{account.name.lower()}",
            "publishedAt": iso(_BORN, timespec="seconds"),
            "thumbnails": dict.fromkeys(("default", "medium", "high"), picture),
        },
        "contentDetails": {"relatedPlaylists": {"likes": "LL", "uploads": uploads_id(account)}},
        "statistics": {
            "viewCount": str(views),
            "subscriberCount": str(100 + int(account.id) % 900),
            "hiddenSubscriberCount": False,
            "videoCount": str(account.live),
        },
        "status": {
            "privacyStatus": "public",
            "isLinked": True,
            "longUploadsStatus": "allowed",
            "madeForKids": False,
        },
        "brandingSettings": {"channel": {"title": account.display_name}},
    }
    shape = {"kind": "youtube#channel", "etag": "sandbox", "id": channel_id(account)}
    return shape | {name: part for name, part in parts.items() if name in wanted}
