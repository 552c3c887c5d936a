"""Insights of posts, videos and pages. The metrics that Meta took away are code 100."""

from __future__ import annotations

from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.facebook.identity import acting_page
from sandbox.facebook.library import Library
from sandbox.facebook.posts import COMMENT, is_seen, own_post
from sandbox.graph.errors import bad_parameter, no_object
from sandbox.graph.growth import counted
from sandbox.graph.paging import graph_time
from sandbox.graph.params import Params

_OF_POST = (
    "post_media_view", "post_total_media_view_unique", "post_clicks", "post_clicks_by_type",
    "post_reactions_by_type_total", "post_reactions_like_total", "post_video_views",
)  # fmt: skip
_OF_VIDEO = (
    "total_video_views", "total_video_views_unique", "total_video_avg_time_watched",
    "total_video_reactions_by_type_total", "fb_reels_total_plays", "blue_reels_play_count",
    "post_video_avg_time_watched", "post_video_view_time", "post_video_likes_by_reaction_type",
)  # fmt: skip
_OF_PAGE = (
    "page_media_view", "page_total_media_view_unique", "page_post_engagements", "page_follows",
    "page_daily_follows_unique", "page_views_total", "page_video_views",
)  # fmt: skip
_KINDS = {"view": "views", "unique": "reach", "click": "clicks", "engagement": "likes"}
_DAY_SECONDS = 86_400
_LONGEST_SECONDS = 90 * _DAY_SECONDS


def insights(call: Call) -> Answer:
    """The same path asks for a page's and a post's."""
    if call.params["id"] in ("me", call.account.id):
        return _of_page(call)
    return _of_post(call)


def _of_post(call: Call) -> Answer:
    post = own_post(call, call.params["id"])
    if post is None or post.extra["kind"] == COMMENT or not is_seen(call, post):
        raise no_object("GET", call.params["id"])
    age = call.world.now() - post.published_at
    return _lifetime(_wanted(call, _OF_POST), post.id, age)


def of_video(call: Call) -> Answer:
    """`GET /{video}/video_insights`; all metrics when none is named."""
    video = call.site.books(Library).of(call.params["id"], call.account)
    if video is None or video.post is None:
        raise no_object("GET", call.params["id"])
    wanted = _wanted(call, _OF_VIDEO) if "metric" in Params.of(call) else list(_OF_VIDEO)
    return _lifetime(wanted, video.id, call.world.now() - video.published_at)


def _lifetime(names: list[str], owner_id: str, age: float) -> Answer:
    entries = [
        {**_named(name, "lifetime", owner_id), "values": [{"value": _value(name, owner_id, age)}]}
        for name in names
    ]
    return Answer(200, {"data": entries})


def _of_page(call: Call) -> Answer:
    """`period=day`, `since` and `until` at most 90 days apart."""
    page, params, now = acting_page(call), Params.of(call), call.world.now()
    wanted = _wanted(call, _OF_PAGE)
    if params.text("period") not in ("", "day"):
        raise bad_parameter("The sandbox knows the period day only")
    until = params.instant("until") or now
    since = params.instant("since") or until - 2 * _DAY_SECONDS
    if since > until or until - since > _LONGEST_SECONDS:
        message = "There cannot be more than 90 days (7776000 s) between since and until"
        raise bad_parameter(message)
    days = max(1, round((until - since) / _DAY_SECONDS))
    ends = [graph_time(since + _DAY_SECONDS * (day + 1)) for day in range(days)]
    entries = [
        {
            **_named(name, "day", page.id),
            "values": [
                {"value": _value(name, page.id, _DAY_SECONDS), "end_time": end} for end in ends
            ],
        }
        for name in wanted
    ]
    return Answer(200, {"data": entries})


def _value(name: str, owner_id: str, age: float) -> Any:
    """A number, or one by kind where the metric's name says so."""
    what = next((kind for word, kind in _KINDS.items() if word in name), name)
    if "unique" in name:
        what = "reach"
    total = counted(what, owner_id, age)
    if "reaction" in name and "like_total" not in name:
        likes = counted("likes", owner_id, age)
        return {"like": likes, "love": likes // 5} if likes else {}
    if name.endswith("by_type"):
        return {"link clicks": total // 2, "other clicks": total - total // 2} if total else {}
    return total


def _named(name: str, period: str, owner_id: str) -> dict[str, Any]:
    return {
        "name": name,
        "period": period,
        "title": name.replace("_", " ").capitalize(),
        "description": "",
        "id": f"{owner_id}/insights/{name}/{period}",
    }


def _wanted(call: Call, known: tuple[str, ...]) -> list[str]:
    names = Params.of(call).ids("metric")
    if not names:
        raise bad_parameter("The parameter metric is required")
    if any(name not in known for name in names):
        raise bad_parameter("The value must be a valid insights metric")
    return names
