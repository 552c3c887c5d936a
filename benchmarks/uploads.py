"""Films uploaded ahead beside posts that go out: what it costs their lateness, and how much memory.

python -m benchmarks uploads [--quick]

Each run measures posts spread over some seconds twice: alone, and while films of 100 MB are being
uploaded by the same slot. The films themselves are due afterwards, at one instant.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from benchmarks.burst import sleep_until, wait_until_received
from benchmarks.ground import Ground, publisher_pids
from benchmarks.meters import PeakMemory, pss_mb
from benchmarks.posts import insert_due, is_idle, make_connections, post_of, settle_database
from benchmarks.results import median, print_table, spread_of
from media.models import Asset
from scheduling.models import PostMedia, ScheduledPost
from tests.processes import wait_until

FILM_BYTES, FILMS = 100 * 1024 * 1024, 8
POSTS_PER_SECOND = 10
AHEAD_SECONDS = 6.0
CONCURRENCY = 200
UPLOAD_SECONDS_MOST = 150.0
COLUMNS = ("what", "posts", "p50 ms", "p99 ms", "max ms", "slot MB before", "slot MB peak", "MB/s")


def run(ground: Ground, options: Any) -> dict[str, Any]:
    """Measure, print, and return the raw figures."""
    films, seconds = (2, 5.0) if options.quick else (FILMS, 20.0)
    found: list[dict[str, Any]] = []
    with ground.cluster(slots=1, concurrency=CONCURRENCY):
        make_connections()
        time.sleep(3.0)
        for _ in range(options.runs):
            found.append(_posts_alone(ground, seconds))
            found += _beside_uploads(ground, seconds, films)
    rows = [_row(one) for one in found]
    for what in dict.fromkeys(one["what"] for one in found):
        columns = list(zip(*(_row(one) for one in found if one["what"] == what), strict=True))
        rows.append([f"{what} median", *(median(column) for column in columns[1:])])
        rows.append([f"{what} worst", *(max(column) for column in columns[1:])])
    print_table("Posts beside uploads, one slot", COLUMNS, rows)
    return {"films": films, "film_bytes": FILM_BYTES, "runs": found}


def _posts_alone(ground: Ground, seconds: float) -> dict[str, Any]:
    before, peak = _slot_mb(), PeakMemory(publisher_pids)
    with peak:
        lateness = _spread(ground, seconds)
    return _figures("alone", lateness, before, peak, 0.0)


def _beside_uploads(ground: Ground, seconds: float, films: int) -> list[dict[str, Any]]:
    """Upload films while posts go out, then let the films go out at one instant."""
    start = time.time() + AHEAD_SECONDS
    due = start + seconds + UPLOAD_SECONDS_MOST
    posts = _insert_films(films, due)
    before, peak = _slot_mb(), PeakMemory(publisher_pids)
    began = time.monotonic()
    with peak:
        lateness = _spread(ground, seconds)
        wait_until(
            lambda: not ScheduledPost.objects.filter(pk__in=posts, needs_preparation=True).exists(),
            seconds=UPLOAD_SECONDS_MOST + seconds,
            what="the uploads",
        )
    rate = films * FILM_BYTES / 1e6 / (time.monotonic() - began)
    ground.stub.reset()
    moment = datetime.fromtimestamp(time.time() + AHEAD_SECONDS, UTC)
    ScheduledPost.objects.filter(pk__in=posts).update(due_at=moment, scheduled_at=moment)
    wait_until_received(ground, films)
    wait_until(is_idle, what="the last result")
    received = [at - moment.timestamp() for _, _, at in ground.stub.report()["received"]]
    return [
        _figures("beside uploads", lateness, before, peak, rate),
        _figures("the films", received, before, peak, rate),
    ]


def _insert_films(films: int, due: float) -> list[Any]:
    """Save posts with a film each, due later; the look-ahead has them already."""
    accounts = make_connections()
    path = Path(settings.MEDIA_ROOT) / "film.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(FILM_BYTES)
    posts = []
    for number in range(films):
        account = accounts[number]
        post = post_of(account, number, due)
        post.state, post.needs_preparation, post.media_count = "queued", True, 1
        post.save()
        asset = Asset.objects.create(
            workspace_id=account.workspace_id,
            kind="video",
            file="film.mp4",
            mime_type="video/mp4",
            size_bytes=FILM_BYTES,
        )
        PostMedia.objects.create(post=post, asset=asset)
        posts.append(post.pk)
    return posts


def _spread(ground: Ground, seconds: float) -> list[float]:
    """Let posts become due one after the other; return their lateness at the receiver."""
    ground.stub.reset()
    count = round(seconds * POSTS_PER_SECOND)
    start = time.time() + AHEAD_SECONDS
    insert_due(make_connections()[100:], [start + n / POSTS_PER_SECOND for n in range(count)])
    settle_database()
    sleep_until(start + seconds)
    wait_until_received(ground, count)
    return [at - due for _, due, at in ground.stub.report()["received"]]


def _slot_mb() -> float:
    return max(pss_mb(pid) for pid in publisher_pids())


def _figures(
    what: str, lateness: list[float], before: float, peak: PeakMemory, rate: float
) -> dict[str, Any]:
    return {
        "what": what,
        "posts": len(lateness),
        "lateness_ms": spread_of(lateness, scale=1000),
        "slot_mb_before": before,
        "slot_mb_peak": peak.peak_mb,
        "mb_per_second": rate,
    }


def _row(one: dict[str, Any]) -> list[Any]:
    return [
        one["what"], one["posts"], *one["lateness_ms"].values(), one["slot_mb_before"],
        one["slot_mb_peak"], one["mb_per_second"],
    ]  # fmt: skip
