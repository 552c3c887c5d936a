"""Bluesky's wire data: lexicons com.atproto.* and app.bsky.*, docs.bsky.app, read 2026-11."""

from __future__ import annotations

import time
from typing import Any

from platforms.adapters.base import Account
from platforms.adapters.bluesky import Bluesky
from platforms.adapters.bluesky_account import BlueskyConfig
from platforms.adapters.bluesky_records import new_tid
from tests.contract.server import Reply, Request
from tests.contract.wire import TEXT, Case

DID = "did:plc:z72i7hdynmk6r22z27h6tvur"
RKEY = "3n2ucocuc22k7"
URI = f"at://{DID}/app.bsky.feed.post/{RKEY}"
CID = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
BLOB = {
    "$type": "blob",
    "ref": {"$link": "bafkreiabcdefghijklmnopqrstuvwxyz234567"},
    "mimeType": "image/png",
    "size": 68,
}
RECORD = {"$type": "app.bsky.feed.post", "text": TEXT, "createdAt": "2026-11-22T09:00:00.000Z"}
SESSION = {"did": DID, "handle": "ada.bsky.social", "active": True}
TOKENS = {**SESSION, "accessJwt": "new-access", "refreshJwt": "new-refresh"}


def make_bluesky(url: str) -> Bluesky:
    return Bluesky(BlueskyConfig(url, f"{url}/appview", f"{url}/video", f"{url}/plc"))


def directory_entry(url: str) -> dict[str, Any]:
    service = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": url}
    return {"id": DID, "service": [service]}


def network(request: Request) -> Reply:
    if request.path.endswith("uploadBlob"):
        return Reply(200, {"blob": BLOB})
    return Reply(200, {"uri": URI, "cid": CID, "validationStatus": "valid"})


BLUESKY_CASE = Case(
    make=make_bluesky,
    credentials=lambda url: {
        "did": DID,
        "pds_url": url,
        "access_token": "b-access-token",
        "refresh_token": "b-refresh-token",
        "app_password": "b-app-password",
    },
    secrets=("b-access-token", "b-refresh-token"),
    created=network(Request("POST", "", {}, b"")),
    success_id=URI,
    listed_nothing=Reply(200, {"records": []}),
    too_long="x" * 301,
    me=(Reply(200, SESSION), Reply(200, {"did": DID, "displayName": "Ada"})),
    account=Account(DID, "ada.bsky.social", instance_url="https://morel.example"),
    progress={"record": {"number": 0, "rkey": new_tid(time.time() + 86_400), "value": RECORD}},
    network=network,
    other={
        "refresh": Reply(200, {**TOKENS, "didDoc": directory_entry("https://morel.example")}),
        "delete": Reply(200, {"commit": {}}),
        "metrics": Reply(200, {"posts": [{"uri": URI, "likeCount": 3, "repostCount": 2}]}),
    },
)
