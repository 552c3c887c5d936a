"""Alerts and dashboard speak of metrics that exist, and fire when they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.utils import timezone

from engine import slots
from engine.models import Installation, RateLimitState
from monitoring import census, exposition
from notifications.models import Delivery, Notification
from platforms.models import SocialConnection
from scheduling.records import record
from tests.environment import ROOT
from tests.factories import make_connection, make_post
from tests.scheduling.claimed import WORKER, again, marked, published

PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES: dict[str, Any] = yaml.safe_load((PROMETHEUS / "rules.yaml").read_text())
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "carillon.json").read_text())
OURS = re.compile(r"\b(?:carillon|publisher)_[a-z_]+")
RECORDED = {r["record"] for group in RULES["groups"] for r in group["rules"] if "record" in r}
promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="there is no promtool: apt install prometheus"
)


def expressions() -> Iterator[str]:
    """Yield every query of rules and dashboard."""
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    yield from (v["definition"] for v in DASHBOARD["templating"]["list"] if "definition" in v)


@pytest.fixture
def page(connection: SocialConnection) -> str:
    """Give /metrics of an installation in which there is something of everything."""
    record([published(marked(make_post(connection))[0], "1")], worker=WORKER)
    record([again(marked(make_post(connection))[0])], worker=WORKER)
    slots.open_slot("publish")
    now = timezone.now()
    Installation.objects.update_or_create(pk=1, defaults={"canary_at": now})
    make_connection(connection.workspace, platform="mastodon", expires_at=now)
    RateLimitState.objects.create(
        scope="app", key="x", platform="x", limit=10, remaining=4, breaker="open",
        resets_at=now + timedelta(minutes=1), blocked_until=now + timedelta(minutes=1),
    )  # fmt: skip
    told = Notification.objects.create(event="post.published", dedupe_key="1")
    Delivery.objects.create(notification=told, channel="email", target="a@example.org")
    census.take()
    return exposition.render(openmetrics=False)[0].decode()


def test_every_metric_that_is_asked_for_exists(page: str) -> None:
    asked = {name for text in expressions() for name in OURS.findall(text)}
    told = set(re.findall(r"^([a-z_]+)[{ ]", page, re.MULTILINE))
    assert len(asked) > 20
    assert asked - told == set()


def test_every_recorded_series_that_is_asked_for_is_recorded() -> None:
    asked = {n for text in expressions() for n in re.findall(r"carillon:[a-z_:0-9]+", text)}
    assert asked <= RECORDED
    assert asked | {"carillon:late:ratio_rate2h"} >= RECORDED


def test_labels_that_are_asked_for_exist(page: str) -> None:
    for name, label in {
        (name, label)
        for text in expressions()
        for name, labels in re.findall(r"((?:carillon|publisher)_[a-z_]+)\{([^}]*)\}", text)
        for label in re.findall(r"(\w+)(?:=~|!~|!=|=)", labels)
    }:
        assert re.search(rf"^{name}\{{[^}}]*\b{label}=", page, re.MULTILINE), (name, label)


def test_every_alert_says_what_to_do_and_whom_it_wakes() -> None:
    alerts = [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]
    operations = (ROOT / "docs" / "operations.md").read_text()
    for alert in alerts:
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert {"summary", "description"} == alert["annotations"].keys()
        assert f"`{alert['alert']}`" in operations, alert["alert"]


def test_panels_have_their_own_ids_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@promtool
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "rules.yaml"), ("test", "rules", "rules.test.yaml"),
     ("check", "config", "--syntax-only", "prometheus.yaml")],
)  # fmt: skip
def test_promtool_is_content_with_the_rules(arguments: tuple[str, ...]) -> None:
    done = _promtool(*arguments, cwd=PROMETHEUS)
    assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_promtool_is_content_with_the_metrics(page: str) -> None:
    done = _promtool("check", "metrics", given=page)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def _promtool(
    *arguments: str, cwd: Path = ROOT, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *arguments],
        cwd=cwd, input=given, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
