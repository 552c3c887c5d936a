"""Lateness at the receiver: 600 posts over a minute, 300 at one instant, and publish-now.

python -m benchmarks spread                  on PostgreSQL and Valkey
python -m benchmarks spread --kind sqlite    the embedded installation: one slot, ORM broker
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.burst import FOREIGN_BAR, sleep_until, wait_until_received
from benchmarks.ground import Ground
from benchmarks.meters import CpuMeter
from benchmarks.posts import insert_due, is_idle, make_connections, post_of, settle_database
from benchmarks.results import median, print_table, spread_of
from scheduling.bulk import insert_posts
from scheduling.models import ScheduledPost
from scheduling.services import publish_now
from tests.processes import wait_until

SPREAD_POSTS, SPREAD_SECONDS = 600, 60.0
INSTANT_POSTS = 300
NOW_POSTS = 20
AHEAD_SECONDS = 6.0  # before the first post: longer than a slot claims ahead
SETTLE_SECONDS = 3.0
COLUMNS = ("what", "posts", "p50 ms", "p99 ms", "max ms", "dup", "miss", "disturbed")

CONCURRENCY = 200  # calls in flight per slot, the default of PUBLISHER_CONCURRENCY


def run(ground: Ground, options: Any) -> dict[str, Any]:
    """Measure, print, and return the raw figures."""
    slots = 1 if options.kind == "sqlite" else options.slots
    seconds = SPREAD_SECONDS / 6 if options.quick else SPREAD_SECONDS
    found: list[dict[str, Any]] = []
    with ground.cluster(slots=slots, concurrency=CONCURRENCY) as cluster:
        meter = CpuMeter(
            {**ground.server_pids, "application": cluster.process.pid, "stub": ground.stub.pid}
        )
        make_connections()
        time.sleep(SETTLE_SECONDS)
        for _ in range(options.runs):
            posts = round(SPREAD_POSTS * seconds / SPREAD_SECONDS)
            steps = [n * seconds / posts for n in range(posts)]
            found.append(_measured("spread", ground, meter, steps))
            found.append(_measured("instant", ground, meter, [0.0] * INSTANT_POSTS))
            found.append(publish_some_now(ground))
    report(f"Lateness at the receiver ({options.kind}, {slots} slot(s))", found)
    return {"slots": slots, "spread_seconds": seconds, "runs": found}


def _measured(what: str, ground: Ground, meter: CpuMeter, steps: Sequence[float]) -> dict[str, Any]:
    """Let posts become due at `steps` (seconds after the first) and ask the receiver."""
    ground.stub.reset()
    start = time.time() + AHEAD_SECONDS
    insert_due(make_connections(), [start + step for step in steps])
    settle_database()
    sleep_until(start)
    before = meter.read()
    sleep_until(start + steps[-1])
    wait_until_received(ground, len(steps))
    usage = meter.since(before)
    wait_until(is_idle, what="the last result")
    report = ground.stub.report()
    lateness = [at - due for _, due, at in report["received"]]
    return {
        "what": what,
        "posts": len(steps),
        "lateness_ms": spread_of(lateness, scale=1000),
        "duplicates": report["duplicates"],
        "missing": len(steps) - len({number for number, _, _ in report["received"]}),
        "foreign_share": usage.foreign_share,
    }


def publish_some_now(ground: Ground) -> dict[str, Any]:
    """Publish far-off posts now, one after the other at odd moments; from request to receipt."""
    ground.stub.reset()
    accounts = make_connections()
    posts = [post_of(accounts[n], n, time.time() + 3600) for n in range(NOW_POSTS)]
    insert_posts(posts)
    asked: dict[int, float] = {}
    for number, post in enumerate(posts):
        asked[number] = time.time()
        publish_now(post.pk, actor="benchmark")
        wait_until(lambda count=number + 1: ground.stub.count() >= count, what="the post")
        time.sleep(random.uniform(0.0, 0.3))
    wait_until(is_idle, what="the last result")
    assert ScheduledPost.objects.get(pk=posts[-1].pk).state == ScheduledPost.State.PUBLISHED
    report = ground.stub.report()
    waits = [at - asked[number] for number, _, at in report["received"]]
    return {
        "what": "publish now",
        "posts": NOW_POSTS,
        "lateness_ms": spread_of(waits, scale=1000),
        "duplicates": report["duplicates"],
        "missing": NOW_POSTS - len(waits),
        "foreign_share": 0.0,
    }


def report(title: str, found: Sequence[dict[str, Any]]) -> None:
    """Print every run and the medians."""
    rows = [_row(one) for one in found]
    for what in dict.fromkeys(one["what"] for one in found):
        columns = list(zip(*(_row(one) for one in found if one["what"] == what), strict=True))
        rows.append([f"{what} median", *(median(column) for column in columns[1:-1]), ""])
        rows.append([f"{what} worst", *(max(column) for column in columns[1:-1]), ""])
    print_table(title, COLUMNS, rows)


def _row(one: dict[str, Any]) -> list[Any]:
    share = one["foreign_share"]
    disturbed = f"foreign {share:.0%}" if share > FOREIGN_BAR else ""
    return [
        one["what"], one["posts"], *one["lateness_ms"].values(), one["duplicates"],
        one["missing"], disturbed,
    ]  # fmt: skip
