"""One workspace's 20,000 due posts must not delay another's single post by more than a second.

Three crowds, each with single posts becoming due one after the other while it is being sent:
- "many connections": a workspace with 50 connections, singles of other workspaces;
- "one connection": all on one connection, whose cap makes its backlog take minutes, same singles;
- "same workspace": the same backlog, singles of other connections of that very workspace.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.burst import FOREIGN_BAR, sleep_until, wait_until_received
from benchmarks.ground import Ground
from benchmarks.meters import CpuMeter
from benchmarks.posts import (
    first_id,
    is_idle,
    make_connections,
    make_crowd,
    post_of,
    settle_database,
)
from benchmarks.results import print_table, spread_of
from platforms.models import SocialConnection
from scheduling.bulk import insert_posts
from scheduling.models import ScheduledPost
from tests.processes import wait_until

CROWD, QUICK_CROWD = 20_000, 4_000
CROWD_CONNECTIONS = 50
WATCHED_SECONDS, QUICK_WATCHED_SECONDS = 20.0, 8.0  # singles become due for so long
EVERY_SECONDS = 0.2
AHEAD_SECONDS = 6.0  # before the crowd's moment: longer than a slot claims ahead
INSERTED_PER_SECOND = 4000  # at the least: the insertion ends before the claims begin
SETTLE_SECONDS = 3.0
FIRST_SINGLE = 10_000_000  # singles are numbered from here
CONCURRENCY = 200  # calls in flight per slot, the default of PUBLISHER_CONCURRENCY
BAR_SECONDS = 1.0
COLUMNS = (
    "crowd", "posts", "sent", "in s", "singles", "p50 ms", "p99 ms", "max ms", "missing",
    "dup", "verdict", "disturbed",
)  # fmt: skip


@dataclass(slots=True)
class Run:
    """One crowd; `crowd_seconds` counts from its moment to the last of the `crowd_sent`."""

    what: str
    crowd: int
    crowd_sent: int
    crowd_seconds: float
    singles: int
    lateness_ms: dict[str, float]  # of the singles, at the receiver
    missing: int  # singles that never came
    duplicates: int
    foreign_share: float


def run(ground: Ground, options: Any) -> dict[str, Any]:
    """Measure, print, and return the raw figures."""
    crowd = QUICK_CROWD if options.quick else CROWD
    seconds = QUICK_WATCHED_SECONDS if options.quick else WATCHED_SECONDS
    slots = 1 if options.kind == "sqlite" else options.slots
    others = make_connections()
    many = make_crowd(CROWD_CONNECTIONS)
    cases: Sequence[tuple[str, list[SocialConnection], list[SocialConnection]]] = (
        ("many connections", many, others),
        ("one connection", many[:1], others),
        ("same workspace", many[:1], many[1:]),
    )
    runs = [
        _measured(ground, slots, name, crowded, single, crowd=crowd, seconds=seconds)
        for _ in range(options.runs)
        for name, crowded, single in cases
    ]
    _print(slots, runs)
    return {"slots": slots, "runs": [asdict(one) for one in runs]}


def _measured(
    ground: Ground,
    slots: int,
    what: str,
    crowded: Sequence[SocialConnection],
    single: Sequence[SocialConnection],
    *,
    crowd: int,
    seconds: float,
) -> Run:
    """Let a crowd become due, and singles while it is sent; what is left of it is deleted."""
    singles = round(seconds / EVERY_SECONDS)
    first = first_id()
    with ground.cluster(slots=slots, concurrency=CONCURRENCY) as cluster:
        meter = CpuMeter(
            {**ground.server_pids, "application": cluster.process.pid, "stub": ground.stub.pid}
        )
        time.sleep(SETTLE_SECONDS)
        ground.stub.reset()
        due = time.time() + AHEAD_SECONDS + crowd / INSERTED_PER_SECOND
        posts = [post_of(crowded[n % len(crowded)], n, due) for n in range(crowd)]
        posts += [
            post_of(single[n % len(single)], FIRST_SINGLE + n, due + EVERY_SECONDS * (n + 1))
            for n in range(singles)
        ]
        insert_posts(posts)
        settle_database()
        sleep_until(due)
        before = meter.read()
        sleep_until(due + seconds)
        usage = meter.since(before)
        _wait_until_sent(ground, singles, everything=len(crowded) > 1, crowd=crowd)
    left = ScheduledPost.objects.filter(pk__gte=first, due_at__isnull=False)
    left.update(due_at=None, state=ScheduledPost.State.CANCELLED, lease_slot=None)
    found = ground.stub.report()
    theirs = [(n, d, at) for n, d, at in found["received"] if n >= FIRST_SINGLE]
    ours = [at for n, _, at in found["received"] if n < FIRST_SINGLE]
    return Run(
        what=what,
        crowd=crowd,
        crowd_sent=len(ours),
        crowd_seconds=max(ours, default=due) - due,
        singles=singles,
        lateness_ms=spread_of([at - d for _, d, at in theirs], scale=1000),
        missing=singles - len({n for n, _, _ in theirs}),
        duplicates=found["duplicates"],
        foreign_share=usage.foreign_share,
    )


def _wait_until_sent(ground: Ground, singles: int, *, everything: bool, crowd: int) -> None:
    """Wait for all singles, and for `everything` if the crowd can be sent in reasonable time.

    Ends as well when a while has passed without a single: it is then reported as missing.
    """
    if everything:
        wait_until_received(ground, crowd + singles)
        wait_until(is_idle, what="the last result")
        return
    came = -1
    while came < singles:
        before, came = came, sum(n >= FIRST_SINGLE for n, _, _ in ground.stub.report()["received"])
        if came == before:
            return
        time.sleep(SETTLE_SECONDS)


def _print(slots: int, runs: Sequence[Run]) -> None:
    rows = [
        [
            one.what, one.crowd, one.crowd_sent, one.crowd_seconds, one.singles,
            *one.lateness_ms.values(), one.missing, one.duplicates, _verdict(one),
            f"foreign {one.foreign_share:.0%}" if one.foreign_share > FOREIGN_BAR else "",
        ]
        for one in runs
    ]  # fmt: skip
    print_table(f"Single posts beside one workspace's crowd, {slots} slots", COLUMNS, rows)


def _verdict(one: Run) -> str:
    """Judge a run by the promise: nothing lost or doubled, no single later than a second."""
    late = one.lateness_ms["max"] > BAR_SECONDS * 1000
    return "broken" if late or one.missing or one.duplicates else "kept"
