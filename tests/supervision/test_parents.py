"""Whoever kills a process of the cluster, its children end with it, whatever they are doing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.environment import ROOT
from tests.journeys.stage import Stage
from tests.processes import Processes, wait_until
from tests.supervision.family import are_gone, guard_of, long_task, noted, queue, wait_for_slots

FORK = """
import multiprocessing, os, sys, time
import django
django.setup()
from engine import sentinel

def live(how):
    with open(sys.argv[1], "w") as note: note.write(str(os.getpid()))
    if how == "late":
        while os.getppid() == multiprocessing.parent_process().pid: time.sleep(0.01)
    if how == "watch":
        sentinel.watch_parent(os.getppid())
    sentinel.tie_to_parent("q-child")
    time.sleep(600)

child = multiprocessing.get_context("fork").Process(target=live, args=(sys.argv[2],))
child.start()
child.join()
"""


@pytest.mark.parametrize("victim", ["command", "guard"])
def test_a_long_task_ends_with_whoever_started_its_worker(
    stage: Stage, tmp_path: Path, victim: str
) -> None:
    task, note = long_task(tmp_path)
    cluster = stage.cluster(PUBLISHER_SLOTS="1", WORKER_CONCURRENCY="2")
    wait_for_slots()
    queue(stage, "runpy.run_path", repr(str(task)))
    busy = noted(note)
    guard = guard_of(cluster)
    family = [guard, *guard.children()]
    (cluster.process if victim == "command" else guard).kill()
    assert busy in family
    wait_until(lambda: are_gone(family), seconds=5, what="the end of all children")


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("at once", "the kernel ends a child that asked for it"),
        ("late", "a child that asks after its parent's death ends itself"),
        ("watch", "a child that watches its parent ends itself"),
    ],
)
def test_a_child_outlives_its_parent_in_no_case(
    processes: Processes, tmp_path: Path, how: str, told: str
) -> None:
    note = tmp_path / "child"
    env = {"PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "config.settings", "DEBUG": "1"}
    parent = processes.start(
        sys.executable, "-c", FORK, str(note), how, env={**env, "CARILLON_ENV_FILES": ""}
    )
    child = noted(note)
    if how == "at once":
        wait_until(lambda: child.name() == "q-child", what="the wish to end with the parent")
    parent.process.kill()
    parent.wait(5)
    wait_until(lambda: are_gone([child]), seconds=5, what=told)
    assert not processes.alive()
