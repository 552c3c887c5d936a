"""A network says 429 with a Retry-After of 15 minutes: who calls it all the same, and what follows?

Ten accounts have posts due all the time, in four publisher slots (processes of their own); five of
them are refused once. Judged by the sandbox's log of calls: how long after the first 429 was
answered the account's last call of any kind arrived; what moment its waiting posts tell; whether
the other five went on; and how many calls arrive at once when the wait is over.

    make bench ARGS="refusal"           about 17 minutes: the whole quarter of an hour
    make bench ARGS="refusal --quick"   about one: Retry-After of 20 seconds
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from benchmarks.burst import sleep_until
from benchmarks.ground import IN_FLIGHT, Ground
from benchmarks.posts import insert_due, settle_database
from benchmarks.results import print_table
from benchmarks.soak import Judge, make_accounts
from engine.models import RateLimitState
from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.processes import wait_until

S = PostState

SLOTS = 4
ACCOUNTS, REFUSED = 10, 5
CROWD, CROWD_SECONDS = 150, 10.0  # posts of each account in the first seconds
THEN_EVERY_SECONDS = 10.0  # and one more now and then, so that something is always due
LEAD_SECONDS = 8.0
ALLOWED_SECONDS = 0.25
HERD_SECONDS = 0.1
JITTER_SECONDS = 10.0  # by then after the wait everybody has had the chance to start


def run(ground: Ground, options: Any) -> dict[str, Any]:
    """Measure once, print, and return the raw figures."""
    retry_after = 20 if options.quick else 900
    judge = Judge(ground)
    judge.ask("/_control", {"network": "x", "on": "all", "rate": {"limit": 10_000_000}})
    judge.ask("/_control", {"network": "x", "on": "create", "latency_ms": 40})
    accounts = make_accounts(judge)[:ACCOUNTS]
    names = [account.username for account in accounts]
    with ground.cluster(slots=SLOTS, concurrency=IN_FLIGHT // SLOTS, **judge.environment()):
        start = time.time() + LEAD_SECONDS
        moments = _moments(start, retry_after)
        insert_due(accounts, [moment for moment in moments for _ in accounts])
        settle_database()
        sleep_until(start + 1.0)
        for name in names[:REFUSED]:
            refusal = {"status": 429, "retry_after": retry_after, "times": 1}
            judge.ask("/_control", {"network": "x", "account": name, "fail": refusal})
        sleep_until(start + CROWD_SECONDS + 3.0)
        refused_at = {name: _refused_at(judge, name) for name in names[:REFUSED]}
        told = _told(accounts[:REFUSED], refused_at)
        sleep_until(min(refused_at.values()) + retry_after - 0.5)
        late = {name: _last_call(judge, name, since) for name, since in refused_at.items()}
        went_on = sum(len(_calls(judge, name)) for name in names[REFUSED:])
        wait_until(lambda: not _waiting(accounts), seconds=120, what="the end of all posts")
    ends = {name: since + retry_after for name, since in refused_at.items()}
    figures = {
        "slots": SLOTS,
        "retry_after_seconds": retry_after,
        "last_call_after_refusal_ms": {name: after * 1000 for name, after in late.items()},
        "calls_later_than_250_ms": sum(after > ALLOWED_SECONDS for after in late.values()),
        "told_seconds_after_refusal": told,
        "calls_of_the_others": went_on,
        "most_calls_in_100_ms_after_the_wait": _herd(judge, ends),
        "published": ScheduledPost.objects.filter(state=S.PUBLISHED).count(),
        "posts": len(moments) * ACCOUNTS,
        "live": len({post["text"] for post in judge.posts()}),
        "copies": len(judge.posts()) - len({post["text"] for post in judge.posts()}),
        "rows_of_limits": RateLimitState.objects.count(),
    }
    _print(figures)
    return figures


def _moments(start: float, retry_after: int) -> list[float]:
    crowd = [start + n * CROWD_SECONDS / CROWD for n in range(CROWD)]
    rare = [
        start + CROWD_SECONDS + n * THEN_EVERY_SECONDS
        for n in range(1, int((retry_after - CROWD_SECONDS) / THEN_EVERY_SECONDS))
    ]
    return crowd + rare


def _calls(judge: Judge, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = judge.ask(f"/_calls?network=x&account={name}&limit=100000")[
        "calls"
    ]
    return found


def _refused_at(judge: Judge, name: str) -> float:
    return min(float(call["answered_at"]) for call in _calls(judge, name) if call["status"] == 429)


def _last_call(judge: Judge, name: str, since: float) -> float:
    """Return how many seconds after the refusal the last call arrived; 0.0 if none did."""
    return max(
        (call["at"] - since for call in _calls(judge, name) if call["at"] > since), default=0.0
    )


def _told(accounts: Sequence[SocialConnection], refused_at: dict[str, float]) -> dict[str, float]:
    """Return the earliest and latest moment that waiting, overdue posts tell (seconds later)."""
    waits = [
        post.due_at.timestamp() - refused_at[post.connection.username]
        for post in ScheduledPost.objects.filter(
            connection__in=accounts, last_category="rate_limit", due_at__isnull=False
        ).select_related("connection")
        if post.due_at
    ]
    return {"posts": len(waits), "earliest": min(waits), "latest": max(waits)}


def _waiting(accounts: Sequence[SocialConnection]) -> bool:
    return ScheduledPost.objects.filter(connection__in=accounts).exclude(state=S.PUBLISHED).exists()


def _herd(judge: Judge, ends: dict[str, float]) -> int:
    """Return the most calls that arrived within 100 ms, in the seconds after the wait."""
    buckets: Counter[int] = Counter()
    for name, end in ends.items():
        for call in _calls(judge, name):
            if end <= call["at"] < end + JITTER_SECONDS:
                buckets[int(call["at"] / HERD_SECONDS)] += 1
    return max(buckets.values(), default=0)


def _print(figures: dict[str, Any]) -> None:
    told = figures["told_seconds_after_refusal"]
    print_table(
        f"Retry-After of {figures['retry_after_seconds']} s, {SLOTS} slots",
        ("what", "figure"),
        [
            ["last call after the 429, ms (worst account)", max(
                figures["last_call_after_refusal_ms"].values())],
            ["accounts called later than 250 ms after it", figures["calls_later_than_250_ms"]],
            ["posts that tell their new moment", told["posts"]],
            ["earliest / latest of those, s after the 429",
             f"{told['earliest']:.1f} / {told['latest']:.1f}"],
            ["calls of the other accounts meanwhile", figures["calls_of_the_others"]],
            ["most calls in 100 ms after the wait", figures["most_calls_in_100_ms_after_the_wait"]],
            ["posts / published / live copies beyond one",
             f"{figures['posts']} / {figures['published']} / {figures['copies']}"],
        ],
    )  # fmt: skip
