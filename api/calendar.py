"""The calendar over the API: posts by the days of a time zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access
from api.base import ApiView
from api.fields import instant
from api.filters import POST_FILTERS, filtered
from api.problems import Problem, invalid
from api.representations import Json
from api.schema import Parameter, operation
from api.shapes import (
    Shape,
    anything,
    flag,
    identifier,
    listed,
    moment,
    one_of,
    or_null,
    text,
    whole,
)
from scheduling.calendar import DAYS_MOST, POSTS_MOST, Day, Days, by_day, total_of
from scheduling.models import ScheduledPost
from scheduling.states import PostState

POSTS_SHOWN = 500
EXCERPT_CHARS = 140
FROM = Parameter("from", text("The first day, in the zone.", "2026-12-01", format="date"))
TO = Parameter("to", text("The last day, included.", "2026-12-31", format="date"))
ZONE = Parameter(
    "time_zone", text("The zone whose days are meant; else the workspace's.", "Europe/Brussels")
)
NARROWED = tuple(p for p in POST_FILTERS if p.name in {"state", "platform", "connection"})
LIMIT = Parameter(
    "limit",
    whole(
        "How many posts to show at most; counts are exact anyway.",
        POSTS_SHOWN,
        minimum=1,
        maximum=POSTS_MOST,
        default=POSTS_SHOWN,
    ),
)

COUNTS = anything("How many posts are in each state.", {"scheduled": 2})
CALENDAR_POST = Shape(
    "CalendarPost",
    "A post in the calendar.",
    id=identifier("The post's id."),
    state=one_of(PostState, "Where it stands.", "scheduled"),
    platform=text("The network.", "mastodon"),
    connection=identifier("The connected account's id."),
    account=text("The account's name at the network.", "acme"),
    group=or_null(identifier("The posts it was written together with; null: none."), None),
    external_id=or_null(text("Your id of it.", "campaign-17"), None),
    text=text("The beginning of its text.", "The bells are back."),
    segments=whole("How many posts the thread has.", 1),
    media=whole("How many files it has.", 0),
    scheduled_at=moment("When it was to be sent."),
    local=text("The same on the clocks of the zone.", "2026-12-01T10:00:00+01:00"),
    permalink=or_null(text("Where it can be seen.", "https://social.example/@acme/1"), None),
)
CALENDAR_DAY = Shape(
    "CalendarDay",
    "One day.",
    date=text("Which.", "2026-12-01", format="date"),
    count=whole("How many posts it has.", 1),
    states=COUNTS,
    posts=listed(CALENDAR_POST, "Its posts, the earliest first."),
)
CALENDAR = Shape(
    "Calendar",
    "Posts by day.",
    time_zone=text("The zone whose days these are.", "Europe/Brussels"),
    count=whole("How many posts there are.", 1),
    states=COUNTS,
    is_complete=flag("All of them are shown; else only the earliest.", example=True),
    days=listed(CALENDAR_DAY, "Every day asked for, those without posts too."),
)


class CalendarView(ApiView):
    """GET shows the posts of some days."""

    @operation(
        "get_calendar",
        "Show posts by day",
        tag="calendar",
        query=[FROM, TO, ZONE, *NARROWED, LIMIT],
        answers={200: CALENDAR},
    )
    def get(self, request: Request) -> Response:
        """Return every day from `from` to `to` (at most 93) with its posts and their counts."""
        access = self.enter()
        query = request.query_params
        days = days_of(access, query)
        if days is None:
            raise invalid("from", "required", "Give the first and the last day, from and to.")
        if days.number > DAYS_MOST:
            raise invalid("to", "too_many_days", f"Ask for at most {DAYS_MOST} days at once.")
        posts = filtered(ScheduledPost.objects.filter(workspace=access.workspace), query)
        try:
            found, is_complete = by_day(posts, days, most=_limit(query))
        except OverflowError:
            raise beyond() from None
        states = total_of(found)
        return Response(
            {
                "time_zone": days.zone.key,
                "count": sum(states.values()),
                "states": states,
                "is_complete": is_complete,
                "days": [_day_json(day, days.zone) for day in found],
            }
        )


def days_of(access: Access, query: Mapping[str, str]) -> Days | None:
    """Return the days that the query names, None if it names none; raises Problem 422."""
    zone = _zone(query.get("time_zone") or access.workspace.time_zone)
    given = {name: query[name] for name in ("from", "to") if query.get(name)}
    if not given:
        return None
    for name in ("from", "to"):
        if name not in given:
            raise invalid(name, "required", "Give the first and the last day, from and to.")
    days = Days(_date("from", given["from"]), _date("to", given["to"]), zone)
    if days.last < days.first:
        raise invalid("to", "out_of_order", "The last day is before the first one.")
    return days


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"{name[:64]!r} is not an IANA time zone, such as Europe/Berlin."
        raise invalid("time_zone", "unknown_zone", message) from None


def _date(name: str, given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise invalid(name, "not_a_date", "Write a day as 2026-12-31.") from None


def _limit(query: Mapping[str, str]) -> int:
    given = query.get("limit", str(POSTS_SHOWN))
    if not (given.isascii() and given.isdigit() and 1 <= len(given) <= 4):
        raise invalid("limit", "out_of_range", f"Ask for 1 to {POSTS_MOST} posts.")
    if not 1 <= int(given) <= POSTS_MOST:
        raise invalid("limit", "out_of_range", f"Ask for 1 to {POSTS_MOST} posts.")
    return int(given)


def beyond() -> Problem:
    """Return 422 for days that no clock will show."""
    return invalid("to", "out_of_range", "These days are beyond the calendar.")


def _day_json(day: Day, zone: ZoneInfo) -> Json:
    return {
        "date": day.date.isoformat(),
        "count": day.count,
        "states": day.states,
        "posts": [_post_json(post, zone) for post in day.posts],
    }


def _post_json(post: ScheduledPost, zone: ZoneInfo) -> Json:
    first = str(post.segments[0].get("text", "")) if post.segments else ""
    return {
        "id": str(post.pk),
        "state": post.state,
        "platform": post.platform,
        "connection": str(post.connection_id),
        "account": post.connection.username or post.connection.external_id,
        "group": str(post.group_id) if post.group_id else None,
        "external_id": post.external_id,
        "text": first[:EXCERPT_CHARS],
        "segments": len(post.segments),
        "media": post.media_count,
        "scheduled_at": instant(post.scheduled_at),
        "local": post.scheduled_at.astimezone(zone).isoformat(),
        "permalink": post.permalink or None,
    }
