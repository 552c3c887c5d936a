"""The page at `/`: what was published, newest first, and buttons for the common cruelties.

README.md says which keys of `Post.extra` it shows.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.control import site_stats
from sandbox.inbox import OFFICES
from sandbox.records import Media, Post
from sandbox.world import World

_PAGE = Path(__file__).parent / "page"
_THREADS_SHOWN = 60
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_SHOWN = ("title", "visibility", "url", "link", "tags", "expires_at", "options")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_STATIC = {
    "feed.css": "text/css",
    "consent.css": "text/css",
    "feed.js": "text/javascript",
    "post.js": "text/javascript",
    "inbox.css": "text/css",
    "inbox.js": "text/javascript",
    "avatar.svg": "image/svg+xml",
    "icon.svg": "image/svg+xml",
    "marks.svg": "image/svg+xml",
}


def add_routes(app: web.Application, world: World) -> None:
    """Add the page, its files, its data and the published media."""
    kinds = {resource.canonical.split("/")[1] for resource in app.router.resources()}
    feed = _Feed(world, sorted(kind for kind in kinds if kind.isidentifier()))
    app.router.add_get("/", feed.page)
    app.router.add_get("/_static/{name}", feed.static)
    app.router.add_get("/_feed.json", feed.data)
    app.router.add_get(r"/_media/{site:[a-z0-9/-]+}/{id:[^/]+}", feed.media)


class _Feed:
    def __init__(self, world: World, kinds: list[str]) -> None:
        self._world = world
        self._kinds = kinds  # of the networks that are served, whether called yet or not
        self._files = {name: (_PAGE / name).read_bytes() for name in ("index.html", *_STATIC)}

    async def page(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=self._files["index.html"],
            headers=_HEADERS,
            content_type="text/html",
            charset="utf-8",
        )

    async def static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _STATIC:
            raise web.HTTPNotFound
        return web.Response(
            body=self._files[name],
            headers=_HEADERS,
            content_type=_STATIC[name],
            charset="utf-8",
        )

    async def data(self, request: web.Request) -> web.Response:
        """With `?after=<revision>` only the switches, when no post has changed since."""
        world = self._world
        revision = f"{world.run_id}-{world.revision}"
        answer = {"revision": revision, "now": world.now(), "rules": world.switches.as_json()}
        if request.query.get("after") == revision:
            return web.json_response(answer)
        sites = sorted(pair for pair in world.sites.items() if pair[0] not in OFFICES)
        return web.json_response(
            {
                **answer,
                "kinds": self._kinds,
                "networks": {name: site_stats(site) for name, site in sites},
                "threads": self._threads(),
            }
        )

    async def media(self, request: web.Request) -> web.Response:
        site = self._world.sites.get(request.match_info["site"])
        media = site.media.get(request.match_info["id"]) if site is not None else None
        if media is None or not media.complete:
            raise web.HTTPNotFound
        # The sandboxed policy keeps an uploaded SVG or HTML file from running as a page of ours.
        headers = {
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "max-age=86400",
            "Accept-Ranges": "bytes",
        }
        return _part_of(media, request.headers.get("Range", ""), headers)

    def _threads(self) -> list[dict[str, Any]]:
        """The recent posts, gathered under the first post of their thread, newest thread first."""
        threads: dict[int, list[Post]] = {}
        for post in self._world.recent:
            threads.setdefault(id(post.root), []).append(post)
        newest_first = list(threads.values())[::-1][:_THREADS_SHOWN]
        return [_thread_json(posts) for posts in newest_first]


def _thread_json(posts: list[Post]) -> dict[str, Any]:
    return {
        "network": posts[0].network,
        "posts": [_post_json(post) for post in posts],
    }


def _part_of(media: Media, wanted: str, headers: dict[str, str]) -> web.Response:
    """The file, or the one range of bytes that was asked for: players seek in films."""
    size, found = len(media.data), _RANGE.fullmatch(wanted)
    if found is None or found[0] == "bytes=-":
        return web.Response(body=media.data, headers=headers, content_type=media.mime_type)
    first, last = found[1], found[2]
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start > end:
        raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
    return web.Response(
        status=206,
        body=media.data[start : end + 1],
        headers={**headers, "Content-Range": f"bytes {start}-{end}/{size}"},
        content_type=media.mime_type,
    )


def _post_json(post: Post) -> dict[str, Any]:
    cover = post.extra.get("cover")
    return {
        "id": post.id,
        "account": post.account.name,
        "name": post.account.display_name,
        "text": post.text.removeprefix(post.extra.get("title") or "").lstrip("\n"),
        "kind": post.extra.get("kind") or "",
        "is_reply": post.parent is not None,
        "at": post.published_at,
        "lateness_ms": post.lateness_ms,
        "deleted": post.deleted_at is not None,
        "is_copy": post.is_copy,
        "media": [_media_json(post.network, item) for item in post.media],
        "cover": f"/_media/{post.network}/{cover}" if cover else "",
        **{name: post.extra.get(name) for name in _SHOWN},
    }


def _media_json(network: str, item: Media) -> dict[str, Any]:
    return {
        "url": f"/_media/{network}/{item.id}",
        "alt": item.alt_text,
        "mime_type": item.mime_type,
        "bytes": len(item.data),
    }
