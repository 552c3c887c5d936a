"""/ready trips within half a minute when something is gone, although its port still answers."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator

import pytest

from tests.databases import migrate
from tests.monitoring.ground import Ground, freeze, get, thaw
from tests.processes import Managed, Processes
from tests.services import PostgreSQL, Valkey, postgresql, valkey

log = logging.getLogger(__name__)  # figures: pytest --log-cli-level=INFO

WITHIN = 30.0


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[PostgreSQL, Valkey]]:
    """Give servers that only this test uses."""
    with postgresql(fsync=False) as database, valkey(append_only=False) as broker:
        yield database, broker


@pytest.fixture(scope="module")
def ground(
    servers: tuple[PostgreSQL, Valkey], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Ground, Managed]]:
    """Give site and worker, both ready; each test leaves them so."""
    processes = Processes(tmp_path_factory.mktemp("trips"))
    database, broker = servers
    env = {
        **os.environ,
        "DATABASE_URL": database.url("postgres"),
        "REDIS_URL": broker.url,
        "QUEUE_NAME": "trips",
    }
    migrate(env)
    ground = Ground(processes, env)
    try:
        worker = ground.start_worker()
        ground.start_site()
        ground.wait_ready(ground.worker)
        ground.wait_ready(ground.web)
        yield ground, worker
    finally:
        thaw(database)
        processes.end_all()


def test_without_slots_the_site_is_not_ready(
    ground: tuple[Ground, Managed],
) -> None:
    stage, worker = ground
    worker.end(signal.SIGKILL)
    took = stage.wait_unready(stage.web, "slots")
    assert took < WITHIN
    log.info("unready after %s", {stage.web: took})
    assert get(f"{stage.web}/health").status == 200
    stage.start_worker()
    back = stage.wait_ready(stage.web)
    stage.wait_ready(stage.worker)
    log.info("ready again after %s", {stage.web: back})


def test_without_the_broker_both_doors_say_so(
    ground: tuple[Ground, Managed],
    servers: tuple[PostgreSQL, Valkey],
) -> None:
    stage, _ = ground
    _, broker = servers
    broker.kill()
    took = {door: stage.wait_unready(door, "broker") for door in (stage.web, stage.worker)}
    assert max(took.values()) < WITHIN
    log.info("unready after %s", took)
    assert get(f"{stage.web}/ready").body["redis"] == {"connected": False}
    assert get(f"{stage.worker}/health").status == 200  # a new start would not bring it back
    broker.start()
    back = {door: stage.wait_ready(door) for door in (stage.web, stage.worker)}
    log.info("ready again after %s", back)


def test_with_the_database_frozen_both_doors_answer_at_once_and_say_so(
    ground: tuple[Ground, Managed],
    servers: tuple[PostgreSQL, Valkey],
) -> None:
    stage, _ = ground
    database, _ = servers
    freeze(database)
    took = {door: stage.wait_unready(door, "database") for door in (stage.web, stage.worker)}
    assert max(took.values()) < WITHIN
    log.info("unready after %s", took)
    answers = [get(f"{stage.web}/ready") for _ in range(3)]
    assert {answer.status for answer in answers} == {503}
    slowest = max(answer.seconds for answer in answers)
    assert slowest < 4.0  # the deadline is 1.5 s; this machine may be busy
    assert get(f"{stage.web}/health").status == 200
    assert get(f"{stage.worker}/health").status == 200
    thaw(database)
    back = {door: stage.wait_ready(door) for door in (stage.web, stage.worker)}
    log.info("ready again after %s", back)


def test_without_the_database_both_doors_say_so(
    ground: tuple[Ground, Managed],
    servers: tuple[PostgreSQL, Valkey],
) -> None:
    stage, _ = ground
    database, _ = servers
    database.kill()
    took = {door: stage.wait_unready(door, "database") for door in (stage.web, stage.worker)}
    assert max(took.values()) < WITHIN
    log.info("unready after %s", took)
    database.start()
    back = {door: stage.wait_ready(door) for door in (stage.web, stage.worker)}
    log.info("ready again after %s", back)
