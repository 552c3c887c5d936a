"""Which recurrence rules a series may have: a subset of RFC 5545, read strictly.

What is not understood is refused with a sentence: a part that were ignored would publish on days
that nobody meant.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from dateutil import rrule
from dateutil.rrule import weekday

FREQUENCIES: dict[str, Literal[0, 1, 2, 3]] = {
    "DAILY": rrule.DAILY,
    "WEEKLY": rrule.WEEKLY,
    "MONTHLY": rrule.MONTHLY,
    "YEARLY": rrule.YEARLY,
}
WEEKDAYS = {
    "MO": rrule.MO,
    "TU": rrule.TU,
    "WE": rrule.WE,
    "TH": rrule.TH,
    "FR": rrule.FR,
    "SA": rrule.SA,
    "SU": rrule.SU,
}
RULE_CHARS = 500
INTERVAL_MOST = 1000
COUNT_MOST = 5000
TIMES_A_DAY = 24
LEAP_YEAR = 2000
EXAMPLE = "for example FREQ=WEEKLY;BYDAY=MO,TH;BYHOUR=9;BYMINUTE=0"
UNSUPPORTED = {
    "BYSECOND": "seconds come from the start",
    "BYSETPOS": "write ordinals such as BYDAY=-1FR instead",
    "BYYEARDAY": "use BYMONTH and BYMONTHDAY",
    "BYWEEKNO": "use BYMONTH and BYDAY",
    "DTSTART": "give the start in its own field",
    "EXDATE": "skip single occurrences instead",
    "RDATE": "schedule single posts instead",
}
DATE = re.compile(r"\d{8}")
CLOCK = re.compile(r"\d{8}T\d{6}Z?")
DAY = re.compile(r"(?P<nth>[+-]?\d{1,2})?(?P<day>[A-Z]{2})")


class BadRule(Exception):
    """The rule is refused; the message says which part, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule in parts; empty tuples mean: as the start has it.

    The end is one of `count` occurrences, the last `until` on the wall clock (naive), or the last
    instant `until_at`; none of them: open-ended.
    """

    frequency: str
    interval: int = 1
    by_day: tuple[tuple[int, str], ...] = ()  # (ordinal or 0, "MO")
    by_month_day: tuple[int, ...] = ()
    by_month: tuple[int, ...] = ()
    by_hour: tuple[int, ...] = ()
    by_minute: tuple[int, ...] = ()
    week_start: str = "MO"
    count: int | None = None
    until: datetime | None = None
    until_at: datetime | None = None

    def __str__(self) -> str:
        """Return the rule as RFC 5545 writes it."""
        days = ",".join(f"{nth or ''}{day}" for nth, day in self.by_day)
        until = ""
        if self.until is not None:
            until = f"{self.until:%Y%m%dT%H%M%S}"
        elif self.until_at is not None:
            until = f"{self.until_at:%Y%m%dT%H%M%SZ}"
        parts = {
            "FREQ": self.frequency,
            "INTERVAL": str(self.interval) if self.interval > 1 else "",
            "BYDAY": days,
            "BYMONTHDAY": _joined(self.by_month_day),
            "BYMONTH": _joined(self.by_month),
            "BYHOUR": _joined(self.by_hour),
            "BYMINUTE": _joined(self.by_minute),
            "WKST": self.week_start if self.week_start != "MO" else "",
            "COUNT": str(self.count or ""),
            "UNTIL": until,
        }
        return ";".join(f"{name}={value}" for name, value in parts.items() if value)

    def endless(self) -> Rule:
        """Return the same rule without an end."""
        return replace(self, count=None, until=None, until_at=None)

    def ending_before(self, clock: datetime) -> Rule:
        """Return the same rule with its last occurrence before a wall-clock time."""
        return replace(self.endless(), until=clock - timedelta(seconds=1))

    def pinned(self, starts: datetime) -> Rule:
        """Return the rule with what its start gives written out: it may then begin elsewhere."""
        rule = replace(
            self,
            by_hour=self.by_hour or (starts.hour,),
            by_minute=self.by_minute or (starts.minute,),
        )
        if self.by_day or self.by_month_day or self.frequency == "DAILY":
            return rule
        if self.frequency == "WEEKLY":
            return replace(rule, by_day=((0, list(WEEKDAYS)[starts.weekday()]),))
        by_month = self.by_month
        if self.frequency == "YEARLY":
            by_month = by_month or (starts.month,)
        return replace(rule, by_month_day=(starts.day,), by_month=by_month)

    def expansion(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield the wall-clock times from `start` on, not after `end`; `count` is not applied."""
        if self.frequency == "DAILY" and (self.by_day or self.by_month_day or self.by_month):
            # dateutil would look for a day that never comes until the year 9999: 3 s.
            every_day = replace(self, by_day=(), by_month_day=(), by_month=())
            yield from (c for c in every_day.expansion(start, end) if self._takes(c.date()))
            return
        yield from rrule.rrule(
            FREQUENCIES[self.frequency],
            dtstart=start,
            interval=self.interval,
            wkst=WEEKDAYS[self.week_start],
            byweekday=[_weekday(nth, day) for nth, day in self.by_day] or None,
            bymonthday=self.by_month_day or None,
            bymonth=self.by_month or None,
            byhour=self.by_hour or None,
            byminute=self.by_minute or None,
            until=end,
        )

    def _takes(self, day: date) -> bool:
        """Say whether the parts that narrow FREQ=DAILY let a day through."""
        from_the_end = day.day - monthrange(day.year, day.month)[1] - 1
        return (
            (not self.by_month or day.month in self.by_month)
            and (not self.by_month_day or bool({day.day, from_the_end} & set(self.by_month_day)))
            and (not self.by_day or (0, list(WEEKDAYS)[day.weekday()]) in self.by_day)
        )


