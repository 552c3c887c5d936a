"""2,000 posts due at one instant, Carillon and the bare loop in turn.

CPU is counted from the rows' insertion (claims happen up to 5 s ahead) until every result is
recorded; of the seconds before the due instant, only what exceeds the cluster's own idling counts.
A row is marked when the stub or somebody else's load disturbed it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.conf import settings

from benchmarks import bare_loop
from benchmarks.ground import IN_FLIGHT, Ground, publisher_pids
from benchmarks.meters import CpuMeter, PeakMemory, Usage, between, tree_pss_mb
from benchmarks.posts import (
    CONNECTIONS,
    first_id,
    insert_due,
    is_idle,
    make_connections,
    outcome_since,
    settle_database,
)
from benchmarks.results import median, print_table, spread_of
from benchmarks.texts import text_of
from tests.processes import wait_until

SETTLE_SECONDS = 2.0  # after the start of a cluster, before its idling is measured
IDLE_SECONDS = 2.0
LEAD_SECONDS = 0.1  # before the due instant: from here on everything counts
BARE_AHEAD_SECONDS = 3.0  # time for the bare loop to start and read its rows
SILENCE_SECONDS = 20.0  # nothing new arrives for so long: the rest never will
STUB_CPU_BAR = 0.1  # seconds per 1,000 posts
FOREIGN_BAR = 0.08  # share of all cores
COUNTED = ("application", "postgresql", "valkey")

Cpu = dict[str, float]


@dataclass(slots=True)
class Run:
    """One burst. Rates are posts/s from the due instant; CPU is seconds per 1,000 posts."""

    kind: str  # "carillon" or "bare"
    received_rate: float  # to the last byte of the last request
    recorded_rate: float  # to the last row's record
    lateness_ms: dict[str, float]
    cpu: Cpu  # by role and in total
    cpu_before_due: float  # the part of it spent before the due instant
    stub_cpu: float
    foreign_share: float  # of all cores, during the burst
    peak_pss_mb: float  # of the largest publisher process
    duplicates: int
    missing: int
    bad_signatures: int
    idle_pss_mb: float = 0.0  # of the whole cluster before the burst
    idle_cores: float = 0.0  # CPU seconds per second of the idle cluster and its servers
    states: dict[str, int] = field(default_factory=dict)

    @property
    def disturbed(self) -> str:
        """Return in words what makes this run a bad witness, "" for a good one."""
        stub = f"stub {self.stub_cpu:.2f} s" if self.stub_cpu > STUB_CPU_BAR else ""
        foreign = f"foreign {self.foreign_share:.0%}" if self.foreign_share > FOREIGN_BAR else ""
        return ", ".join(filter(None, [stub, foreign]))


def run(ground: Ground, options: Any) -> dict[str, Any]:
    """Measure bursts in turn, print them, and return the raw figures."""
    runs: list[Run] = []
    for _ in range(options.runs):
        runs.append(carillon(ground, options.posts, slots=options.slots))
        runs.append(bare(ground, options.posts))
    report(f"Burst: {options.posts} posts at one instant, {options.slots} slot(s)", runs)
    return {
        "posts": options.posts,
        "connections": CONNECTIONS,
        "slots": options.slots,
        "concurrency": IN_FLIGHT // options.slots,
        "runs": [{**asdict(one), "disturbed": one.disturbed} for one in runs],
        "ratios": ratios(runs),
    }


# --- one burst ------------------------------------------------------------------------------
def carillon(ground: Ground, posts: int, *, slots: int, **env: str) -> Run:
    """Let a fresh cluster publish one burst."""
    accounts = make_connections()
    with ground.cluster(slots=slots, concurrency=IN_FLIGHT // slots, **env) as cluster:
        meter = CpuMeter(
            {**ground.server_pids, "application": cluster.process.pid, "stub": ground.stub.pid}
        )
        time.sleep(SETTLE_SECONDS)
        ground.stub.reset()
        idle_pss = tree_pss_mb(cluster.process.pid)
        before = meter.read()
        time.sleep(IDLE_SECONDS)
        idle = meter.since(before)
        pids, first = publisher_pids(), first_id()
        due = time.time() + settings.CLAIM_AHEAD.total_seconds() + 1.0
        insert_due(accounts, [due] * posts)
        settle_database()
        inserted = meter.read()
        sleep_until(due - LEAD_SECONDS)
        with PeakMemory(lambda: pids) as memory:
            started = meter.read()
            wait_until_received(ground, posts)
            wait_until(is_idle, what="the last result")
            ended = meter.read()
    outcome = outcome_since(first)
    ahead = _without_idling(between(inserted, started), idle)
    return Run(
        kind="carillon",
        **_delivery(ground, posts, due, outcome["recorded"]),
        **_costs(posts, ahead, between(started, ended)),
        peak_pss_mb=memory.peak_mb,
        idle_pss_mb=idle_pss,
        idle_cores=sum(idle.roles.get(role, 0.0) for role in COUNTED) / idle.seconds,
        states=outcome["states"],
    )


def bare(ground: Ground, posts: int) -> Run:
    """Let the bare loop send one burst."""
    with psycopg.connect(ground.database_url, autocommit=True) as connection:
        due = time.time() + BARE_AHEAD_SECONDS
        _insert_bare_rows(connection, posts, due)
        ground.stub.reset()
        with _bare_process(ground) as loop:
            assert loop.stdin is not None
            assert loop.stdout is not None
            loop.stdout.readline()  # "ready"
            meter = CpuMeter(
                {**ground.server_pids, "application": loop.pid, "stub": ground.stub.pid}
            )
            before = meter.read()
            loop.stdin.write("go\n")
            loop.stdin.flush()
            sleep_until(due - LEAD_SECONDS)
            with PeakMemory(lambda: [loop.pid]) as memory:
                started = meter.read()
                loop.stdout.readline()  # "done"
                ended = meter.read()
        recorded = connection.execute(
            "SELECT extract(epoch FROM max(recorded_at))::float8 FROM bare_post"
        ).fetchone()
    assert recorded is not None
    return Run(
        kind="bare",
        **_delivery(ground, posts, due, recorded[0]),
        **_costs(posts, between(before, started).roles, between(started, ended)),
        peak_pss_mb=memory.peak_mb,
    )


def _insert_bare_rows(
    connection: psycopg.Connection[tuple[Any, ...]], posts: int, due: float
) -> None:
    moment = datetime.fromtimestamp(due, UTC)
    connection.execute(bare_loop.TABLE)
    connection.execute("TRUNCATE bare_post")
    with connection.cursor().copy("COPY bare_post (id, account, text, due_at) FROM STDIN") as rows:
        for number in range(posts):
            rows.write_row((number, number % CONNECTIONS, text_of(number, due), moment))
    connection.execute("ANALYZE bare_post")
    connection.execute("CHECKPOINT")


def _bare_process(ground: Ground) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable, "-m", "benchmarks.bare_loop",
            "--database", ground.database_url, "--api", ground.stub.url,
            "--in-flight", str(IN_FLIGHT),
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def sleep_until(moment: float) -> None:
    """Sleep until an instant (epoch seconds)."""
    time.sleep(max(0.0, moment - time.time()))


def wait_until_received(ground: Ground, posts: int) -> None:
    """Wait until the stub has everything, or nothing new has come for long."""
    count, changed = -1, time.monotonic()
    while count < posts and time.monotonic() - changed < SILENCE_SECONDS:
        time.sleep(0.05)
        if (now := ground.stub.count()) != count:
            count, changed = now, time.monotonic()


# --- figures --------------------------------------------------------------------------------
def _delivery(ground: Ground, posts: int, due: float, recorded: float) -> dict[str, Any]:
    """Return what the receiver says, and the rates."""
    found = ground.stub.report()
    received = found["received"]
    last = max((at for _, _, at in received), default=float("nan"))
    return {
        "received_rate": posts / (last - due),
        "recorded_rate": posts / (recorded - due),
        "lateness_ms": spread_of([at - moment for _, moment, at in received], scale=1000),
        "duplicates": found["duplicates"],
        "missing": posts - len({number for number, _, _ in received}),
        "bad_signatures": found["bad_signatures"] + found["unreadable"],
    }


def _costs(posts: int, ahead: Mapping[str, float], burst: Usage) -> dict[str, Any]:
    """Return CPU seconds per 1,000 posts, by role."""
    per_thousand = 1000 / posts
    cpu = {role: (ahead.get(role, 0.0) + burst.roles[role]) * per_thousand for role in COUNTED}
    early = sum(ahead.get(role, 0.0) for role in COUNTED) * per_thousand
    return {
        "cpu": {**cpu, "total": sum(cpu.values())},
        "cpu_before_due": early,
        "stub_cpu": burst.roles["stub"] * per_thousand,
        "foreign_share": burst.foreign_share,
    }


def _without_idling(usage: Usage, idle: Usage) -> Cpu:
    share = usage.seconds / idle.seconds
    return {role: max(0.0, used - idle.roles[role] * share) for role, used in usage.roles.items()}


def ratios(runs: Sequence[Run]) -> dict[str, list[float]]:
    """Return Carillon's rates as shares of the bare loop's, pair by pair."""
    pairs = list(zip(_of("carillon", runs), _of("bare", runs), strict=True))
    return {
        "received": [ours.received_rate / theirs.received_rate for ours, theirs in pairs],
        "recorded": [ours.recorded_rate / theirs.recorded_rate for ours, theirs in pairs],
    }


def _of(kind: str, runs: Sequence[Run]) -> list[Run]:
    return [one for one in runs if one.kind == kind]


COLUMNS = (
    "run", "posts/s rcvd", "posts/s recd", "p50 ms", "p99 ms", "max ms", "CPU/1000", "app", "pg",
    "valkey", "early", "peak MB", "dup", "miss", "badsig", "disturbed",
)  # fmt: skip


def report(title: str, runs: Sequence[Run]) -> None:
    """Print every run, medians and worst, and the ratios."""
    rows = [row_of(one.kind, one) for one in runs]
    for kind in ("carillon", "bare"):
        rows += summary(kind, [row_of(kind, one) for one in _of(kind, runs)])
    print_table(title, COLUMNS, rows)
    for name, values in ratios(runs).items():
        shown = ", ".join(f"{value:.0%}" for value in values)
        print(f"  {name}: {shown} of the bare loop, median {median(values):.0%}")
    for one in _of("carillon", runs):
        if set(one.states) != {"published"}:
            print(f"  not all were published: {one.states}")


def row_of(name: str, one: Run) -> list[Any]:
    """Return one run as the cells of COLUMNS."""
    return [
        name, one.received_rate, one.recorded_rate, *one.lateness_ms.values(), one.cpu["total"],
        one.cpu["application"], one.cpu["postgresql"], one.cpu["valkey"], one.cpu_before_due,
        one.peak_pss_mb, one.duplicates, one.missing, one.bad_signatures, one.disturbed,
    ]  # fmt: skip


def summary(kind: str, rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return the row of medians and that of the worst; of the rates the lowest is the worst."""
    columns = [list(column) for column in zip(*rows, strict=True)][1:-1]
    medians = [median(column) for column in columns]
    worst = [min(c) if n < 2 else max(c) for n, c in enumerate(columns)]
    return [[f"{kind} median", *medians, ""], [f"{kind} worst", *worst, ""]]
