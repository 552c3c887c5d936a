"""From a rule, a start on the wall and a time zone to moments; pure, `now` is never asked.

The rule is expanded on the wall clock and each time is then given its instant, so that 09:00 stays
09:00 when clocks are set. See `wall_clock` for what happens in the gap and the overlap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from scheduling.series.rule import Rule, read_rule
from scheduling.series.wall_clock import Moment, in_order, moment_of, zone_named

FIRST_YEAR, LAST_YEAR = 2000, 2100  # of starts
EARLIEST = datetime(FIRST_YEAR - 1, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1)  # noqa: DTZ001 - on the wall
SEARCHED = timedelta(days=30 * 366)  # how far beyond the start and `after` occurrences are sought
SLACK = timedelta(days=2)  # no zone's offset and no gap is longer
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Recurrence:
    """When a series happens. `starts` (naive, in whole seconds) bounds it and, where the rule says
    nothing of days or times, gives them; it is an occurrence only if the rule makes it one.
    """

    rule: Rule
    starts: datetime
    zone: ZoneInfo

    @classmethod
    def read(cls, rule: str, starts: str, time_zone: str) -> Recurrence:
        """Return what three texts mean; raises rule.BadRule, BadStart or wall_clock.UnknownZone."""
        return cls(read_rule(rule), read_start(starts), zone_named(time_zone))

    def moments(self, *, after: datetime | None = None) -> Iterator[Moment]:
        """Yield all moments whose instant is later than `after` (aware), in their order.

        The search ends SEARCHED beyond `after` and the start: a rule may never come true.
        """
        if after is None:
            yield from in_order(self._all(self.starts))
            return
        from_clock = max(after, EARLIEST).astimezone(UTC).replace(tzinfo=None) - SLACK
        yield from (m for m in in_order(self._all(from_clock)) if m.at > after)

    def first(self, count: int, *, after: datetime | None = None) -> list[Moment]:
        """Return the first `count` moments later than `after`."""
        return list(islice(self.moments(after=after), count))

    def between(self, after: datetime, until: datetime) -> list[Moment]:
        """Return the moments later than `after` and not later than `until`."""
        return list(takewhile(lambda m: m.at <= until, self.moments(after=after)))

    def has(self, at: datetime) -> Moment | None:
        """Return the moment at exactly this instant, if there is one."""
        if at < EARLIEST:
            return None
        found = self.first(1, after=at - timedelta(seconds=1))
        return found[0] if found and found[0].at == at else None

    def is_first_of_its_day(self, moment: Moment) -> bool:
        """Say whether no other occurrence comes earlier on the wall that day."""
        midnight = moment.clock.replace(hour=0, minute=0, second=0)
        clocks = self._clocks(midnight)
        return next(c for c in clocks if c >= midnight) == moment.clock

    def split_before(self, moment: Moment) -> tuple[Recurrence, Recurrence]:
        """Return what comes before `moment`, and the rest, which starts there.

        The rest keeps its rhythm: of COUNT it gets what is left.
        """
        before = replace(self, rule=self.rule.ending_before(moment.clock))
        rest = self.rule
        if rest.count is not None:
            gone = sum(1 for clock in self._clocks(self.starts) if clock < moment.clock)
            rest = replace(rest, count=max(1, rest.count - gone))
        return before, replace(self, rule=rest.pinned(self.starts), starts=moment.clock)

    # --- inside -------------------------------------------------------------------------------
    def _all(self, from_clock: datetime) -> Iterator[Moment]:
        for clock in self._clocks(from_clock):
            moment = moment_of(clock, self.zone)
            if self.rule.until_at is not None and moment.at > self.rule.until_at:
                if moment.shifted:  # a later one may still be an earlier instant
                    continue
                return
            yield moment

    def _clocks(self, from_clock: datetime) -> Iterator[datetime]:
        """Yield the wall-clock times from about `from_clock` on; not fewer."""
        from_clock = max(from_clock, self.starts)
        end = min(from_clock, LATEST) + SEARCHED
        if self.rule.until is not None:
            end = min(end, self.rule.until)
        rule = self.rule.pinned(self.starts)
        if rule.count is not None:  # only from the start can they be counted
            yield from islice(rule.expansion(self.starts, end), rule.count)
            return
        begin = _begin(rule, self.starts, from_clock)
        yield from (c for c in rule.expansion(begin, end) if c >= self.starts)


class BadStart(Exception):
    """The start is refused; the message says why."""


def read_start(text: str) -> datetime:
    """Return a wall-clock time; raises BadStart."""
    example = "such as 2026-12-01T09:00"
    try:
        clock = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadStart(f"Give a date and a time of day, {example}.") from None
    if clock.tzinfo is not None:
        raise BadStart(f"Give it without an offset, {example}: time_zone says where it is meant.")
    if ":" not in text:
        raise BadStart(f"Give a time of day, too, {example}.")
    if not FIRST_YEAR <= clock.year <= LAST_YEAR:
        raise BadStart(f"Years go from {FIRST_YEAR} to {LAST_YEAR}.")
    return clock.replace(microsecond=0)


def _begin(rule: Rule, starts: datetime, from_clock: datetime) -> datetime:
    """Return a time in the rule's rhythm (its INTERVAL) at or before `from_clock`.

    So that a series that has run for years costs no more than a new one.
    """
    if rule.frequency in {"DAILY", "WEEKLY"}:
        step = timedelta(days=rule.interval * (7 if rule.frequency == "WEEKLY" else 1))
        return starts + max(0, (from_clock - starts) // step - 1) * step
    months = rule.interval * (MONTHS if rule.frequency == "YEARLY" else 1)
    passed = (from_clock.year - starts.year) * MONTHS + from_clock.month - starts.month
    skipped = max(0, passed // months - 1) * months
    if not skipped:
        return starts
    year, month = divmod(starts.year * MONTHS + starts.month - 1 + skipped, MONTHS)
    return starts.replace(year=year, month=month + 1, day=1, hour=0, minute=0)
