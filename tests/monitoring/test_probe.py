"""The worker's door, without a cluster: what it says comes from what supervisor and pulse noted."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from engine.drain import start_draining, stop_draining
from engine.probe import Probe
from engine.pulse import Pulse, Seen
from tests.monitoring.ground import get
from tests.services import free_port


class Noted(Pulse):
    """A pulse whose notes the test writes; it never runs."""

    def __init__(self, seen: Seen, *, silent: float = 0.5, trouble: str = "") -> None:
        super().__init__()
        self.seen, self.trouble, self._silent = seen, trouble, silent

    def silent_seconds(self) -> float:
        return self._silent


WELL = Seen(slots={"publish": 1, "cluster": 1}, active=2, canary_seconds=3.0)


def _answer(path: str, pulse: Pulse | None, silence: float = 0.0) -> tuple[int, dict[str, Any]]:
    status, _, body = Probe(pulse=lambda: pulse, silence=lambda: silence).answer(path)
    return status, json.loads(body)


def test_a_worker_with_fresh_slots_is_ready_in_the_predecessors_shape() -> None:
    status, body = _answer("/ready", Noted(WELL))
    assert (status, body["status"], body["failed"]) == (200, "ready", [])
    assert body["worker"] == {"running": True, "activeJobs": 2, "slots": 1}
    assert body["redis"] == {"connected": True}


@pytest.mark.parametrize(
    ("pulse", "failed"),
    [
        (None, "database"),
        (Noted(WELL, silent=60.0), "database"),
        (Noted(WELL, trouble="broker"), "broker"),
        (Noted(Seen(slots={"publish": 0}, canary_seconds=3.0)), "slots"),
        (Noted(Seen(slots={"publish": 1}, canary_seconds=99.0)), "canary"),
    ],
)
def test_what_is_missing_is_named(pulse: Pulse | None, failed: str) -> None:
    status, body = _answer("/ready/", pulse)
    assert (status, body["failed"]) == (503, [failed])


def test_a_worker_that_ends_is_not_ready_but_alive() -> None:
    start_draining()
    try:
        status, body = _answer("/ready", Noted(WELL))
        assert (status, body["failed"], body["draining"]) == (503, ["draining"], True)
        assert _answer("/health", Noted(WELL))[0] == 200
    finally:
        stop_draining()


def test_alive_is_a_supervisor_that_comes_round(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _answer("/health", None)[0] == 200
    assert _answer("/health", Noted(WELL), silence=100.0)[0] == 503
    monkeypatch.setattr("engine.probe.uptime_seconds", lambda: 1000.0)
    lost = Seen(slots={"publish": 1}, canary_seconds=600.0)
    assert _answer("/health", Noted(lost))[0] == 503
    # A server is away: starting us anew would not bring it back.
    assert _answer("/health", Noted(lost, silent=60.0))[0] == 200
    assert _answer("/elsewhere", None)[0] == 404


def test_the_door_opens_where_it_is_told_to(settings: Any) -> None:
    settings.HEALTH_CHECK_ENABLED, settings.HEALTH_CHECK_PORT = True, free_port()
    Probe(pulse=lambda: Noted(WELL), silence=lambda: 0.0).start()
    door = f"http://127.0.0.1:{settings.HEALTH_CHECK_PORT}"
    assert get(f"{door}/health").body["service"] == "carillon-worker"
    assert "\npublisher_active_jobs 2\n" in get(f"{door}/metrics").text


def test_a_taken_port_stops_nothing(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings.HEALTH_CHECK_ENABLED = True
        settings.HEALTH_CHECK_PORT = taken.getsockname()[1]
        Probe(pulse=lambda: None, silence=lambda: 0.0).start()
    assert "probe.unavailable" in caplog.messages
