"""10,000 deliveries to 50 webhook endpoints, a tenth of which fail or never answer.

One notifier slot as in production. Twice: events that happen one after the other (four a second, so
200 deliveries a second), for how long after its moment a healthy endpoint hears of one; then all at
once, for the throughput. Judged by the receivers: every event of a healthy endpoint arrived (lost:
0), and whatever did not says why and when it is tried next (silent: 0).

    make bench ARGS="webhooks"
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from collections import Counter
from typing import Any

from django.db import transaction
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from accounts.models import Workspace
from benchmarks.ground import Ground
from benchmarks.results import print_table, spread_of
from engine.slots import fresh
from notifications import endpoints
from notifications.endpoint_events import Happening, addressed
from notifications.models import Channel, Delivery, DeliveryState
from notifications.outbox import write
from tests.processes import wait_until
from tests.services import free_port

D = DeliveryState
EVENTS, ENDPOINTS, FAILING, HANGING = 200, 50, 3, 2
QUICK_EVENTS, QUICK_ENDPOINTS = 20, 10
EVENTS_PER_SECOND = 4.0
SETTLE_SECONDS = 2.0  # the slot looks once a second whether it may send
PATIENCE_SECONDS = 240.0


def run(ground: Ground, options: Any) -> dict[str, Any]:
    """Measure, print, and return the raw figures."""
    many = (QUICK_EVENTS, QUICK_ENDPOINTS) if options.quick else (EVENTS, ENDPOINTS)
    events, number = many
    failing, hanging = (1, 1) if options.quick else (FAILING, HANGING)
    figures: dict[str, Any] = {"events": events, "endpoints": number, "runs": []}
    for name, pace in (("one after the other", EVENTS_PER_SECOND), ("all at once", 0.0)):
        figures["runs"].append(
            {"name": name, **_measure(ground, events, number, failing, hanging, pace)}
        )
    columns = (
        "deliveries", "healthy", "seconds", "per_second", "p50_ms", "p99_ms", "max_ms",
        "lost", "silent", "twice", "bad_signatures",
    )  # fmt: skip
    print_table(
        f"{events * number:,} deliveries to {number} endpoints, {failing} failing, {hanging} mute",
        ("run", *columns),
        [(run["name"], *(run[column] for column in columns)) for run in figures["runs"]],
    )
    return figures


def _measure(
    ground: Ground, events: int, number: int, failing: int, hanging: int, pace: float
) -> dict[str, Any]:
    port = free_port()
    receiver = ground.processes.start(
        sys.executable, "-m", "benchmarks.hook_receiver", "--port", str(port),
        "--failing", str(failing), "--hanging", str(hanging), env=dict(os.environ),
    )  # fmt: skip
    receiver.wait_for("ready")
    workspace, made = _endpoints(port, number)
    well = {pk for pk, _ in made[failing + hanging :]}
    with ground.cluster(slots=1, concurrency=10, PRIVATE_HOSTS_ALLOWED="127.0.0.1"):
        wait_until(lambda: fresh("notify").exists(), what="the notifier's start")
        time.sleep(SETTLE_SECONDS)
        begun = time.time()
        for at in range(events):
            if pace:
                time.sleep(max(0.0, begun + at / pace - time.time()))
            _happen(workspace, at)
        _wait_for(well, events * len(well))
    found = _report(port)
    receiver.end()
    return _judge(workspace, found, made, well)


def _wait_for(well: set[str], many: int) -> None:
    """Wait until every delivery to a healthy endpoint is recorded as taken."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    taken = Delivery.objects.filter(target__in=well, state=D.SENT)
    while taken.count() < many and time.monotonic() < deadline:
        time.sleep(0.25)


def _judge(
    workspace: Workspace,
    found: dict[str, Any],
    made: list[tuple[str, str]],
    well: set[str],
) -> dict[str, Any]:
    """Compare what arrived with what was written."""
    rows = Delivery.objects.filter(notification__workspace=workspace, channel=Channel.ENDPOINT)
    written = {
        (target, str(notification)): (at, state, due, text)
        for target, notification, at, state, due, text in rows.values_list(
            "target", "notification_id", "created_at", "state", "due_at", "error_text"
        )
    }
    arrivals = Counter((made[number][0], message) for number, message, _ in found["heard"])
    first: dict[tuple[str, str], float] = {}
    for number, message, at in found["heard"]:
        first.setdefault((made[number][0], message), at)
    healthy = {key: told for key, told in written.items() if key[0] in well}
    lateness = [first[key] - told[0].timestamp() for key, told in healthy.items() if key in first]
    begun = min(told[0].timestamp() for told in written.values())
    seconds = max(first[key] for key in healthy if key in first) - begun
    unfinished = [told for told in written.values() if told[1] != D.SENT]
    return {
        "deliveries": len(written),
        "healthy": len(healthy),
        "seconds": round(seconds, 2),
        "per_second": round(len(lateness) / seconds, 1),
        **{f"{name}_ms": value for name, value in spread_of(lateness, scale=1000).items()},
        "lost": sum(key not in first for key in healthy),
        # Neither at an end nor waiting for a moment of its own, or tried without a word about it.
        "silent": sum(
            state not in {D.PENDING, D.SENDING} or (state == D.PENDING and due is None)
            for _, state, due, _ in unfinished
        ),
        "tried_and_told_why": sum(bool(text) for _, _, _, text in unfinished),
        "twice": sum(arrivals[key] > 1 for key in healthy),
        "bad_signatures": _bad_signatures(found["whole"], made),
        "states": dict(Counter(told[1] for told in written.values())),
    }


def _bad_signatures(whole: list[dict[str, Any]], made: list[tuple[str, str]]) -> int:
    bad = 0
    for one in whole:
        try:
            Webhook(made[one["number"]][1]).verify(one["body"], one["headers"])
        except WebhookVerificationError:
            bad += 1
    return bad


def _endpoints(port: int, number: int) -> tuple[Workspace, list[tuple[str, str]]]:
    """Return a workspace with endpoints: (id, secret) in the order of their numbers."""
    workspace = Workspace.objects.create(slug=f"hooks-{port}", name="Hooks")
    made = [
        endpoints.create(workspace, url=f"http://127.0.0.1:{port}/e/{n}", actor="system")
        for n in range(number)
    ]
    return workspace, [(str(endpoint.pk), secret) for endpoint, secret in made]


def _happen(workspace: Workspace, number: int) -> None:
    happening = Happening(
        event="post.published",
        workspace_id=workspace.pk,
        data={"content_id": f"c-{number}", "state": "published", "sequence": number},
        dedupe_key=f"bench:{workspace.pk}:{number}",
    )
    with transaction.atomic():
        write(addressed([happening], {workspace.pk}))


def _report(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_report", timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        return found
