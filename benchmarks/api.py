"""How quick is the API? Scheduling one post, reading one, and 500 in one request, as deployed.

gunicorn runs as in deploy/ (two processes, four threads each) but all of it on one core; this
process, PostgreSQL and Valkey have the others. Latency is seen by one client that sends one request
after the other on one connection; the rate by eight that do so at once. Every request is a new post
(an API key, an Idempotency-Key, an external id of its own), written durably.

    make bench ARGS="api"               about a minute
    make bench ARGS="api --quick"       one run with fewer requests
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from accounts.services import issue_api_key
from benchmarks.ground import Ground
from benchmarks.meters import CpuMeter
from benchmarks.posts import make_connections, settle_database
from benchmarks.results import median, print_table, spread_of
from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from tests.processes import wait_until
from tests.services import free_port

CLIENTS = 8
ROWS = 500
CORE = 0
WANTED = {"schedule_p50_ms": 15.0, "schedule_per_second": 150.0, "bulk_500_ms": 500.0}

Ask = Callable[[str, str, Any], Any]


def run(ground: Ground, options: Any) -> dict[str, Any]:
    """Measure `options.runs` times, print, and return the raw figures."""
    one_by_one, at_once = (40, 160) if options.quick else (500, 3000)
    (account, *_) = make_connections()
    _, key = issue_api_key(workspace=account.workspace, name="bench", actor="system")
    runs = []
    with _server(ground) as (port, pid):
        meter = CpuMeter({**ground.server_pids, "gunicorn": pid})
        _schedule_all(port, key, account, 60, clients=CLIENTS)  # everything is loaded and connected
        for _ in range(options.runs):
            settle_database()
            runs.append(_measure(port, key, account, one_by_one, at_once, meter))
    posts = ScheduledPost.objects.count()
    figures = {"clients": CLIENTS, "wanted": WANTED, "posts": posts, "runs": runs}
    _print(runs)
    return figures


def _measure(
    port: int,
    key: str,
    account: SocialConnection,
    one_by_one: int,
    at_once: int,
    meter: CpuMeter,
) -> dict[str, Any]:
    alone = _schedule_all(port, key, account, one_by_one, clients=1)
    before = meter.read()
    crowd = _schedule_all(port, key, account, at_once, clients=CLIENTS)
    usage = meter.since(before)
    ask = _client(port, key)
    return {
        "schedule_ms": spread_of(alone, scale=1000),
        "schedule_per_second": round(len(crowd) / usage.seconds, 1),
        "schedule_cpu_ms": round(usage.roles["gunicorn"] / len(crowd) * 1000, 3),
        "cores_used_by_others": round(usage.foreign_share, 3),
        "load_average": round(os.getloadavg()[0], 2),
        "schedule_in_the_crowd_ms": spread_of(crowd, scale=1000),
        "read_ms": spread_of(_times(one_by_one, _reading(ask)), scale=1000),
        "bulk_500_ms": spread_of(_times(5, lambda: _bulk(ask, account)), scale=1000),
    }


@contextmanager
def _server(ground: Ground) -> Iterator[tuple[int, int]]:
    """Run gunicorn as deployed, on one core; give its port and process id."""
    port = free_port()
    server = ground.processes.start(
        sys.executable, "-m", "gunicorn", "--config", "python:config.gunicorn",
        "--bind", f"127.0.0.1:{port}", "--no-control-socket", "config.wsgi",
        env={**os.environ, "API_REQUESTS_PER_MINUTE_AND_KEY": "1000000"},
    )  # fmt: skip
    os.sched_setaffinity(server.process.pid, {CORE})  # its workers inherit it
    try:
        wait_until(lambda: _answers(port), what="gunicorn's first answer")
        yield port, server.process.pid
    finally:
        server.end()


def _answers(port: int) -> bool:
    try:
        return _client(port, "")("GET", "health", None)["status"] == "healthy"
    except OSError:
        return False


def _client(port: int, key: str) -> Ask:
    """Return a function that asks on a connection of its own and raises unless it is a success."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(method: str, path: str, body: Any) -> Any:
        headers = {"X-API-Key": key} if key else {}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
        sent = None if body is None else json.dumps(body)
        connection.request(method, f"/api/v1/{path}", sent, headers)
        with connection.getresponse() as answer:
            read = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {read[:300]!r}")
        return json.loads(read)

    return ask


def _schedule_all(
    port: int, key: str, account: SocialConnection, count: int, *, clients: int
) -> list[float]:
    """Schedule `count` posts by `clients` at once; return how many seconds each took."""
    took: list[float] = []

    def work() -> None:
        ask = _client(port, key)
        took.extend(_times(count // clients, lambda: _schedule(ask, account)))

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(took) != count // clients * clients:
        raise RuntimeError("some requests failed")
    return took


def _times(count: int, call: Callable[[], Any]) -> list[float]:
    took = []
    for _ in range(count):
        begun = time.perf_counter()
        call()
        took.append(time.perf_counter() - begun)
    return took


def _schedule(ask: Ask, account: SocialConnection) -> None:
    ask("POST", "schedule", {**_wish(account), "user_id": "u-1", "org_id": "o-1"})


def _wish(account: SocialConnection) -> dict[str, str]:
    return {
        "content_id": uuid.uuid4().hex,
        "platform": account.platform,
        "connection_id": str(account.pk),
        "scheduled_at": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
        "text": f"The bells are back, {uuid.uuid4().hex}.",
    }


def _reading(ask: Ask) -> Callable[[], Any]:
    post = ScheduledPost.objects.order_by("pk").last()
    assert post is not None
    return lambda: ask("GET", f"posts/{post.pk}", None)


def _bulk(ask: Ask, account: SocialConnection) -> None:
    posts = [
        {
            "connection": str(account.pk),
            "text": wish["text"],
            "scheduled_at": wish["scheduled_at"],
            "external_id": wish["content_id"],
        }
        for wish in (_wish(account) for _ in range(ROWS))
    ]
    ask("POST", "posts/bulk", {"posts": posts})


def _print(runs: list[dict[str, Any]]) -> None:
    def told(*path: str) -> list[str]:
        values = []
        for one in runs:
            value: Any = one
            for part in path:
                value = value[part]
            values.append(float(value))
        return [f"{median(values):.1f}", f"{max(values):.1f}", f"{min(values):.1f}"]

    print_table(
        f"API on one core ({len(runs)} runs)",
        ("what", "median", "highest", "lowest", "wanted"),
        [
            ["schedule, ms p50", *told("schedule_ms", "p50"), "<= 15"],
            ["schedule, ms p99", *told("schedule_ms", "p99"), ""],
            ["schedule, per second", *told("schedule_per_second"), ">= 150"],
            ["schedule, ms of gunicorn's CPU", *told("schedule_cpu_ms"), "<= 6.7"],
            ["read a post, ms p50", *told("read_ms", "p50"), ""],
            [f"bulk of {ROWS}, ms p50", *told("bulk_500_ms", "p50"), "<= 500"],
        ],
    )
