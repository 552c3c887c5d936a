"""Reading Graph's answers: codes and their categories, usage headers, lists, times, Pages.

Sources: developers.facebook.com (Graph API: handling errors, rate limiting, changelog; Instagram
platform: error codes), read 2026-11.

Errors are told by code and subcode; the HTTP status is 400, 401, 403 or 500 as it pleases, so that
tables have status 0 (`ANY`) and keys "code/subcode", "/subcode" (with any code) or "code".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from engine import wall_clock
from engine.errors import ErrorCategory as C
from engine.http import Response
from platforms.adapters.base import ApiVersion, Bucket, ErrorTable, is_id

ANY = 0  # the status of rows that hold for every status
COMMON: Mapping[str, C] = {
    "1": C.SERVER_ERROR,
    "2": C.SERVER_ERROR,
    "3": C.PERMISSION,
    "4": C.RATE_LIMIT,  # the application's
    "10": C.PERMISSION,
    "17": C.RATE_LIMIT,  # the user's
    "32": C.RATE_LIMIT,  # the Page's
    "100": C.VALIDATION_ERROR,
    "102": C.AUTH_ERROR,
    "190": C.AUTH_ERROR,  # application removed, password changed, checkpoint ...
    "190/463": C.TOKEN_EXPIRED,
    "368": C.PERMISSION,  # blocked for a while by policy
    "613": C.RATE_LIMIT,
    "PartialRequestError": C.SERVER_ERROR,  # these three: the upload host's
    "ProcessingFailedError": C.SERVER_ERROR,
    "NotAuthorizedError": C.AUTH_ERROR,  # seen, not documented
}
GONE_CODES = frozenset({"100/33", "803"})  # no object of this id, or none that we may see
BLOCKED = timedelta(hours=24)  # how long to leave an account alone that was blocked for spam
QUOTA_AGAIN = timedelta(hours=12)  # windows of 24 h roll: three tries outlast them
FRESH_FOR = timedelta(days=2)  # a token that lasts this long is none of those that live an hour
VERSION_ENDS: Mapping[str, date] = {  # developers.facebook.com/docs/graph-api/changelog
    "v20.0": date(2026, 9, 24),
    "v21.0": date(2027, 1, 21),
    "v24.0": date(2028, 2, 18),
    "v25.0": date(2028, 7, 29),
}
HOLD_AT_PERCENT = 95.0
USAGE_SCALE = 1000  # hints per percent: calls in flight are no percents
USAGE_AGAIN = timedelta(minutes=5)  # where a header does not say when it is over
USAGE_WINDOW = timedelta(hours=1)


def table(*groups: Mapping[str, C]) -> ErrorTable:
    """Return an error table of rows that hold for every status; later groups overrule earlier."""
    return {(ANY, code): category for group in groups for code, category in group.items()}


def usage_buckets(calls: int) -> tuple[Bucket, ...]:
    """Return the buckets that the usage headers fill: the account's own, and the application's.

    `calls` are those that an account with nobody's attention has in 24 hours; there are more for
    each person reached. The application has 200 an hour for each of its users of the day.
    """
    return tuple(
        bucket
        for operation in ("publish", "other")
        for bucket in (
            Bucket(f"{operation}.usage", "connection", calls, timedelta(hours=24)),
            Bucket(f"{operation}.app_usage", "app", 200, timedelta(hours=1)),
        )
    )


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of an allowance is used, and when it will be free if it is used up."""

    bucket: str
    scope: str
    percent: float
    regained_in: timedelta

    @property
    def is_used_up(self) -> bool:
        return self.percent >= HOLD_AT_PERCENT


def usages(response: Response) -> Iterator[Usage]:
    """Read X-App-Usage and X-Business-Use-Case-Usage; they come after some traffic only."""
    app = _header(response, "x-app-usage")
    if (percent := _percent(app)) is not None:
        yield Usage("app_usage", "app", percent, USAGE_AGAIN)
    for entries in _header(response, "x-business-use-case-usage").values():
        for entry in entries if isinstance(entries, list) else ():
            if (percent := _percent(object_of(entry))) is not None:
                minutes = entry.get("estimated_time_to_regain_access")
                known = type(minutes) is int and 0 < minutes < 100_000
                wait = timedelta(minutes=minutes) if known else USAGE_AGAIN
                yield Usage("usage", "connection", percent, wait)


def _percent(entry: Mapping[str, Any]) -> float | None:
    names = ("call_count", "total_cputime", "total_time")
    values = [entry[name] for name in names if type(entry.get(name)) in (int, float)]
    return max((value for value in values if 0 <= value < 10_000), default=None)


def _header(response: Response, name: str) -> dict[str, Any]:
    value = response.headers.get(name, "")
    return Response(200, {}, value.encode(errors="replace")).json_object() if value else {}


def category_of(response: Response, code: str, errors: ErrorTable) -> C | None:
    """Return the category of a code ("190/463"), None where no row and no rule speaks of it."""
    number, _, subcode = code.partition("/")
    for key in (code, f"/{subcode}", number):
        if key not in ("", "/") and (found := errors.get((ANY, key))):
            return found
    if number.isdecimal() and 200 <= int(number) <= 299:
        return C.PERMISSION
    answer = response.json_object()
    passes = object_of(answer.get("error")).get("is_transient")
    passes = passes or object_of(answer.get("debug_info")).get("retriable")
    return C.SERVER_ERROR if passes is True else None


def version_in_use(variable: str, value: str) -> ApiVersion:
    """Return the version of the Graph API with the day it stops working."""
    return ApiVersion(variable, value, VERSION_ENDS.get(value))


def has_id(entry: Any) -> bool:
    """Say whether something out of a list is an object with an id."""
    return isinstance(entry, dict) and is_id(entry.get("id"))


def next_page(answer: Mapping[str, Any]) -> str:
    """Return the cursor of the next page, "" on the last."""
    paging = object_of(answer.get("paging"))
    after = object_of(paging.get("cursors")).get("after")
    return after if paging.get("next") and isinstance(after, str) else ""


def instant_of(value: Any) -> datetime | None:
    """Read a time as Graph writes it: 2026-11-22T09:30:00+0000."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def lasts(entered: Mapping[str, Any]) -> bool:
    """Say whether entered credentials hold a token that need not be swapped for a longer one."""
    ends = instant_of(entered.get("expires_at"))
    return ends is not None and ends > wall_clock.instant() + FRESH_FOR


def web_address(value: Any) -> str:
    """Return an address out of an answer, made whole where Facebook leaves out its own name."""
    if not isinstance(value, str):
        return ""
    if value.startswith("/"):
        return f"https://www.facebook.com{value}"
    return value if value.startswith(("https://", "http://")) else ""


def page_problem(page: Mapping[str, Any]) -> str:
    """Return why nothing can be published through a Page, with the remedy; "" when it can."""
    name = str(page.get("name") or page.get("id"))
    tasks = page.get("tasks")
    if not is_id(page.get("access_token")):
        return f"Facebook gave no access to {name}. Connect again and tick this Page."
    if isinstance(tasks, list) and "CREATE_CONTENT" not in tasks:
        return (
            f"You may not create content on {name}. Ask an administrator of the Page for that "
            "task, then connect again."
        )
    return ""


def object_of(value: Any) -> dict[str, Any]:
    """Return a JSON object out of an answer, an empty one when it is anything else."""
    return value if isinstance(value, dict) else {}
