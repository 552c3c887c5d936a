"""The benchmarks still run, on twenty posts; what they measure is nobody's verdict here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.stub_x import CONSUMER_KEY, CONSUMER_SECRET, is_signed, token_of
from benchmarks.texts import read_text, text_of
from engine.oauth1 import Signer
from tests.environment import ROOT

POSTS = 20


@pytest.fixture
def figures(tmp_path: Path, live_database: str) -> dict[str, object]:
    """Give the raw figures of one small burst on the tests' own servers."""
    subprocess.run(
        [
            sys.executable, "-m", "benchmarks", "burst", "--quick", "--posts", str(POSTS),
            "--slots", "1", "--results", str(tmp_path / "results"),
            "--database", live_database, "--broker", os.environ["REDIS_URL"],
        ],
        cwd=ROOT, check=True, timeout=120,
    )  # fmt: skip
    (kept,) = (tmp_path / "results").glob("*-burst.json")
    found: dict[str, object] = json.loads(kept.read_text())
    return found


def test_a_burst_reaches_the_stub_whole_from_both_sides(figures: dict[str, object]) -> None:
    runs = figures["runs"]
    assert isinstance(runs, list)
    assert [run["kind"] for run in runs] == ["carillon", "bare"]
    for run in runs:
        assert (run["duplicates"], run["missing"], run["bad_signatures"]) == (0, 0, 0)
        assert run["received_rate"] > 0
        assert run["cpu"]["total"] > 0
    assert runs[0]["states"] == {"published": POSTS}


def test_the_api_is_asked_as_it_is_deployed(tmp_path: Path, live_database: str) -> None:
    subprocess.run(
        [
            sys.executable, "-m", "benchmarks", "api", "--quick",
            "--results", str(tmp_path), "--database", live_database,
            "--broker", os.environ["REDIS_URL"],
        ],
        cwd=ROOT, check=True, timeout=180,
    )  # fmt: skip
    (kept,) = tmp_path.glob("*-api.json")
    (run,) = json.loads(kept.read_text())["runs"]
    for measured in ("schedule_ms", "schedule_in_the_crowd_ms", "read_ms", "bulk_500_ms"):
        assert run[measured]["p50"] > 0
    assert run["schedule_per_second"] > 0
    assert run["schedule_cpu_ms"] > 0


def test_the_stub_accepts_right_signatures_and_no_others() -> None:
    signer = Signer(CONSUMER_KEY, CONSUMER_SECRET, *token_of(7))
    header = signer.authorization("POST", "http://127.0.0.1:8099/2/tweets")
    head = f"POST /2/tweets HTTP/1.1\r\nAuthorization: {header}\r\n\r\n".encode()
    assert is_signed(head, 8099)
    assert not is_signed(head, 8098)
    assert not is_signed(head.replace(b"7-bench-token", b"8-bench-token"), 8099)
    assert not is_signed(b"POST /2/tweets HTTP/1.1\r\n\r\n", 8099)


def test_a_text_tells_its_number_and_moment() -> None:
    assert read_text(f'{{"text":"{text_of(17, 1790000000.25)}"}}'.encode()) == (17, 1790000000.25)
    assert read_text(b'{"text":"something else"}') is None


def test_a_scrape_is_measured_in_both_formats(tmp_path: Path, live_database: str) -> None:
    subprocess.run(
        [
            sys.executable, "-m", "benchmarks", "metrics", "--quick",
            "--results", str(tmp_path / "results"),
            "--database", live_database, "--broker", os.environ["REDIS_URL"],
        ],
        cwd=ROOT, check=True, timeout=120,
    )  # fmt: skip
    (kept,) = (tmp_path / "results").glob("*-metrics.json")
    found = json.loads(kept.read_text())
    assert found["bytes"] > 1000
    assert {len(found[name]) for name in ("text", "openmetrics")} == {20}