def read_rule(text: str) -> Rule:
    """Return the rule that `text` writes; raises BadRule."""
    text = text.strip().upper().removeprefix("RRULE:")
    if len(text) > RULE_CHARS:
        raise BadRule(f"The rule is longer than {RULE_CHARS} characters.")
    parts: dict[str, str] = {}
    for part in filter(None, text.split(";")):
        name, sign, value = part.partition("=")
        if not sign or not value:
            raise BadRule(f"{part[:50]!r} is no part of a rule: write NAME=VALUE, {EXAMPLE}.")
        if name in parts:
            raise BadRule(f"{name[:50]} stands twice in the rule.")
        parts[name] = value
    for name in parts:
        if name not in READERS:
            remedy = UNSUPPORTED.get(name, f"rules are made of {', '.join(READERS)}")
            raise BadRule(f"{name[:50]} is not supported: {remedy}.")
    if "FREQ" not in parts:
        raise BadRule(f"The rule does not say how often: begin with FREQ, {EXAMPLE}.")
    fields: dict[str, Any] = {}
    for name, value in parts.items():
        fields |= READERS[name](value)
    rule = Rule(**fields)
    _check(rule, parts)
    return rule


def _check(rule: Rule, parts: dict[str, str]) -> None:
    """Raise BadRule for parts that do not go together."""
    if "COUNT" in parts and "UNTIL" in parts:
        raise BadRule("A rule ends by COUNT or by UNTIL: leave one of them out.")
    if any(nth for nth, _ in rule.by_day):
        if rule.frequency not in {"MONTHLY", "YEARLY"}:
            raise BadRule(
                "Ordinals such as BYDAY=1MO need FREQ=MONTHLY or YEARLY: leave the number out."
            )
        most = 53 if rule.frequency == "YEARLY" and not rule.by_month else 5
        if any(abs(nth) > most for nth, _ in rule.by_day):
            raise BadRule(f"Ordinals in this rule's BYDAY go from -{most} to {most}.")
    if rule.by_month_day and rule.frequency == "WEEKLY":
        raise BadRule("BYMONTHDAY does not go with FREQ=WEEKLY: use FREQ=MONTHLY.")
    longest = max(monthrange(LEAP_YEAR, month)[1] for month in rule.by_month or (1,))
    if rule.by_month_day and min(map(abs, rule.by_month_day)) > longest:
        raise BadRule("No month in BYMONTH has such a BYMONTHDAY.")
    if max(1, len(rule.by_hour)) * max(1, len(rule.by_minute)) > TIMES_A_DAY:
        raise BadRule(f"A series has at most {TIMES_A_DAY} times a day.")


