"""One trial: hosts on a fresh database, a burst of posts, a fault in the middle, the verdict.

1. A copy of the migrated template, fresh accounts at the sandbox, one or more hosts.
2. Posts are scheduled over the next seconds; at the drawn moment the fault strikes.
3. What a service manager would restart is restarted: a host whose top process ended.
4. When no post moves any more (or time is up) rows and books are handed to the judge.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections

from engine.models import Installation, WorkerSlot
from engine.slots import fresh
from notifications.models import Delivery, DeliveryState
from platforms import services as platform_services
from platforms.models import SocialConnection
from scheduling import outage
from scheduling.drafts import account_of
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.chaos import faults
from tests.chaos.burst import Burst, network_of
from tests.chaos.ground import Ground, use_database
from tests.chaos.plan import Plan
from tests.chaos.reading import read_stories
from tests.chaos.verdict import Copy, Promise, Verdict, Violation, judge, summary
from tests.journeys.stage import Judge
from tests.processes import Managed, Processes

S = PostState

CALL_DEADLINE, LEASE, MARGIN, GRACE = 1.0, 1.8, 0.3, 0.5
FIND_LAG = 2.0
TIMES = {
    "CALL_DEADLINE_SECONDS": str(CALL_DEADLINE),
    "PUBLISH_LEASE_SECONDS": str(LEASE),
    "LEASE_MARGIN_SECONDS": str(MARGIN),
    "RECONCILE_GRACE_SECONDS": str(GRACE),
    "SLOT_TIME_TO_LIVE_SECONDS": "1.5",
    "SHUTDOWN_GRACE_SECONDS": "4",
    "CALLBACK_DEADLINE_SECONDS": "5",
    "JOB_RETRY_DELAY": "200",
    "RETRY_MAX_DELAY_MS": "1000",
    "WORKER_CONCURRENCY": "1",
    "LOG_FORMAT": "text",
    "CHAOS_FIND_LAG_SECONDS": str(FIND_LAG),
}
UNSENT_SECONDS, DOUBT_SECONDS = 5.0, 15.0  # promised: after the fault, after lease and grace
START_SECONDS = 60.0
END_SECONDS = 10.0
ENDS_A_HOST = {"kill.top", "kill.host", "kill.everything", "stop.term", "crash.cluster"}
SETTLE_SECONDS = 60.0
DELIVERY_SECONDS = 60.0  # a marked delivery belongs to its dead slot for half a minute
AHEAD_SECONDS = 1.0
PIXELS = b"\x89PNG\r\n\x1a\n" + b"\x00" * 60


class Trial:
    """A running trial; the faults act on it."""

    lease_and_grace = LEASE + GRACE
    find_lag = FIND_LAG

    def __init__(self, ground: Ground, plan: Plan, logs: Path, patience: float) -> None:
        self.ground, self.plan, self.patience = ground, plan, patience
        self.tag = secrets.token_hex(4)
        self.processes = Processes(logs)
        self.crash_points = logs / "crash-points"
        self.crash_points.mkdir()
        self.hosts: list[Managed] = []
        self.never_reached: list[str] = []
        self.missed = False  # nobody came to the armed step
        self.restarts = 0
        self.unasked = 0  # posts that left a copied database before staff resumed it
        self._host_env: list[dict[str, str]] = []
        self._back = 0.0
        self._sandbox_id = ""

    def run(self) -> dict[str, Any]:
        """Run it and return its line of the results."""
        started = time.monotonic()
        verdict: Verdict | None = None
        with self.ground.database() as url:
            self._use(url)
            try:
                verdict = self._play()
            finally:
                self.processes.end_all()
                if self.database_url != url:
                    use_database(self.ground.postgresql.url("postgres"))
                    self.ground.databases.drop(self.database_url)

        return {
            **summary(verdict),
            "posts": self.plan.posts,
            "restarts": self.restarts,
            "never_reached": self.never_reached,
            "seconds": round(time.monotonic() - started, 1),
        }

    # --- the parts ------------------------------------------------------------------------

    def _use(self, url: str) -> None:

        self.database_url, self.database_name = url, urlsplit(url).path[1:]
        self.judge = Judge(self.ground.sandbox_url)
        self.judge.ask("/_control", method="DELETE")
        self.judge.ask("/_data", method="DELETE")
        self.env = {
            **self.ground.base_env,
            **TIMES,
            **_networks(self.ground.sandbox_url),
            "DATABASE_URL": url,
            "REDIS_URL": self.ground.valkey.url,
            "QUEUE_NAME": f"chaos-{self.tag}",
            "CRASH_POINTS": str(self.crash_points),
            "PUBLISHER_SLOTS": str(self.plan.slots),
            "NOTIFIER_SLOTS": str(int(self.plan.callbacks)),
        }

    def _play(self) -> Verdict:
        self.burst = Burst(self.plan, self.judge, self.env, self.ground.receiver.url)
        copied = self.plan.fault.startswith("copy.")
        if not copied:
            self._start_hosts()
        if self.plan.early:
            for place in range(len(self.plan.arm)):
                faults.arm(self, place)
        self.burst.schedule()
        self._be_cruel()
        if copied:
            self._play_copy()
        else:
            self._sleep(self.plan.moment)
            faults.strike(self)
        self._back = self._database_now()
        if self._keep_and_wait_for_slots():
            self._back = self._database_now()
        self._settle()
        return self._judge()

    def _start_hosts(self, **env: str) -> None:
        for shift in self.plan.shifts:
            self._host_env.append({**self.env, "CHAOS_CLOCK_SHIFT_SECONDS": str(shift), **env})
            self.hosts.append(self._start_host(len(self._host_env) - 1))
        self.wait(self._has_all_slots, START_SECONDS, "all slots")

    def _start_host(self, place: int) -> Managed:
        return self.processes.start(
            sys.executable, "-m", "tests.chaos.host", env=self._host_env[place]
        )

    def _be_cruel(self) -> None:
        latency = {"min": self.plan.latency_ms / 2, "max": self.plan.latency_ms}
        self.judge.ask("/_control", {"network": None, "on": "create", "latency_ms": latency})
        if self.plan.forgetful:
            self.judge.ask("/_control", {"network": "x", "duplicate_forgets_after_ms": 0})
        for network, switches in self.plan.cruelty:
            self.judge.ask("/_control", {"network": network or None, "on": "create", **switches})

    def _play_copy(self) -> None:
        """Start on a copy of a database: nothing may be sent before staff resume."""

        other = self.plan.fault == "copy.other_id"
        Installation.objects.create(pk=1, installation_id="the original")
        age = "1 minute" if other else "2 hours"
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {Installation._meta.db_table} SET heartbeat_at = now() - interval '{age}'"
            )
        connections.close_all()
        copy = self.ground.databases.copy(self.database_url)
        use_database(copy)
        self.env["DATABASE_URL"] = self.database_url = copy
        self.database_name = urlsplit(copy).path[1:]
        name = "the copy" if other else "the original"
        self._start_hosts(INSTALLATION_ID=name)
        self._sleep(2.0)
        self.unasked = len(self.copies())
        settings.INSTALLATION_ID = name  # staff resume it in a process of this installation
        outage.resume(actor="user:test")

    def _settle(self) -> None:
        """Wait until the machine has nothing left to do, then a little for what lands late."""
        with contextlib.suppress(TimeoutError):
            self.wait(self._is_settled, SETTLE_SECONDS, "the end of all posts")
        if self.plan.callbacks:
            with contextlib.suppress(TimeoutError):
                self.wait(self._all_delivered, DELIVERY_SECONDS, "all callbacks")
        self._sleep(0.5)

    def _judge(self) -> Verdict:

        fresh_slots = [*fresh("publish").values_list("pk", flat=True)]
        verdict = judge(read_stories(self.burst.texts), self.copies(), fresh_slots, self._promise())
        verdict.violations += [
            Violation("unreached", "", f"{what} was never reached") for what in self.never_reached
        ]
        if self.unasked:
            what = f"{self.unasked} posts left a copied database unasked"
            verdict.violations.append(Violation("doubled", "", what))
        if self.plan.callbacks and (waiting := self.undelivered()):
            what = f"{len(waiting)} callbacks did not arrive: {waiting[0]}"
            verdict.violations.append(Violation("silent", "", what))
        return verdict

    def _promise(self) -> Promise:

        network_at_fault = self.plan.fault.startswith("network.")
        asked_to_wait = self.plan.fault == "network.limited"
        passive = network_at_fault or self.plan.fault == "host.clocks"
        # Behind calls that hang, others of the account wait for a place: no host can change that.
        unsent = UNSENT_SECONDS * (2 if self.plan.cruelty else 1) * self.patience
        by_person, of_accounts = self._truly_by_person()
        return Promise(
            back=0.0 if passive else self._back,
            lease_and_grace=LEASE + GRACE,
            unsent_seconds=None if network_at_fault else unsent,
            doubt_seconds=None if asked_to_wait else DOUBT_SECONDS * self.patience,
            by_person=frozenset(by_person),
            of_accounts=frozenset(of_accounts),
        )

    def _truly_by_person(self) -> tuple[set[str], set[str]]:
        """Return the states, and the accounts, in which waiting for a person is the truth."""
        accounts = self.burst.accounts
        if any(step.startswith("refresh.") for step, _, _ in self.plan.arm):
            # The only refresh token may have died with the process that had fetched its successor.
            return {S.BLOCKED}, {a.username for a in accounts if a.expires_at}
        if self.plan.fault == "token.revoked":
            # In doubt when the token was revoked: the network refused to be asked.
            return {S.OUTCOME_UNKNOWN}, {accounts[self.plan.pick % len(accounts)].username}
        return set(), set()

    # --- what faults ask for ----------------------------------------------------------------

    def a_host(self) -> Managed:
        """Return the host that the plan picks."""
        return self.hosts[self.plan.pick % len(self.hosts)]

    def slot_pids(self, *, every_kind: bool = False) -> list[int]:
        """Return the processes in which slots run."""

        slots = WorkerSlot.objects.filter(stopped_at=None).exclude(kind="cluster")
        if not every_kind:
            slots = slots.filter(kind="publish")
        return sorted(slots.values_list("pid", flat=True))

    def revoke(self, account: SocialConnection) -> None:
        """Let the account's network refuse its token."""
        self._token(account, "revoke")

    def reconnect(self, account: SocialConnection) -> None:
        """Let its owner connect the account again."""

        self._token(account, "restore")
        platform_services.connect(
            account.workspace,
            account.platform,
            account.get_credentials(),
            account_of(account),
            None,
        )

    def _token(self, account: SocialConnection, action: str) -> None:
        given = account.get_credentials()
        token = given.get("access_token") or given["oauth_token"]
        self.judge.ask(
            "/_control/tokens",
            {"network": network_of(account), "token": token, "action": action},
        )

    def keep_hosts_up(self) -> None:
        """Start every host anew whose top process has ended, as a service manager does."""
        for place, host in enumerate(self.hosts):
            if host.process.poll() is not None:
                self.restarts += 1
                self.hosts[place] = self._start_host(place)

    def copies(self) -> list[Copy]:
        """Return the networks' books."""

        return [
            Copy(p["id"], network, p["account"], p["text"], p["reply_to"], bool(p["deleted_at"]))
            for network, site in self.judge.ask("/_stats?detail=1").items()
            for p in site.get("posts", ())
        ]

    def undelivered(self) -> list[str]:
        """Return what is to be said of the callbacks that the receiver has not accepted."""
        waiting = Delivery.objects.exclude(state=DeliveryState.SENT).order_by("due_at")
        return [f"{d.state} after {d.attempts} tries: {d.error_text}" for d in waiting]

    # --- waiting ----------------------------------------------------------------------------

    def wait(self, question: Callable[[], bool], seconds: float, what: str) -> None:
        """Ask until it is true, keeping the hosts up; raises TimeoutError."""

        deadline = time.monotonic() + seconds
        while True:
            self.keep_hosts_up()
            try:
                if question():
                    return
            except (DatabaseError, InterfaceError):
                connections.close_all()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not come within {seconds:g} s")
            time.sleep(0.05)

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.keep_hosts_up()
            time.sleep(min(0.05, seconds))

    def _keep_and_wait_for_slots(self) -> bool:
        """Return whether hosts had to be restarted; then their slots are up again."""
        if self.plan.fault in ENDS_A_HOST and not self.missed:
            with contextlib.suppress(TimeoutError):
                self.wait(lambda: self.restarts > 0, END_SECONDS, "the end of a host")
        if not self.restarts:
            return False
        self.wait(self._has_all_slots, START_SECONDS, "slots again")
        return True

    def _has_all_slots(self) -> bool:
        pids = fresh("publish").values_list("pid", flat=True)
        tops = {host.process.pid for host in self.hosts}
        return sum(_descends(pid, tops) for pid in pids) >= self.plan.slots * len(self.hosts)

    def _is_settled(self) -> bool:
        moving = ScheduledPost.objects.exclude(
            state__in=[S.PUBLISHED, S.FAILED, S.DEAD_LETTER]
        ).exclude(state=S.OUTCOME_UNKNOWN, due_at=None)
        if self.plan.fault != "token.revoked":
            moving = moving.exclude(state__in=[S.BLOCKED, S.HELD])
        return not moving.exists()

    def _all_delivered(self) -> bool:
        return not self.undelivered()

    def _database_now(self) -> float:

        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
                    return float(cursor.fetchone()[0])
            except (DatabaseError, InterfaceError):
                connections.close_all()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def _descends(pid: int, tops: set[int]) -> bool:
    """Say whether a process lives below one of `tops`: slots of a dead host look fresh a while."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return any(parent.pid in tops for parent in psutil.Process(pid).parents())
    return False


def _networks(sandbox_url: str) -> dict[str, str]:
    return {
        "X_API_BASE": f"{sandbox_url}/x",
        "X_TOKEN_URL": f"{sandbox_url}/x/2/oauth2/token",
        "SANDBOX_URL": sandbox_url,
        "TWITTER_API_KEY": "sandbox-consumer",
        "TWITTER_API_SECRET": "sandbox-consumer-secret",
        "TWITTER_CLIENT_ID": "sandbox-client",
        "TWITTER_CLIENT_SECRET": "sandbox-client-secret",
    }


def run_trial(ground: Ground, plan: Plan, *, keep: Path, patience: float) -> dict[str, Any]:
    """Run one trial and return its line; the logs stay in `keep` when something was wrong."""
    logs = ground.scratch / f"trial-{plan.number}"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir()
    line: dict[str, Any] = {"trial": plan.number, "seed": plan.seed, "fault": plan.fault}
    try:
        line |= Trial(ground, plan, logs, patience).run()
    except Exception as error:  # noqa: BLE001 - a trial that breaks is a finding too
        line |= {"violations": [["broken", "", f"{type(error).__name__}: {error}"[:2000]]]}
    line["plan"] = asdict(plan)
    if line["violations"]:
        kept = keep / f"trial-{plan.seed}-{plan.number}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(logs, kept)
        (kept / "line.json").write_text(json.dumps(line, indent=1))
    shutil.rmtree(logs, ignore_errors=True)
    return line
