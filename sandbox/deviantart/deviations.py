"""Published works: one, many with their figures, a gallery, and journals and statuses."""

from __future__ import annotations

from typing import Any

from sandbox.deviantart import errors
from sandbox.deviantart.books import Deviation, books
from sandbox.deviantart.fields import Fields, asked, page
from sandbox.deviantart.people import describe, named
from sandbox.exchange import Answer, Call
from sandbox.growth import grown
from sandbox.records import Account

_PAGE, _IDS, _IDS_WITH_EXTRAS = 24, 50, 10
_IN_GALLERY = ("art", "literature")


def read(call: Call) -> Answer:
    """`GET /deviation/{deviationid}`."""
    work = books(call).works.get(call.params["deviationid"].upper())
    if work is None or _is_hidden(work, call):
        raise errors.refused(400, "Deviation not found.")
    return Answer(200, _shape(work, call))


def gallery(call: Call) -> Answer:
    """`GET /gallery/all?username=&offset=&limit=`: newest first; mature ones only when asked."""
    fields = asked(call)
    username = fields.text("username")
    account = named(call, username) if username else call.account
    offset = fields.number("offset", 0, low=0, high=50_000)
    limit = fields.number("limit", 10, low=1, high=_PAGE)
    found = _of(call, account, _IN_GALLERY, fields)
    return Answer(200, page([_shape(work, call) for work in found], offset, limit))


def posts(call: Call) -> Answer:
    """`GET /user/profile/posts?username=&cursor=`: journals and status updates, newest first."""
    fields = asked(call)
    account = named(call, fields.required("username"))
    offset = fields.number("cursor", 0, low=0, high=50_000)
    found = _of(call, account, ("journal", "status"), fields)
    told = page([_shape(work, call) for work in found], offset, _PAGE)
    following = told.pop("next_offset")
    cursors = {"next_cursor": str(following) if following else None, "prev_cursor": None}
    return Answer(200, {**told, **cursors})


def metadata(call: Call) -> Answer:
    """`GET /deviation/metadata?deviationids[]=&ext_stats=1&ext_submission=1`; at most 50, or 10."""
    fields = asked(call)
    ids = fields.several("deviationids")
    has_extras = any(fields.flag(f"ext_{n}", default=False) for n in ("stats", "submission"))
    most = _IDS_WITH_EXTRAS if has_extras else _IDS
    if not 1 <= len(ids) <= most:
        raise errors.invalid("deviationids", f"deviationids must have 1 to {most} elements.")
    works = [books(call).works.get(deviation_id.upper()) for deviation_id in ids]
    shown = [w for w in works if w is not None and not _is_hidden(w, call)]
    return Answer(200, {"metadata": [_metadata(work, call, fields) for work in shown]})


def _of(call: Call, account: Account, kinds: tuple[str, ...], fields: Fields) -> list[Deviation]:
    works = books(call).works
    shows_mature = fields.flag("mature_content", default=False)
    posts = call.site.newest_first(account, call.account.name)
    found = [works[post.id] for post in posts if post.id in works]
    return [
        work
        for work in found
        if work.kind in kinds
        and not _is_hidden(work, call)
        and (shows_mature or not work.options.get("is_mature"))
    ]


def _is_hidden(work: Deviation, call: Call) -> bool:
    """Whether readers do not see it: deleted, lagging, or its author is suspended."""
    is_seen = call.site.visible(work.id, call.account.name) is not None
    return not is_seen or work.post.account.name.startswith("suspended")


def _counted(work: Deviation, call: Call, name: str, most: int, *, window_s: float = 0.0) -> int:
    """A figure of today, or what it gained in the window before now."""
    age_s = call.world.now() - work.post.published_at
    total = grown(f"{work.id} {name}", age_s, most=most)
    return total - grown(f"{work.id} {name}", age_s - window_s, most=most) if window_s else total


def _comments(work: Deviation, call: Call) -> int:
    comments = books(call).comments.values()
    return sum(1 for c in comments if c.root is work.post and c.deleted_at is None)


def _shape(work: Deviation, call: Call) -> dict[str, Any]:
    stats = {
        "comments": _comments(work, call),
        "favourites": _counted(work, call, "favourites", 150),
    }
    shape: dict[str, Any] = {
        "deviationid": work.id,
        "printid": None,
        "url": work.url,
        "title": work.title,
        "category": "Visual Art",
        "category_path": "visual_art",
        "is_favourited": False,
        "is_deleted": False,
        "is_published": True,
        "is_blocked": False,
        "author": describe(call, work.post.account),
        "stats": stats,
        "published_time": str(int(work.post.published_at)),
        "allows_comments": work.options.get("allows_comments", True),
        "is_mature": work.options.get("is_mature", False),
        "is_downloadable": work.options.get("allow_free_download", False),
    }
    if work.kind in ("journal", "literature", "status"):
        shape["excerpt"] = work.body[:200]
    for item in work.post.media:
        src = f"{call.base_url}/_media/{call.site.name}/{item.id}"
        shape["content"] = {"src": src, "filesize": len(item.data)}
    return shape


def _metadata(work: Deviation, call: Call, fields: Fields) -> dict[str, Any]:
    tags = work.options.get("tags", [])
    told: dict[str, Any] = {
        "deviationid": work.id,
        "printid": None,
        "author": describe(call, work.post.account),
        "is_watching": False,
        "title": work.title,
        "description": work.body,
        "license": "No License",
        "allows_comments": work.options.get("allows_comments", True),
        "tags": [{"tag_name": tag, "sponsored": False, "sponsor": ""} for tag in tags],
        "is_favourited": False,
        "is_mature": work.options.get("is_mature", False),
    }
    if fields.flag("ext_stats", default=False):
        day_s = 86_400.0
        told["stats"] = {
            "views": _counted(work, call, "views", 3000),
            "views_today": _counted(work, call, "views", 3000, window_s=day_s),
            "favourites": _counted(work, call, "favourites", 150),
            "comments": _comments(work, call),
            "downloads": _counted(work, call, "downloads", 40),
            "downloads_today": _counted(work, call, "downloads", 40, window_s=day_s),
        }
    if fields.flag("ext_submission", default=False):
        told["submission"] = {
            "creation_time": str(int(work.post.published_at)),
            "category": "Visual Art",
            "mature_level": work.options.get("mature_level", ""),
            "mature_classification": work.options.get("mature_classification", []),
            "galleries": list(work.folders),
        }
    return told