def _numbers(name: str, low: int, high: int, *, signed: bool = False) -> Callable[[str], Any]:
    def read(value: str) -> tuple[int, ...]:
        span = f"-{high} to -1 and {low} to {high}" if signed else f"{low} to {high}"
        bad = BadRule(f"{name} takes whole numbers, {span}, with commas between them.")
        found = []
        for text in value.split(","):
            if not re.fullmatch(r"[+-]?\d{1,6}", text, re.ASCII):
                raise bad
            number = int(text)
            if not low <= (abs(number) if signed else number) <= high:
                raise bad
            found.append(number)
        return tuple(sorted(set(found)))

    return read


def _number(name: str, low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not re.fullmatch(r"\d{1,9}", value, re.ASCII) or not low <= int(value) <= high:
            raise BadRule(f"{name} takes one whole number, {low} to {high}.")
        return int(value)

    return read


def _frequency(value: str) -> str:
    if value not in FREQUENCIES:
        raise BadRule(f"FREQ is one of {', '.join(FREQUENCIES)}.")
    return value


def _days(value: str) -> tuple[tuple[int, str], ...]:
    found = []
    for text in value.split(","):
        match = DAY.fullmatch(text)
        if match is None or match["day"] not in WEEKDAYS or match["nth"] in {"0", "+0", "-0", "00"}:
            raise BadRule(
                f"{text[:50]!r} is no day of BYDAY: days are {', '.join(WEEKDAYS)}, with an "
                "ordinal where the month counts, such as 1MO or -1FR."
            )
        found.append((int(match["nth"] or 0), match["day"]))
    return tuple(dict.fromkeys(found))


def _week_start(value: str) -> str:
    if value not in WEEKDAYS:
        raise BadRule(f"WKST is one of {', '.join(WEEKDAYS)}.")
    return value


def _until(value: str) -> dict[str, datetime]:
    """Return the end: a date means all of that day, a Z an instant, else it is on the wall."""
    try:
        if DATE.fullmatch(value):
            day = datetime.strptime(value, "%Y%m%d")  # noqa: DTZ007 - on the wall
            return {"until": day.replace(hour=23, minute=59, second=59)}
        if CLOCK.fullmatch(value):
            clock = datetime.strptime(value[:15], "%Y%m%dT%H%M%S")  # noqa: DTZ007 - on the wall
            if value.endswith("Z"):
                return {"until_at": clock.replace(tzinfo=UTC)}
            return {"until": clock}
    except ValueError:
        pass
    raise BadRule("UNTIL is a date such as 20261231, or a time such as 20261231T180000(Z).")


READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "FREQ": lambda value: {"frequency": _frequency(value)},
    "INTERVAL": lambda value: {"interval": _number("INTERVAL", 1, INTERVAL_MOST)(value)},
    "BYDAY": lambda value: {"by_day": _days(value)},
    "BYMONTHDAY": lambda value: {"by_month_day": _numbers("BYMONTHDAY", 1, 31, signed=True)(value)},
    "BYMONTH": lambda value: {"by_month": _numbers("BYMONTH", 1, 12)(value)},
    "BYHOUR": lambda value: {"by_hour": _numbers("BYHOUR", 0, 23)(value)},
    "BYMINUTE": lambda value: {"by_minute": _numbers("BYMINUTE", 0, 59)(value)},
    "WKST": lambda value: {"week_start": _week_start(value)},
    "COUNT": lambda value: {"count": _number("COUNT", 1, COUNT_MOST)(value)},
    "UNTIL": _until,
}


def _weekday(nth: int, day: str) -> weekday:
    return WEEKDAYS[day](nth) if nth else WEEKDAYS[day]


def _joined(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
