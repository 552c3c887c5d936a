"""Kill -9 of notifiers in a real cluster, at every step: nothing is lost, no text message doubled.

NOTIFIER_DEATHS (1) is how often a notifier dies at each step. A long run:

    NOTIFIER_DEATHS=4 make test ARGS="tests/journeys/test_notifier_crashes.py -s --timeout 1800"
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from engine.crash_points import STEPS
from notifications import endpoints
from notifications.models import Delivery, DeliveryState
from notifications.outbox import OutboxEvent, write
from notifications.targets import register_device
from tests.factories import make_user
from tests.journeys.stage import Stage
from tests.notifications.senders import MAIL, provider_settings, public_pem, use
from tests.processes import wait_until

D = DeliveryState
DEATHS = int(os.environ.get("NOTIFIER_DEATHS", "1"))
EACH = 6 * DEATHS  # messages of each channel
DEADLY = [step for step in STEPS if step.startswith("notify.")]
OFFICES = {
    "email": "sendgrid",
    "sms": "twilio",
    "push": "fcm",
    "slack": "slack",
    "webhook": "callbacks",
    "endpoint": "callbacks",
}


def aims(stage: Stage) -> list[tuple[str, str, str]]:
    """Return (channel, target, where it shows) of every message, each to a reader of its own."""
    user = make_user(stage.workspace)
    found = []
    for n in range(EACH):
        token = f"device-{stage.tag}-{n}-0123456789"
        device = register_device(user=user, token=token, platform="android")
        number = f"+49{int(stage.tag, 16) % 10**9:09d}{n:03d}"
        hook = f"{stage.judge.url}/hooks/e-{stage.tag}-{n}"
        endpoint, _ = endpoints.create(stage.workspace, url=hook, actor="user:test")
        own = f"{stage.judge.url}/hooks/w-{stage.tag}-{n}"
        found += [
            ("email", f"ada-{stage.tag}-{n}@example.org", f"ada-{stage.tag}-{n}@example.org"),
            ("sms", number, number),
            ("push", str(device.pk), token),
            ("slack", f"C{stage.tag}{n}".upper(), f"C{stage.tag}{n}".upper()),
            ("webhook", own, f"/hooks/w-{stage.tag}-{n}"),
            ("endpoint", str(endpoint.pk), f"/hooks/e-{stage.tag}-{n}"),
        ]
    return found


def tell(stage: Stage, channel: str, target: str) -> Delivery:
    context = {"mail": MAIL, "data": {"tag": stage.tag}}
    key = f"crash:{channel}:{target}"
    event = OutboxEvent("post.failed", stage.workspace.pk, context, key, ((channel, target),))
    write([event])
    return Delivery.objects.get(notification_id=event.id)


def test_notifiers_killed_at_every_step_lose_nothing_and_double_no_text_message(
    stage: Stage, settings: Any, tmp_path: Path
) -> None:
    armed = tmp_path / "armed"
    armed.mkdir()
    values = {
        **provider_settings(stage.judge.url),
        "PRIVATE_HOSTS_ALLOWED": "127.0.0.0/8",
        "CALLBACK_DEADLINE_SECONDS": "2",
        "CHANNEL_DEADLINE_SECONDS": "2",
    }
    use(settings, {"PRIVATE_HOSTS_ALLOWED": ["127.0.0.0/8"]})
    account = "demo-tests@carillon-test.iam.gserviceaccount.com"
    keys = {"client_email": account, "public_key": public_pem()}
    stage.judge.ask("/_control/service-accounts", keys)
    env = {name: str(value) for name, value in values.items()}
    stage.cluster(
        **env,
        NOTIFIER_SLOTS="2",
        CRASH_POINTS=str(armed),
        CREDENTIAL_KEYS=os.environ["CREDENTIAL_KEYS"],
    )
    begun = time.monotonic()
    everything = aims(stage)
    told: list[tuple[str, str, Delivery]] = []
    for life in range(DEATHS):
        for number, step in enumerate(DEADLY):
            (armed / step).write_text(str((number + life) % 3))
        share = everything[life * 36 : (life + 1) * 36]
        told += [(channel, shown, tell(stage, channel, to)) for channel, to, shown in share]
        extra = 0
        while list(armed.iterdir()):  # something must happen for them to die of
            extra += 1
            target = f"{stage.judge.url}/hooks/x-{stage.tag}-{life}-{extra}"
            shown = target.removeprefix(stage.judge.url)
            told.append(("webhook", shown, tell(stage, "webhook", target)))
            assert extra < 600, [path.name for path in armed.iterdir()]
            time.sleep(0.4)
    open_ones = Delivery.objects.filter(state__in=[D.PENDING, D.SENDING])
    wait_until(lambda: not open_ones.all().exists(), seconds=150, what="the end of all deliveries")
    figures: Counter[str] = Counter()
    for channel, shown, delivery in told:
        delivery.refresh_from_db()
        letters = _letters(stage, channel, shown)
        figures[f"{channel} {delivery.state}"] += 1
        figures[f"{channel} twice"] += letters > 1
        if channel == "sms":
            assert letters <= 1
            in_doubt = delivery.state == D.FAILED and "nknown whether" in delivery.error_text
            assert in_doubt or (delivery.state == D.SENT and letters == 1), delivery.error_text
        else:
            assert delivery.state == D.SENT, (channel, delivery.error_text)
            assert letters >= 1, channel
    figures["seconds"] = round(time.monotonic() - begun)
    counts = ", ".join(f"{number} {what}" for what, number in sorted(figures.items()))
    print(f"\n{DEATHS * len(DEADLY)} deaths, {len(told)} deliveries: {counts}")  # noqa: T201


def _letters(stage: Stage, channel: str, to: str) -> int:
    path = f"/_inbox.json?office={OFFICES[channel]}&to={quote(to)}&limit=1000"
    return len(stage.judge.ask(path)["letters"])


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    from django.core.cache import cache

    cache.clear()
