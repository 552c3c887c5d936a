"""Rules, wall clocks and time zones: when a series happens, above all where clocks are set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from scheduling.series.recurrence import BadStart, Recurrence, read_start
from scheduling.series.rule import BadRule, read_rule
from scheduling.series.wall_clock import UnknownZone, in_order, moment_of, zone_named

ZONES = [
    "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe",
    "Pacific/Apia", "Africa/Casablanca", "Asia/Kolkata", "America/St_Johns", "Asia/Tehran",
    "Pacific/Chatham", "Antarctica/Troll", "Africa/Monrovia", "UTC",
]  # fmt: skip
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

zones = st.sampled_from(ZONES)
clocks = st.datetimes(datetime(2000, 1, 1), datetime(2039, 12, 31)).map(  # noqa: DTZ001
    lambda clock: clock.replace(microsecond=0)
)
weekdays = st.lists(
    st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1, max_size=3
)


@st.composite
def rules(draw: st.DrawFn) -> str:
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 5))}"]
    if draw(st.booleans()):
        days = draw(weekdays)
        if frequency == "MONTHLY":
            days = [f"{draw(st.sampled_from(['', '1', '2', '-1']))}{day}" for day in days]
        parts.append(f"BYDAY={','.join(days)}")
    elif frequency != "WEEKLY" and draw(st.booleans()):
        numbers = st.integers(1, 31) | st.integers(-31, -1)
        parts.append(f"BYMONTHDAY={draw(numbers)}")
    if draw(st.booleans()):
        parts.append(f"BYHOUR={','.join(map(str, draw(st.sets(st.integers(0, 5), min_size=1))))}")
    if draw(st.booleans()):
        parts.append(f"BYMINUTE={draw(st.sampled_from(['0', '0,30', '15']))}")
    return ";".join(parts)


# --- one clock, one instant ---------------------------------------------------------------------


@given(zones, clocks)
@example("Europe/Berlin", datetime(2026, 3, 29, 2, 30))  # noqa: DTZ001
@example("Australia/Lord_Howe", datetime(2026, 10, 4, 2, 15))  # noqa: DTZ001
@example("Pacific/Apia", datetime(2011, 12, 30, 9, 0))  # noqa: DTZ001
@example("Africa/Casablanca", datetime(2026, 3, 22, 2, 30))  # noqa: DTZ001
def test_a_clock_means_its_instant_or_the_gap_has_moved_it(name: str, clock: datetime) -> None:
    zone = ZoneInfo(name)
    moment = moment_of(clock, zone)
    shown = moment.at.astimezone(zone).replace(tzinfo=None, fold=0)
    assert shown == moment.shown
    if not moment.shifted:
        assert shown == clock
        return
    before = (moment.at - 2 * DAY).astimezone(zone)
    assert moment.shifted > timedelta()  # forward, by the length of the gap:
    gap = (
        clock.replace(tzinfo=zone, fold=0).utcoffset()
        - clock.replace(tzinfo=zone, fold=1).utcoffset()
    )  # type: ignore[operator]
    assert moment.shifted == -gap
    assert before.replace(tzinfo=None) < clock


@given(zones, clocks)
@example("Europe/Berlin", datetime(2026, 10, 25, 2, 30))  # noqa: DTZ001
def test_of_two_instants_of_one_clock_the_first_is_meant(name: str, clock: datetime) -> None:
    zone = ZoneInfo(name)
    moment = moment_of(clock, zone)
    late = clock.replace(tzinfo=zone, fold=1).astimezone(UTC)
    comes_again = late.astimezone(zone).replace(tzinfo=None, fold=0) == clock
    assert moment.is_doubled == (not moment.shifted and comes_again and late != moment.at)
    if moment.is_doubled:
        assert moment.at < late


@given(zones, clocks, st.integers(1, 240))
def test_moments_come_in_order_and_never_two_at_once(
    name: str, start: datetime, minutes: int
) -> None:
    zone = ZoneInfo(name)
    some = (moment_of(start + n * timedelta(minutes=minutes), zone) for n in range(500))
    instants = [moment.at for moment in in_order(some)]
    assert instants == sorted(set(instants))


DST: list[tuple[str, str, str, list[str]]] = [
    # zone, rule, start, instants
    ("Europe/Berlin", "FREQ=DAILY", "2026-03-28T02:30",
     ["2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T00:30"]),
    ("Europe/Berlin", "FREQ=DAILY", "2026-10-24T02:30",
     ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]),
    ("America/New_York", "FREQ=DAILY", "2026-03-07T09:00",
     ["2026-03-07T14:00", "2026-03-08T13:00", "2026-03-09T13:00"]),
    ("America/New_York", "FREQ=DAILY", "2026-03-07T02:00",
     ["2026-03-07T07:00", "2026-03-08T07:00", "2026-03-09T06:00"]),
    ("Australia/Lord_Howe", "FREQ=DAILY", "2026-10-03T02:15",  # a gap of half an hour
     ["2026-10-02T15:45", "2026-10-03T15:45", "2026-10-04T15:15"]),
    ("Pacific/Apia", "FREQ=DAILY", "2011-12-29T09:00",  # a day left out: no second post for it
     ["2011-12-29T19:00", "2011-12-30T19:00", "2011-12-31T19:00"]),
    ("Europe/Berlin", "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=30", "2026-03-29T00:00",  # both would fall
     ["2026-03-29T01:30", "2026-03-30T00:30", "2026-03-30T01:30"]),           # on one instant
    ("Europe/Berlin", "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30", "2026-03-29T00:00",
     ["2026-03-29T01:00", "2026-03-29T01:30", "2026-03-30T00:00"]),
    ("Europe/Berlin", "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", "2026-01-01T02:30",  # always in the gap
     ["2026-03-29T01:30", "2027-03-28T01:30", "2028-03-26T01:30"]),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "rule", "start", "instants"), DST)
def test_clocks_that_are_set(zone: str, rule: str, start: str, instants: list[str]) -> None:
    moments = Recurrence.read(rule, start, zone).first(3)
    assert [f"{moment.at:%Y-%m-%dT%H:%M}" for moment in moments] == instants


# --- rules --------------------------------------------------------------------------------------

WHEN: list[tuple[str, str, list[str]]] = [
    ("FREQ=DAILY;INTERVAL=3", "2026-12-01T09:00", ["12-01", "12-04", "12-07"]),
    ("FREQ=WEEKLY", "2026-12-02T09:00", ["12-02", "12-09", "12-16"]),
    ("FREQ=WEEKLY;BYDAY=MO,TH", "2026-12-02T09:00", ["12-03", "12-07", "12-10"]),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU", "2026-12-01T09:00", ["12-01", "12-06", "12-15"]),
    (
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU",
        "2026-12-01T09:00",
        ["12-01", "12-13", "12-15"],
    ),
    ("FREQ=MONTHLY", "2026-01-31T09:00", ["01-31", "03-31", "05-31"]),
    ("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-01T09:00", ["01-31", "02-28", "03-31"]),
    (
        "FREQ=MONTHLY;BYDAY=1MO,-1FR",
        "2026-12-01T09:00",
        ["12-07", "12-25", "01-04"],
    ),
    ("FREQ=MONTHLY;BYDAY=+2TU", "2026-12-01T09:00", ["12-08", "01-12", "02-09"]),
    ("FREQ=YEARLY", "2026-12-24T09:00", ["12-24", "12-24", "12-24"]),
    ("FREQ=YEARLY", "2028-02-29T09:00", ["02-29", "02-29", "02-29"]),
    ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "2026-01-01T09:00", ["11-26", "11-25", "11-23"]),
    ("FREQ=DAILY;BYMONTH=12;BYDAY=SA,SU", "2026-12-01T09:00", ["12-05", "12-06", "12-12"]),
    ("FREQ=DAILY;BYMONTHDAY=1,-1", "2026-12-02T09:00", ["12-31", "01-01", "01-31"]),
    ("FREQ=DAILY;COUNT=2", "2026-12-01T09:00", ["12-01", "12-02"]),
    ("FREQ=DAILY;UNTIL=20261202", "2026-12-01T09:00", ["12-01", "12-02"]),
    ("FREQ=DAILY;UNTIL=20261202T090000", "2026-12-01T09:00", ["12-01", "12-02"]),
    ("FREQ=DAILY;UNTIL=20261202T085959", "2026-12-01T09:00", ["12-01"]),
    ("FREQ=DAILY;UNTIL=20261202T080000Z", "2026-12-01T09:00", ["12-01", "12-02"]),
    ("FREQ=DAILY;UNTIL=20261202T075959Z", "2026-12-01T09:00", ["12-01"]),
    ("rrule:freq=daily;count=1", "2026-12-01T09:00", ["12-01"]),
]


@pytest.mark.parametrize(("rule", "start", "days"), WHEN)
def test_rules_mean_what_the_standard_says(rule: str, start: str, days: list[str]) -> None:
    moments = Recurrence.read(rule, start, "Europe/Berlin").first(3)
    assert [f"{moment.clock:%m-%d}" for moment in moments] == days
    assert {f"{moment.clock:%H:%M}" for moment in moments} == {"09:00"}


BAD_RULES = [
    ("", "FREQ"),
    ("BYDAY=MO", "FREQ"),
    ("FREQ=HOURLY", "DAILY"),
    ("FREQ=SECONDLY", "DAILY"),
    ("FREQ=DAILY;BYSETPOS=1", "BYSETPOS"),
    ("FREQ=DAILY;BYSECOND=1", "BYSECOND"),
    ("FREQ=YEARLY;BYYEARDAY=1", "BYYEARDAY"),
    ("FREQ=YEARLY;BYWEEKNO=20", "BYWEEKNO"),
    ("FREQ=DAILY;X-NEW=1", "X-NEW"),
    ("FREQ=DAILY;FREQ=DAILY", "twice"),
    ("FREQ", "NAME=VALUE"),
    ("FREQ=DAILY;INTERVAL=0", "INTERVAL"),
    ("FREQ=DAILY;INTERVAL=99999999999", "INTERVAL"),
    ("FREQ=DAILY;INTERVAL=-1", "INTERVAL"),
    ("FREQ=DAILY;INTERVAL=٣", "INTERVAL"),
    ("FREQ=DAILY;COUNT=0", "COUNT"),
    ("FREQ=DAILY;COUNT=2;UNTIL=20270101", "UNTIL"),
    ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL"),
    ("FREQ=DAILY;UNTIL=20261332", "UNTIL"),
    ("FREQ=WEEKLY;BYDAY=1MO", "Ordinals"),
    ("FREQ=DAILY;BYDAY=XX", "BYDAY"),
    ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY"),
    ("FREQ=MONTHLY;BYDAY=6MO", "-5 to 5"),
    ("FREQ=WEEKLY;BYMONTHDAY=1", "MONTHLY"),
    ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY"),
    ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY"),
    ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "BYMONTHDAY"),
    ("FREQ=DAILY;BYHOUR=24", "BYHOUR"),
    ("FREQ=DAILY;BYMINUTE=0,1,2,3,4;BYHOUR=1,2,3,4,5", "24"),
    ("FREQ=DAILY;WKST=XX", "WKST"),
    ("FREQ=DAILY;" + "BYHOUR=1," * 100, "500"),
]


@pytest.mark.parametrize(("rule", "named"), BAD_RULES)
def test_what_is_not_understood_is_refused_by_name(rule: str, named: str) -> None:
    with pytest.raises(BadRule, match=named.replace("-", r"\-")) as refused:
        read_rule(rule)
    assert str(refused.value).endswith(".")


@given(st.text(max_size=60) | st.text("FREQ=DAILYWK;BYMONTH123,-UNTILCOUNT ", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        rule = read_rule(text)
    except BadRule:
        return
    assert read_rule(str(rule)) == rule


@pytest.mark.parametrize(
    "start",
    ["", "soon", "2026-12-01", "2026-12-01T09:00Z", "2026-12-01T09:00+01:00", "1999-01-01T09:00",
     "2101-01-01T09:00", "2026-13-01T09:00"],
)  # fmt: skip
def test_starts_are_on_the_wall_and_in_this_century(start: str) -> None:
    with pytest.raises(BadStart):
        read_start(start)


@pytest.mark.parametrize("name", ["", "Europe", "Mars/Olympus", "../etc/passwd", "\0", "x" * 5000])
def test_zones_are_iana_names(name: str) -> None:
    with pytest.raises(UnknownZone):
        zone_named(name)


@given(rules())
def test_a_rule_is_written_as_it_is_read(text: str) -> None:
    try:
        rule = read_rule(text)
    except BadRule:
        assume(False)
    assert read_rule(str(rule)) == rule


# --- properties of expansions -------------------------------------------------------------------


@given(rules(), clocks, zones, st.integers(0, 4000))
def test_beginning_late_gives_the_same_moments_as_going_through_all(
    rule: str, start: datetime, zone: str, days: int
) -> None:
    recurrence = Recurrence.read(rule, start.isoformat(), zone)
    after = start.replace(tzinfo=UTC) + days * DAY
    until = after + 400 * DAY
    every = [m for m in recurrence.moments() if m.at <= until][:5000] if days < 800 else None
    found = recurrence.between(after, until)
    assert [m.at for m in found] == sorted({m.at for m in found})
    assert all(after < m.at <= until and m.clock >= start for m in found)
    if every is not None and len(every) < 5000:
        assert found == [m for m in every if m.at > after]


@given(rules(), clocks, st.integers(1, 30))
def test_count_takes_the_first_ones(rule: str, start: datetime, count: int) -> None:
    endless = Recurrence.read(rule, start.isoformat(), "UTC")
    counted = Recurrence.read(f"{rule};COUNT={count}", start.isoformat(), "UTC")
    assert counted.first(100) == endless.first(count)


@given(rules(), clocks, zones, st.integers(0, 20), st.none() | st.integers(1, 40))
def test_a_split_series_keeps_its_rhythm(
    rule: str, start: datetime, zone: str, place: int, count: int | None
) -> None:
    whole = Recurrence.read(f"{rule};COUNT={count}" if count else rule, start.isoformat(), zone)
    moments = whole.first(40)
    assume(len(moments) > place)
    before, after = whole.split_before(moments[place])
    assert before.first(40) == moments[:place]
    assert after.first(40)[: len(moments) - place] == moments[place:]
    if count:
        assert len(before.first(100)) + len(after.first(100)) == len(whole.first(100))
    again = Recurrence.read(str(after.rule), after.starts.isoformat(), zone)
    assert again.first(10) == after.first(10)


@given(rules(), clocks, zones, st.integers(0, 20))
def test_a_moment_is_found_again_by_its_instant(
    rule: str, start: datetime, zone: str, place: int
) -> None:
    recurrence = Recurrence.read(rule, start.isoformat(), zone)
    moments = recurrence.first(21)
    assume(len(moments) > place)
    assert recurrence.has(moments[place].at) == moments[place]
    assert recurrence.has(moments[place].at + timedelta(microseconds=1)) is None


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;INTERVAL=14;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
        "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=20",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29",
    ],
)
def test_a_rule_that_never_comes_true_ends(rule: str) -> None:
    assert Recurrence.read(rule, "2027-01-01T09:00", "UTC").first(1) == []


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_the_calendar_are_no_trouble(at: datetime) -> None:
    recurrence = Recurrence.read("FREQ=DAILY", "2026-12-01T09:00", "Europe/Berlin")
    assert recurrence.has(at) is None
    assert len(recurrence.first(2, after=at)) in {0, 2}
