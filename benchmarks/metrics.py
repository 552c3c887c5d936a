"""How long a scrape of /metrics takes with 1,000,000 posts, and what counting them costs.

A million posts of ten platforms, nine of ten published, a tenth to come; five weeks of sums per
minute; the journal of ten busy seconds; limits of 2,000 accounts. Scraped through Django's handler,
in both formats; then the census that runs in the background, and folding that journal.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.test import RequestFactory

from benchmarks.ground import Ground
from benchmarks.posts import make_connections, post_of
from benchmarks.results import median, print_table
from engine.models import RateLimitState
from monitoring import census, rollups
from monitoring.middleware import Instruments
from monitoring.models import MinuteSum
from platforms.registry import ADAPTERS
from scheduling.models import ScheduledPost, Tally
from scheduling.states import PostState
from scheduling.tallies import CALL_SECONDS, LATENESS_SECONDS, Tallies

ROWS, QUICK_ROWS = 1_000_000, 20_000
SCRAPES = 20
BATCHES = 1000  # of ten seconds, until it is folded, in which two slots record all the time
MINUTES = 35 * 24 * 60
BUCKETS = 2000
PLATFORMS = sorted(ADAPTERS)[:10]


def run(ground: Ground, options: Any) -> dict[str, Any]:
    """Measure, print, and return the raw figures (seconds)."""
    rows = QUICK_ROWS if options.quick else ROWS
    _fill(rows, MINUTES // 50 if options.quick else MINUTES)
    _fill_journal()
    handler = Instruments(lambda request: _not_ours())
    figures: dict[str, Any] = {"rows": rows, "bytes": len(_scrape(handler, "text/plain"))}
    census.take()
    for name, accept in (("text", "text/plain"), ("openmetrics", "application/openmetrics-text")):
        figures[name] = [_timed(lambda a=accept: _scrape(handler, a)) for _ in range(SCRAPES)]
    figures["census"] = [_timed(_census) for _ in range(3)]
    figures["fold"] = [_timed(rollups.fold)]
    figures["text, journal folded"] = [
        _timed(lambda: _scrape(handler, "text/plain")) for _ in range(SCRAPES)
    ]
    names = [name for name, found in figures.items() if isinstance(found, list)]
    print_table(
        f"/metrics with {rows:,} posts ({figures['bytes'] / 1024:.0f} KiB)",
        ("what", "best ms", "median ms", "worst ms"),
        [
            (n, *(f"{of(figures[n]) * 1e3:.1f}" for of in (min, median, max)))  # type: ignore[operator]
            for n in names
        ],
    )
    return figures


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _scrape(handler: Instruments, accept: str) -> bytes:
    request = RequestFactory().get("/metrics", headers={"Accept": accept})
    answer = handler(request)
    assert answer.status_code == 200, answer
    return bytes(answer.content)  # type: ignore[attr-defined]  # it is no stream


def _not_ours() -> Any:
    raise AssertionError("/metrics was passed on")


def _census() -> None:
    census.Census.objects.update(counted_at=datetime(2000, 1, 1, tzinfo=UTC))
    assert census.take() is not None


def _fill(rows: int, minutes: int) -> None:
    """Insert posts as copies of one, sums for `minutes` of each platform, and limits."""
    template = post_of(make_connections()[0], 0, time.time())
    template.save()
    meta = ScheduledPost._meta  # noqa: SLF001 - documented
    is_ahead = "mod(n, 10) = 0"
    later = "now() + interval '1 hour'"
    changed = {
        "id": "gen_random_uuid()",
        "state": f"CASE WHEN {is_ahead} THEN '{PostState.SCHEDULED}' "
        f"ELSE '{PostState.PUBLISHED}' END",
        "due_at": f"CASE WHEN {is_ahead} THEN {later} + n * interval '1 s' END",
        "scheduled_at": f"{later} - n * interval '1 s'",
        "platform": f"(ARRAY{PLATFORMS})[1 + mod(n, {len(PLATFORMS)})]",
        "external_id": "NULL",
    }
    columns = [field.column for field in meta.concrete_fields]
    values = ", ".join(changed.get(name, f'p."{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {meta.db_table} ({names}) SELECT {values} FROM {meta.db_table} p, "  # noqa: S608
            "generate_series(1, %s) n",
            [rows],
        )
        cursor.execute(f"VACUUM ANALYZE {meta.db_table}")
    MinuteSum.objects.bulk_create(
        (
            MinuteSum(
                minute=minute - timedelta(minutes=n),
                platform=PLATFORMS[n % len(PLATFORMS)],
                fact=Tally.Fact.SENT,
                number=3,
                seconds=0.1,
                buckets=[3] + [0] * len(LATENESS_SECONDS),
            )
            for n in range(minutes)
        ),
        batch_size=5000,
    )
    RateLimitState.objects.bulk_create(
        RateLimitState(
            scope="connection",
            key=str(n),
            platform=PLATFORMS[n % len(PLATFORMS)],
            limit=300,
            remaining=n % 300,
            resets_at=datetime.now(UTC) + timedelta(minutes=10),
        )
        for n in range(BUCKETS)
    )


def _fill_journal() -> None:
    rng = random.Random(1)
    for _ in range(BATCHES):
        tallies = Tallies()
        for _ in range(10):
            platform = rng.choice(PLATFORMS[:3])
            tallies.reached(platform, PostState.PUBLISHED)
            tallies.sent(platform, rng.uniform(0, 0.05))
            tallies.attempt(platform, "published", call_seconds=rng.choice(CALL_SECONDS))
        tallies.write()
