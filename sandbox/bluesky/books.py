"""What the PDS and the video service keep: records, blobs, refresh tokens and video jobs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sandbox.bluesky import cids
from sandbox.exchange import Call
from sandbox.records import Account, Media, Post
from sandbox.working import handle_life_s
from sandbox.world import Site

_BLOB_LIFE_SECONDS = 3600.0  # of one that no record refers to; the page says minutes to hours


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a repository; `post` when it is a post that readers see."""

    account: Account
    collection: str
    rkey: str
    uri: str
    cid: str
    value: dict[str, Any]
    blobs: frozenset[str]
    written_at: float
    post: Post | None = None
    parent_uri: str = ""  # of the post it replies to


@dataclass(slots=True)
class Blob:
    """One uploaded file of one account; `used_by` are the URIs of the records that refer to it."""

    cid: str
    media: Media
    uploaded_at: float
    used_by: set[str] = field(default_factory=set)

    def reference(self) -> dict[str, Any]:
        return {
            "$type": "blob",
            "ref": {"$link": self.cid},
            "mimeType": self.media.mime_type,
            "size": len(self.media.data),
        }


@dataclass(slots=True)
class Job:
    """One video in the works; `failure` is the reason it will end with, empty for success."""

    id: str
    account: Account
    data: bytes
    started_at: float
    ready_at: float
    failure: str = ""
    blob: Blob | None = None


@dataclass(slots=True)
class Refresh:
    """One refresh token. Once rotated it dies at `expires_at`, until then it gives `successor`."""

    token: str = field(repr=False)
    name: str
    expires_at: float
    successor: Refresh | None = None
    revoked: bool = False


class Books:
    """All of one site's books."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.replies: Counter[str] = Counter()  # living replies by their parent's URI
        self.blobs: dict[tuple[str, str], Blob] = {}  # account id, cid
        self.refresh: dict[str, Refresh] = {}  # by the token's id
        self.jobs: dict[str, Job] = {}
        self.in_works: list[Job] = []
        self.accounts: dict[str, Account] = {}  # by DID and by handle; see identity.py
        self._collections: dict[tuple[str, str], dict[str, Record]] = {}

    def add_blob(self, site: Site, account: Account, mime_type: str, data: bytes) -> Blob:
        """Keep the file; the same bytes are the same blob, whose waiting time starts anew."""
        cid, now = cids.of_bytes(data), site.world.now()
        blob = self.blobs.get((account.id, cid))
        if blob is None:
            media = Media(site.new_id(), account, mime_type, now)
            media.seal(data)
            site.media[media.id] = media
            blob = self.blobs[account.id, cid] = Blob(cid, media, now)
        blob.uploaded_at = now
        return blob

    def blob(self, call: Call, cid: str) -> Blob | None:
        """The caller's blob; forgotten when no record refers to it for too long."""
        self.finish_jobs(call.site)
        key = (call.account.id, cid)
        blob = self.blobs.get(key)
        if blob is None or blob.used_by:
            return blob
        if call.world.now() - blob.uploaded_at <= handle_life_s(call, _BLOB_LIFE_SECONDS):
            return blob
        del self.blobs[key]
        return None

    def finish_jobs(self, site: Site) -> None:
        """Hand the videos that are ready to the PDS, as of the moment they became ready."""
        now = site.world.now()
        for job in [job for job in self.in_works if job.ready_at <= now]:
            self.in_works.remove(job)
            if not job.failure:
                job.blob = self.add_blob(site, job.account, "video/mp4", job.data)
                job.blob.uploaded_at = job.ready_at

    def keep(self, record: Record) -> None:
        """Write the record over the one before it, and tie its blobs to it."""
        self.forget(record.uri, keeping=record.blobs)
        self.records[record.uri] = record
        self.collection(record.account, record.collection)[record.uri] = record
        if record.parent_uri:
            self.replies[record.parent_uri] += 1
        for cid in record.blobs:
            self.blobs[record.account.id, cid].used_by.add(record.uri)

    def forget(self, uri: str, keeping: frozenset[str] = frozenset()) -> None:
        """Drop the record, if there is one, and the blobs that only it referred to."""
        record = self.records.pop(uri, None)
        if record is None:
            return
        del self.collection(record.account, record.collection)[uri]
        if record.parent_uri:
            self.replies[record.parent_uri] -= 1
        for cid in record.blobs - keeping:
            blob = self.blobs[record.account.id, cid]
            blob.used_by.discard(uri)
            if not blob.used_by:
                del self.blobs[record.account.id, cid]

    def collection(self, account: Account, name: str) -> dict[str, Record]:
        """The account's records of one kind, by URI."""
        return self._collections.setdefault((account.id, name), {})

    def media_of(self, site: Site, account: Account, cid: str, alt_text: str) -> Media:
        """The file as one post shows it: the same bytes, with that post's alt text."""
        found = self.blobs[account.id, cid].media
        shown = dataclasses.replace(found, id=site.new_id(), alt_text=alt_text)
        site.media[shown.id] = shown
        return shown


def books(site: Site) -> Books:
    return site.books(Books)
