"""Insights of a media and of an account. One metric that does not fit fails the whole call."""

from __future__ import annotations

from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.graph.comments import Comments
from sandbox.graph.errors import bad_parameter, missing_permission
from sandbox.graph.growth import counted
from sandbox.graph.paging import graph_time
from sandbox.graph.params import Params
from sandbox.instagram.accounts import check_owner
from sandbox.instagram.reading import STORY_LIFE_SECONDS, own_post
from sandbox.records import Account, Post

_COMMON = ("views", "reach", "likes", "comments", "saved", "shares", "total_interactions")
_MORE = {
    "FEED": ("follows", "profile_visits", "profile_activity"),
    "REELS": ("ig_reels_avg_watch_time", "ig_reels_video_view_total_time", "reels_skip_rate"),
    "STORY": ("replies", "navigation", "link_clicks", "follows", "profile_visits"),
}
_REMOVED = ("impressions", "plays", "video_views")
_FEWEST_STORY_VIEWS = 5
_OF_ACCOUNT = (
    "reach", "views", "accounts_engaged", "total_interactions", "follows_and_unfollows",
    "profile_links_taps", "likes", "comments", "shares", "saves", "replies", "follower_count",
)  # fmt: skip
_TIME_SERIES = ("reach", "follower_count")
_LONGEST_SECONDS = 30 * 86_400
_DAY_SECONDS = 86_400


def of_media(call: Call) -> Answer:
    post, wanted = own_post(call), _wanted(call)
    product = post.extra["product"]
    known = {name for names in _MORE.values() for name in names}.union(_COMMON)
    for position, name in enumerate(wanted):
        if name in _REMOVED:
            message = (
                f"Starting from version v22.0 and above, the {name} metric is no longer supported "
                f"for the queried media. Please remove the {name} metric from the query."
            )
            raise bad_parameter(message)
        if name not in known:
            listed = ", ".join(sorted(known))
            message = f"metric[{position}] must be one of the following values: {listed}"
            raise bad_parameter(message)
        if name not in (*_COMMON, *_MORE.get(product, ())):
            message = (
                f"The Media Insights API does not support the {name} metric for this media "
                "product type."
            )
            raise bad_parameter(message)
    age = call.world.now() - post.published_at
    if product == "STORY" and age > STORY_LIFE_SECONDS:
        return Answer(200, {"data": []})
    if product == "STORY" and counted("views", post.id, age) < _FEWEST_STORY_VIEWS:
        raise missing_permission("Not enough viewers for the media to show insights")
    return Answer(200, {"data": [_entry(post, name, _value(call, post, name)) for name in wanted]})


def _value(call: Call, post: Post, name: str) -> float:
    age = call.world.now() - post.published_at
    match name:
        case "comments":
            return len(call.site.books(Comments).living(post.id))
        case "total_interactions":
            return sum(_value(call, post, n) for n in ("likes", "comments", "saved", "shares"))
        case "ig_reels_avg_watch_time":
            return 3400
        case "ig_reels_video_view_total_time":
            return 3400 * counted("views", post.id, age)
        case "reels_skip_rate":
            return 24.5
        case _:
            return counted(name, post.id, age)


def _entry(owner: Post, name: str, value: float) -> dict[str, Any]:
    return {
        "name": name,
        "period": "lifetime",
        "values": [{"value": value}],
        "title": name.replace("_", " ").capitalize(),
        "description": "",
        "id": f"{owner.id}/insights/{name}/lifetime",
    }


def of_account(call: Call) -> Answer:
    """`period=day`; all but two metrics want `metric_type=total_value`."""
    account, params, now = check_owner(call), Params.of(call), call.world.now()
    wanted = _wanted(call)
    for position, name in enumerate(wanted):
        if name not in _OF_ACCOUNT:
            listed = ", ".join(_OF_ACCOUNT)
            raise bad_parameter(f"metric[{position}] must be one of the following values: {listed}")
    if params.text("period") != "day":
        raise bad_parameter("The parameter period is required; these metrics take day")
    is_total = params.text("metric_type") == "total_value"
    totals_only = [name for name in wanted if name not in _TIME_SERIES]
    if totals_only and not is_total:
        names = ", ".join(totals_only)
        message = (
            f"The following metrics ({names}) should be specified with parameter "
            "metric_type=total_value"
        )
        raise bad_parameter(message)
    until = params.instant("until") or now
    since = params.instant("since") or until - _DAY_SECONDS
    if until - since > _LONGEST_SECONDS or since > until:
        message = "There cannot be more than 30 days (2592000 s) between since and until"
        raise bad_parameter(message)
    return Answer(
        200, {"data": [_of_days(account, n, since, until, is_total=is_total) for n in wanted]}
    )


def _of_days(
    account: Account, name: str, since: float, until: float, *, is_total: bool
) -> dict[str, Any]:
    """A number for the whole time, or one for each day that ends in it."""
    days = max(1, round((until - since) / _DAY_SECONDS))
    of_a_day = counted(name, account.id, _DAY_SECONDS)
    values: dict[str, Any] = {"total_value": {"value": of_a_day * days}}
    if not is_total:
        ends = [since + _DAY_SECONDS * (day + 1) for day in range(days)]
        values = {"values": [{"value": of_a_day, "end_time": graph_time(end)} for end in ends]}
    return {
        "name": name,
        "period": "day",
        "title": name.replace("_", " ").capitalize(),
        "description": "",
        **values,
        "id": f"{account.id}/insights/{name}/day",
    }


def _wanted(call: Call) -> list[str]:
    names = Params.of(call).ids("metric")
    if not names:
        raise bad_parameter("The parameter metric is required")
    return names
