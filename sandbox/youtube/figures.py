"""YouTube Analytics: reports in Californian days, complete up to the day before yesterday."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.exchange import Answer, Call
from sandbox.growth import grown
from sandbox.youtube import channels, errors, parameters, videos
from sandbox.youtube.videos import Video

_PLACE = ZoneInfo("America/Los_Angeles")
_DELAY_DAYS = 2
_MOST_VIDEOS = 500
_METRICS = {  # the most that a video gets; averages are of all its views
    "views": 1000,
    "engagedViews": 800,
    "estimatedMinutesWatched": 2500,
    "likes": 60,
    "dislikes": 4,
    "comments": 12,
    "shares": 9,
    "subscribersGained": 6,
    "subscribersLost": 1,
}
_AVERAGES = {"averageViewDuration": 151, "averageViewPercentage": 47.5}


def report(call: Call) -> Answer:
    """`GET /v2/reports`: one row, or one by `day` or `video`."""
    parameters.need(call, parameters.ANALYTICS)
    query = call.query
    for name in ("ids", "startDate", "endDate", "metrics"):
        if not query.get(name):
            raise errors.missing_parameter(name)
    if query["ids"] not in ("channel==MINE", f"channel=={channels.channel_id(call.account)}"):
        raise errors.refused(403, "forbidden", "Forbidden", domain="global")
    metrics = query["metrics"].split(",")
    for name in metrics:
        if name == "estimatedRevenue":
            parameters.need(call, ("yt-analytics-monetary.readonly",))
        elif name not in _METRICS and name not in _AVERAGES:
            raise _unknown("metrics", name)
    first, last = _day(query, "startDate"), _day(query, "endDate")
    chosen, dimension = _videos(call), query.get("dimensions", "")
    rows = _ROWS.get(dimension)
    if rows is None:
        raise _unknown("dimensions", dimension)
    today = datetime.fromtimestamp(call.world.now(), _PLACE).date()
    last = min(last, today - timedelta(days=_DELAY_DAYS))
    headers = [*([dimension] if dimension else []), *metrics]
    return Answer(
        200,
        {
            "kind": "youtubeAnalytics#resultTable",
            "columnHeaders": [_header(name) for name in headers],
            "rows": rows(chosen, metrics, first, last),
        },
    )


def _videos(call: Call) -> list[Video]:
    """All of the channel's, or those of `filters=video==a,b`."""
    found = videos.of_account(call, call.account)
    filters = call.query.get("filters", "")
    if not filters:
        return found
    name, _, values = filters.partition("==")
    wanted = values.split(",")
    if name != "video" or not values or len(wanted) > _MOST_VIDEOS:
        raise _unknown("filters", filters)
    return [video for video in found if video.id in wanted]


def _in_all(chosen: list[Video], metrics: list[str], first: date, last: date) -> list[Any]:
    return [_values(chosen, metrics, first, last)] if chosen and first <= last else []


def _by_day(chosen: list[Video], metrics: list[str], first: date, last: date) -> list[Any]:
    days = (first + timedelta(days=n) for n in range(max(0, (last - first).days + 1)))
    return [[day.isoformat(), *_values(chosen, metrics, day, day)] for day in days]


def _by_video(chosen: list[Video], metrics: list[str], first: date, last: date) -> list[Any]:
    rows = [[v.id, *_values([v], metrics, first, last)] for v in chosen if first <= last]
    return sorted(rows, key=lambda row: row[1], reverse=True)


_ROWS: dict[str, Callable[[list[Video], list[str], date, date], list[Any]]] = {
    "": _in_all,
    "day": _by_day,
    "video": _by_video,
}


def _values(chosen: Iterable[Video], metrics: list[str], first: date, last: date) -> list[Any]:
    """What happened from the first day's midnight to the last day's."""
    chosen = list(chosen)
    opens, closes = _midnight(first), _midnight(last + timedelta(days=1))
    values: list[Any] = []
    for name in metrics:
        if name in _AVERAGES:
            values.append(_AVERAGES[name])
            continue
        most = _METRICS.get(name, 3)
        values.append(sum(_at(v, name, closes, most) - _at(v, name, opens, most) for v in chosen))
    return values


def _at(video: Video, name: str, at: float, most: int) -> int:
    return grown(f"{video.id}{name}", at - video.uploaded_at, most=most)


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), _PLACE).timestamp()


def _day(query: dict[str, str], name: str) -> date:
    try:
        return date.fromisoformat(query[name])
    except ValueError:
        raise _unknown(name, query[name]) from None


def _header(name: str) -> dict[str, str]:
    if name in ("day", "video"):
        return {"name": name, "columnType": "DIMENSION", "dataType": "STRING"}
    kind = "FLOAT" if name in ("averageViewPercentage", "estimatedRevenue") else "INTEGER"
    return {"name": name, "columnType": "METRIC", "dataType": kind}


def _unknown(name: str, value: str) -> Exception:
    message = f"Unknown identifier ({value}) given in field parameters.{name}."
    return errors.refused(400, "badRequest", message, domain="global")
