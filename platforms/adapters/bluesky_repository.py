"""One account's repository at its server: blobs, and records under keys of our own.

Sources: lexicons com.atproto.repo.* and com.atproto.identity.resolveHandle, and the reference
server's putRecord: under one key the same bytes are written once, other bytes are refused when
`swapRecord` is null. Listing is by key, newest first, without lag.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, Response, Stream
from platforms.adapters.base import Adapter, Media, is_id
from platforms.adapters.bluesky_reading import written
from platforms.adapters.bluesky_records import GATES, POSTS, gate_record, is_blob, tid_instant

LIST_PAGES = 5

Live = tuple[str, str]  # a record's at:// address and the hash of its content


@dataclass(frozen=True, slots=True)
class Repository:
    """`did` names the account; `adapter` judges errors."""

    adapter: Adapter
    http: Http
    did: str

    async def upload(self, file: Media, *, life: timedelta) -> dict[str, Any]:
        """Store a file; returns {"blob", "expires_at"}, the same blob for the same bytes."""
        stream = Stream(file.read, file.size_bytes, file.mime_type)
        response = await self.http.post("/xrpc/com.atproto.repo.uploadBlob", stream=stream)
        if not response.ok:
            raise self.adapter.error(response, upload=True)
        blob = response.json_object().get("blob")
        if not is_blob(blob):
            raise self.adapter.unreadable(response)
        return {"blob": blob, "expires_at": int((response.received_at + life).timestamp())}

    async def put(self, rkey: str, record: Mapping[str, Any]) -> Response:
        """Write a post under `rkey`; it becomes visible."""
        body = {"repo": self.did, "collection": POSTS, "rkey": rkey, "validate": True}
        body |= {"record": record, "swapRecord": None}
        return await self.http.post("/xrpc/com.atproto.repo.putRecord", json=body, writes=True)

    async def create_gated(
        self, rkey: str, record: Mapping[str, Any], allowed: Sequence[str]
    ) -> Response:
        """Write a post and who may reply to it in one go; both become visible, or neither."""
        uri = f"at://{self.did}/{POSTS}/{rkey}"
        gate = gate_record(uri, allowed, created_at=record["createdAt"])
        create = {"$type": "com.atproto.repo.applyWrites#create", "rkey": rkey}
        writes = [
            {**create, "collection": POSTS, "value": record},
            {**create, "collection": GATES, "value": gate},
        ]
        body = {"repo": self.did, "validate": True, "writes": writes}
        return await self.http.post("/xrpc/com.atproto.repo.applyWrites", json=body, writes=True)

    async def look(self, rkey: str, record: Mapping[str, Any]) -> Live | None:
        """Return the post under `rkey`, None if there is none; OUTCOME_UNKNOWN if it is another."""
        response = await self._get(f"at://{self.did}/{POSTS}/{rkey}")
        if self.adapter.provider_code(response) == "RecordNotFound":
            return None
        if not response.ok:
            raise self.adapter.error(response)
        answer = response.json_object()
        live, value = written(answer), answer.get("value")
        if live is None or not isinstance(value, dict) or value.get("text") != record["text"]:
            raise self.adapter.unreadable(response, wrote=True)
        return live

    async def reference(self, uri: str) -> dict[str, str]:
        """Return how a reply refers to a post that is live."""
        response = await self._get(uri)
        if not response.ok:
            raise self.adapter.error(response)
        cid = response.json_object().get("cid")
        if not is_id(cid):
            raise self.adapter.unreadable(response)
        return {"uri": uri, "cid": cid}

    async def posts_since(self, since: datetime) -> AsyncIterator[dict[str, Any]]:
        """Yield posts, newest key first; OUTCOME_UNKNOWN if the list does not reach `since`."""
        params = {"repo": self.did, "collection": POSTS, "limit": "100"}
        for _ in range(LIST_PAGES):
            response = await self.http.get("/xrpc/com.atproto.repo.listRecords", params=params)
            if not response.ok:
                raise self.adapter.error(response)
            answer = response.json_object()
            records = answer.get("records")
            if not isinstance(records, list) or not all(_is_record(entry) for entry in records):
                raise self.adapter.unreadable(response, wrote=True)
            for record in records:
                made_at = tid_instant(place_of(record["uri"])[2])
                if made_at is not None and made_at < since:
                    return
                yield record
            if not records or not is_id(answer.get("cursor")):
                return
            params["cursor"] = answer["cursor"]
        raise ServiceError(C.OUTCOME_UNKNOWN, "The account has too many posts to look through.")

    async def did_of(self, handle: str) -> str:
        """Return whose handle it is, "" if nobody's."""
        path = "/xrpc/com.atproto.identity.resolveHandle"
        response = await self.http.get(path, params={"handle": handle})
        if not response.ok:
            error = self.adapter.error(response)
            if error.category is C.VALIDATION_ERROR:
                return ""
            raise error
        did = response.json_object().get("did")
        if not is_id(did):
            raise self.adapter.unreadable(response)
        return did

    async def _get(self, uri: str) -> Response:
        repo, collection, rkey = place_of(uri)
        params = {"repo": repo, "collection": collection, "rkey": rkey}
        return await self.http.get("/xrpc/com.atproto.repo.getRecord", params=params)


def place_of(uri: str) -> tuple[str, str, str]:
    """Return repository, collection and key of an at:// address."""
    repo, _, rest = uri.removeprefix("at://").partition("/")
    collection, _, rkey = rest.partition("/")
    return repo, collection, rkey


def _is_record(entry: Any) -> bool:
    return isinstance(entry, dict) and is_id(entry.get("uri")) and is_id(entry.get("cid"))
