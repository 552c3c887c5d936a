"""One clean exit of `manage.py qcluster`: a signal at some moment, and what must be true after it.

1. The cluster has ended within its grace, and none of its processes is left.
2. Its exit code is 0; 1 when a database that hangs kept a slot beyond the grace; the signal's own
   while the interpreter has not come to `manage.py` yet.
3. With the database there, nothing is claimed or half sent: posts are published or wait, and the
   network has exactly those that are published. Without it, the network has none of them twice.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.states import PostState
from tests.journeys.stage import Stage
from tests.processes import Managed, Processes, wait_until
from tests.supervision.relay import Lines

S = PostState
GRACE_SECONDS = 6.0
SLACK_SECONDS = 1.5  # the machine is shared, and an interpreter takes its time to end
KERNEL_SECONDS = 1.0  # to deliver death signals
POSTS = 24
LATENCY_MS = 500
STARTED = r"cluster\.started"
KINDS = ("start", "load", "drain", "database", "broker")


@dataclass(frozen=True, slots=True)
class Case:
    """What happens to one cluster. `moment` and `gap` are seconds.

    Kinds: a signal `moment` after the process was started; after its posts began to go out; the
    same and again in the middle of the drain; with the database, or the broker, away.
    """

    kind: str
    moment: float
    signals: tuple[signal.Signals, ...]
    gap: float
    whole_group: bool
    away: str = ""  # "", "cut" or "frozen"
    lead: float = 0.0  # seconds between a server's going away and the signal
    forked: bool = False  # the moment counts from the fork of the guard, not of the command

    def __str__(self) -> str:
        names = "+".join(number.name.removeprefix("SIG") for number in self.signals)
        target = "group" if self.whole_group else "top"
        away = f" {self.away} {self.lead:.1f} s before" if self.away else ""
        kind = f"{self.kind} of the guard" if self.forked else self.kind
        return f"{kind}{away}, {names} to {target} at {self.moment:.2f} s"


@dataclass(slots=True)
class Exit:
    """How one case ended; no complaints means clean."""

    case: Case
    seconds: float
    code: int
    orphans: int
    complaints: list[str] = field(default_factory=list)


def cases(seed: int, *kinds: str) -> Iterator[Case]:
    """Yield cases for ever, all kinds (or those given) in turn; a seed gives the same again."""
    rng = random.Random(seed)
    while True:
        for kind in kinds or KINDS:
            both = [signal.SIGTERM, signal.SIGINT]
            signals = [
                rng.choice(both) for _ in range(2 if kind == "drain" else rng.choice([1, 2]))
            ]
            starts = kind == "start"
            earliest = starts and rng.random() < 0.3
            yield Case(
                kind=kind,
                moment=rng.uniform(0.0, 0.3 if earliest else 1.5 if starts else 1.0),
                signals=tuple(signals),
                gap=rng.uniform(0.3, 1.5) if kind == "drain" else rng.choice([0.0, 0.001, 0.1]),
                whole_group=rng.random() < 0.5,
                away=rng.choice(["cut", "frozen"]) if kind in {"database", "broker"} else "",
                lead=rng.uniform(0.0, 1.5),
                forked=starts and rng.random() < 0.5,
            )


def clean_exit(case: Case, stage: Stage, lines: Lines, processes: Processes) -> Exit:
    """Play one case and return how it ended."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # We run in a shell's background, and until manage.py listens the cluster would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    posts: list[ScheduledPost] = []
    if case.kind != "start":
        account = stage.account("sandbox", len(processes.started))  # one that no case had
        stage.judge.be_cruel("sandbox", account.username, on="create", latency_ms=LATENCY_MS)
        posts = [stage.post(account, f"{n} of {account.username}") for n in range(POSTS)]
    cluster = stage.cluster(**lines.env, SHUTDOWN_GRACE_SECONDS=str(GRACE_SECONDS))
    if posts:
        of_ours = PublishAttempt.objects.filter(post__in=[post.pk for post in posts])
        wait_until(of_ours.exists, what="the first attempt")
    if case.forked:
        cluster.wait_for(STARTED)
    time.sleep(case.moment)  # the moment is what is being tried
    server = lines.database if case.kind == "database" else lines.broker
    if case.away:
        (server.cut if case.away == "cut" else server.freeze)()
        time.sleep(case.lead)
    listening = _catches(cluster.process.pid, signal.SIGTERM)
    seconds = _end(cluster, case)
    result = Exit(case, seconds, cluster.process.poll() or 0, 0)
    try:
        wait_until(lambda: not _family(cluster, processes), seconds=KERNEL_SECONDS)
    except TimeoutError:
        result.orphans = len(_family(cluster, processes))
        for pid in _family(cluster, processes):  # else it would spoil the next case
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    lines.database.mend()
    lines.broker.mend()
    result.complaints = [*_about_the_end(result, cluster, is_told=listening)]
    if posts:
        result.complaints += _about_posts(case, stage, posts)
    return result


def _end(cluster: Managed, case: Case) -> float:
    """Send the signals, wait for the end, return how many seconds it took."""
    send: Callable[[int, int], None] = os.killpg if case.whole_group else os.kill
    started = time.monotonic()
    for number, sig in enumerate(case.signals):
        if number:
            time.sleep(case.gap)
        if cluster.process.poll() is None:
            send(cluster.process.pid, sig)
    deadline = started + GRACE_SECONDS + 4 * SLACK_SECONDS
    while cluster.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return time.monotonic() - started


def _about_the_end(result: Exit, cluster: Managed, *, is_told: bool) -> Iterator[str]:
    if cluster.process.poll() is None:
        yield "it did not end"
        return
    if result.seconds > GRACE_SECONDS + SLACK_SECONDS:
        yield f"it took {result.seconds:.1f} s"
    if result.orphans:
        yield f"{result.orphans} processes are left"
    hangs = result.case.kind == "database" and result.case.away == "frozen"
    allowed = {0, 1} if hangs else {0}
    if is_told and result.code not in allowed:
        yield f"exit code {result.code}; it printed:\n{cluster.output[-2000:]}"
    if "Traceback" in cluster.output and is_told and not result.case.away:
        yield f"a traceback:\n{cluster.output[-2000:]}"


def _about_posts(case: Case, stage: Stage, posts: list[ScheduledPost]) -> Iterator[str]:
    rows = list(ScheduledPost.objects.filter(pk__in=[post.pk for post in posts]))
    account = rows[0].connection.username
    live = Counter(post["text"] for post in stage.judge.posts("sandbox", account))
    if twice := [text for text, count in live.items() if count > 1]:
        yield f"live twice: {twice}"
    if case.kind == "database":
        return  # what could not be recorded is an unknown outcome for the next cluster
    states = Counter(row.state for row in rows)
    if not states.keys() <= {S.PUBLISHED, S.SCHEDULED, S.QUEUED}:
        yield f"left half sent: {dict(states)}"
    if claimed := sum(row.lease_slot is not None for row in rows):
        yield f"{claimed} posts are still claimed"
    if states[S.PUBLISHED] != len(live):
        yield f"{states[S.PUBLISHED]} published, {len(live)} live"


def _family(cluster: Managed, processes: Processes) -> list[int]:
    """Return the living processes of the cluster: those of its session, and those adrift."""
    group = cluster.process.pid
    return [p.pid for p in processes.alive() if p.pid == group or os.getsid(p.pid) == group]


def _catches(pid: int, number: int) -> bool:
    """Say whether the process has a handler for a signal; unknown (no /proc) counts as yes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    mask = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(mask.split()[1], 16) >> (number - 1) & 1)
