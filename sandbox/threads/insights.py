"""Insights of a post and of a profile."""

from __future__ import annotations

from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.graph.comments import Comments
from sandbox.graph.growth import counted
from sandbox.graph.paging import graph_time
from sandbox.graph.params import Params
from sandbox.records import Account, Post
from sandbox.threads.errors import bad
from sandbox.threads.reading import own_post
from sandbox.threads.users import check_owner

_OF_POST = ("views", "likes", "replies", "reposts", "quotes", "shares")
_OF_PROFILE = (
    "views", "likes", "replies", "reposts", "quotes", "clicks", "followers_count",
    "follower_demographics",
)  # fmt: skip
_BREAKDOWNS = ("country", "city", "age", "gender")
_EARLIEST = 1_712_991_600  # 2024-04-13: there is nothing before
_DAY_SECONDS = 86_400


def of_post(call: Call) -> Answer:
    post, wanted = own_post(call), _wanted(call, _OF_POST)
    entries = [
        {**_named(name, "lifetime", post.id), "values": [{"value": _value(call, post, name)}]}
        for name in wanted
    ]
    return Answer(200, {"data": entries})


def _value(call: Call, post: Post, name: str) -> int:
    if name == "replies":
        return len(call.site.books(Comments).living(post.id))
    return counted(name, post.id, call.world.now() - post.published_at)


def of_profile(call: Call) -> Answer:
    """`GET /{user}/threads_insights`."""
    account, params, now = check_owner(call), Params.of(call), call.world.now()
    wanted = _wanted(call, _OF_PROFILE)
    breakdown = params.text("breakdown")
    if "follower_demographics" in wanted and breakdown not in _BREAKDOWNS:
        raise bad(f"Param breakdown must be one of {{{', '.join(_BREAKDOWNS)}}}")
    until = params.instant("until") or now
    since = params.instant("since") or until - _DAY_SECONDS
    if since < _EARLIEST:
        raise bad(f"Param since must be greater than or equal to {_EARLIEST}")
    if since > until:
        raise bad("Param since must be before until")
    entries = [_of_days(account, name, since, until, breakdown) for name in wanted]
    return Answer(200, {"data": entries})


def _of_days(
    account: Account, name: str, since: float, until: float, breakdown: str
) -> dict[str, Any]:
    """Views come day by day, clicks by link, the rest as one number."""
    days = max(1, round((until - since) / _DAY_SECONDS))
    of_a_day = counted(name, account.id, _DAY_SECONDS)
    entry = _named(name, "day", account.id)
    match name:
        case "views":
            ends = [since + _DAY_SECONDS * (day + 1) for day in range(days)]
            values = [{"value": of_a_day, "end_time": graph_time(end)} for end in ends]
            return {**entry, "values": values}
        case "clicks":
            link = {"value": of_a_day * days, "link_url": "https://example.org/"}
            return {**entry, "link_total_values": [link]}
        case "follower_demographics":
            result = {"dimension_values": ["DE"], "value": of_a_day}
            parts = [{"dimension_keys": [breakdown], "results": [result]}]
            return {**entry, "total_value": {"breakdowns": parts}}
        case "followers_count":
            return {**entry, "total_value": {"value": of_a_day}}
        case _:
            return {**entry, "total_value": {"value": of_a_day * days}}


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
        raise bad("Param metric is required")
    for position, name in enumerate(names):
        if name not in known:
            listed = ", ".join(known)
            raise bad(f"metric[{position}] must be one of the following values: {listed}")
    return names
