"""What an idle installation takes: web (gunicorn as the Procfile has it) and qcluster, in PSS."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from typing import Any

from benchmarks.ground import IN_FLIGHT, Ground
from benchmarks.meters import CpuMeter, tree_pss_mb
from benchmarks.results import median, print_table
from tests.environment import ROOT
from tests.processes import wait_until
from tests.services import free_port

SETTLE_SECONDS = 10.0
WARM_UP_REQUESTS = 40  # so that every web worker has loaded what it serves with
PAGES = ("/admin/login/", "/api/v1/health")


def run(ground: Ground, options: Any) -> dict[str, Any]:
    """Measure, print, and return the raw figures."""
    found = [_measured(ground, options.slots) for _ in range(options.runs)]
    names = list(found[0])
    rows = [[n, *one.values()] for n, one in enumerate(found, 1)]
    rows.append(["median", *(median([one[name] for one in found]) for name in names)])
    rows.append(["worst", *(max(one[name] for one in found) for name in names)])
    print_table("Idle: PSS in MB, CPU cores", ["run", *names], rows)
    return {"slots": options.slots, "runs": found}


def _measured(ground: Ground, slots: int) -> dict[str, float]:
    port = free_port()
    web = ground.processes.start("sh", "-c", f"exec {_web_command()}", env={**_web_env(port)})
    try:
        with ground.cluster(slots=slots, concurrency=IN_FLIGHT // slots) as cluster:
            _warm_up(f"http://127.0.0.1:{port}")
            time.sleep(SETTLE_SECONDS)
            meter = CpuMeter({"web": web.process.pid, "qcluster": cluster.process.pid})
            before = meter.read()
            web_mb, cluster_mb = tree_pss_mb(web.process.pid), tree_pss_mb(cluster.process.pid)
            time.sleep(SETTLE_SECONDS)
            usage = meter.since(before)
    finally:
        web.end()
    return {
        "web": web_mb,
        "qcluster": cluster_mb,
        "together": web_mb + cluster_mb,
        "web_cores": usage.roles["web"] / usage.seconds,
        "qcluster_cores": usage.roles["qcluster"] / usage.seconds,
    }


def _web_command() -> str:
    """Return the web process's command line of the Procfile."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    return next(line.partition(": ")[2] for line in lines if line.startswith("web: "))


def _web_env(port: int) -> dict[str, str]:
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PORT": str(port), "PATH": path}


def _warm_up(url: str) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(url + PAGES[0], timeout=5) as answer:  # noqa: S310 - loopback
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            raise
        except OSError:
            return False

    wait_until(answers, what="the web server's first page")
    for number in range(WARM_UP_REQUESTS):
        page = PAGES[number % len(PAGES)]
        with urllib.request.urlopen(url + page, timeout=5) as answer:  # noqa: S310 - loopback
            answer.read()
