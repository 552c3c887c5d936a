"""Playlists: everything a channel uploaded (`UU...`), and those that it makes itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.records import Account, iso
from sandbox.youtube import channels, errors, parameters, quota, videos
from sandbox.youtube.videos import Video

_TITLE_CHARS = 150
_PARTS = ("id", "snippet", "status", "contentDetails")


@dataclass(slots=True, eq=False)
class Playlist:
    """One list of videos, in the order of their adding."""

    id: str
    account: Account
    title: str
    privacy: str
    made_at: float
    entries: list[tuple[str, str, float]] = field(default_factory=list)  # id, video id, added at


class Playlists(dict[str, Playlist]):
    """By id."""


def create(call: Call) -> Answer:
    """`playlists.insert`."""
    parameters.need(call, parameters.WRITE)
    channels.need_channel(call)
    quota.spend(call, 50)
    wanted, body = parameters.parts(call, _PARTS), parameters.body(call)
    title = parameters.inner(body, "snippet", "title")
    if not isinstance(title, str) or not 0 < len(title) <= _TITLE_CHARS:
        message = "The request metadata specifies an invalid or empty playlist title."
        raise errors.refused(400, "playlistTitleRequired", message, domain="youtube.playlist")
    playlist = Playlist(
        "PL" + call.site.new_id(),
        call.account,
        title,
        parameters.inner(body, "status", "privacyStatus") or "public",
        call.world.now(),
    )
    call.site.books(Playlists)[playlist.id] = playlist
    return Answer(200, _shape(playlist, wanted))


def read(call: Call) -> Answer:
    """`playlists.list`: `mine=true`, or `id`."""
    parameters.need(call, parameters.READ)
    quota.spend(call, 1)
    wanted = parameters.parts(call, _PARTS)
    every = call.site.books(Playlists)
    if call.query.get("mine") == "true":
        found = [p for p in every.values() if p.account is call.account]
    else:
        found = [every[i] for i in parameters.ids(call) if i in every]
    items = [_shape(playlist, wanted) for playlist in found]
    return Answer(200, parameters.listing("playlistListResponse", items, call))


def add(call: Call) -> Answer:
    """`playlistItems.insert`; adding a video twice puts it there twice."""
    parameters.need(call, parameters.WRITE)
    quota.spend(call, 50)
    wanted, body = parameters.parts(call, _PARTS), parameters.body(call)
    playlist_id = parameters.inner(body, "snippet", "playlistId")
    video_id = parameters.inner(body, "snippet", "resourceId", "videoId")
    if parameters.inner(body, "snippet", "resourceId", "kind") != "youtube#video":
        message = "The resource type is not supported."
        raise errors.refused(400, "invalidResourceType", message, domain="youtube.playlistItem")
    playlist = call.site.books(Playlists).get(str(playlist_id))
    if playlist is None:
        raise _not_found(str(playlist_id))
    if playlist.account is not call.account:
        message = "The request is not properly authorized to add to the playlist."
        raise errors.refused(
            403, "playlistItemsNotAccessible", message, domain="youtube.playlistItem"
        )
    video = videos.visible(call, str(video_id))
    if video is None:
        raise errors.video_not_found()
    entry = ("PLI" + call.site.new_id(), video.id, call.world.now())
    playlist.entries.append(entry)
    position = len(playlist.entries) - 1
    return Answer(200, _item(entry, playlist.id, position, video, wanted, call))


def items(call: Call) -> Answer:
    """`playlistItems.list`: of uploads newest first, of other lists in their order."""
    parameters.need(call, parameters.READ)
    quota.spend(call, 1)
    wanted = parameters.parts(call, _PARTS)
    (playlist_id,) = parameters.ids(call, "playlistId", most=1)
    shapes = [
        _item(entry, playlist_id, position, video, wanted, call)
        for position, (entry, video) in enumerate(_entries(call, playlist_id))
    ]
    return Answer(200, parameters.listing("playlistItemListResponse", shapes, call))


def _entries(call: Call, playlist_id: str) -> list[tuple[tuple[str, str, float], Video]]:
    for account in call.site.accounts.values():
        if channels.has_channel(account) and channels.uploads_id(account) == playlist_id:
            found = videos.of_account(call, account)
            return [(("UPL" + v.id, v.id, v.uploaded_at), v) for v in found]
    playlist = call.site.books(Playlists).get(playlist_id)
    if playlist is None:
        raise _not_found(playlist_id)
    pairs = ((entry, videos.visible(call, entry[1])) for entry in playlist.entries)
    return [(entry, video) for entry, video in pairs if video is not None]


def _not_found(playlist_id: str) -> Exception:
    message = f"The playlist identified with the request's playlistId {playlist_id} is not found."
    return errors.refused(404, "playlistNotFound", message, domain="youtube.playlistItem")


def _shape(playlist: Playlist, wanted: list[str]) -> dict[str, Any]:
    parts = {
        "snippet": {
            "title": playlist.title,
            "channelId": channels.channel_id(playlist.account),
            "publishedAt": iso(playlist.made_at, timespec="seconds"),
        },
        "status": {"privacyStatus": playlist.privacy},
        "contentDetails": {"itemCount": len(playlist.entries)},
    }
    head = {"kind": "youtube#playlist", "etag": "sandbox", "id": playlist.id}
    return head | {name: part for name, part in parts.items() if name in wanted}


def _item(
    entry: tuple[str, str, float],
    playlist_id: str,
    position: int,
    video: Video,
    wanted: list[str],
    call: Call,
) -> dict[str, Any]:
    now = call.world.now()
    parts = {
        "snippet": {
            "publishedAt": iso(entry[2], timespec="seconds"),
            "channelId": channels.channel_id(video.account),
            "title": video.snippet["title"],
            "description": video.snippet.get("description", ""),
            "playlistId": playlist_id,
            "position": position,
            "resourceId": {"kind": "youtube#video", "videoId": video.id},
        },
        "contentDetails": {
            "videoId": video.id,
            "videoPublishedAt": iso(video.published_at(now), timespec="seconds"),
        },
        "status": {"privacyStatus": video.privacy(now)},
    }
    head = {"kind": "youtube#playlistItem", "etag": "sandbox", "id": entry[0]}
    return head | {name: part for name, part in parts.items() if name in wanted}


def search(call: Call) -> Answer:
    """`search.list?forMine=true&type=video`: the caller's videos whose title has `q` in it."""
    parameters.need(call, parameters.READ)
    quota.spend(call, 1, "searches")
    parameters.parts(call, ("id", "snippet"))
    query = call.query
    if query.get("forMine") != "true" or query.get("type") != "video":
        raise errors.bad_parameter("forMine", query.get("forMine", ""))
    words = query.get("q", "").lower()
    found = [
        {
            "kind": "youtube#searchResult",
            "etag": "sandbox",
            "id": {"kind": "youtube#video", "videoId": video.id},
            "snippet": {"title": video.snippet["title"]},
        }
        for video in videos.of_account(call, call.account)
        if words in video.snippet["title"].lower()
    ]
    return Answer(200, parameters.listing("searchListResponse", found, call))
