"""What happens in a trial: drawn from (seed, number) alone, so that any trial can be run again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.crash_points import STEPS

# What can go wrong, by family. `tests.chaos.faults` knows how each is done.
FAULTS: tuple[str, ...] = (
    "kill.slot",
    "kill.helper",
    "kill.guard",
    "kill.top",
    "kill.host",
    "kill.everything",
    "stop.term",
    "crash.self",
    "crash.cluster",
    "valkey.flush",
    "valkey.restart",
    "valkey.pause",
    "postgresql.restart",
    "postgresql.pause",
    "postgresql.full",
    "postgresql.cut",
    "host.partition",
    "host.clocks",
    "copy.other_id",
    "copy.silent",
    "network.drop",
    "network.hang",
    "network.reset",
    "network.drip",
    "network.truncated",
    "network.garbage",
    "network.limited",
    "network.error",
    "network.keys",
    "network.find_lag",
    "token.revoked",
)
HOT_STEPS = tuple(sorted(step for step in STEPS if not step.startswith(("refresh", "notify"))))

Cruelty = dict[str, Any]

NETWORKS: dict[str, tuple[Cruelty, ...]] = {
    "network.drop": (
        {"accept_then_drop": 3},
        {"drop_before": 3},
    ),
    "network.hang": (
        {"hang": {"times": 3, "lands_after_ms": 1200}},
        {"hang": {"times": 2}},
    ),
    "network.reset": ({"reset": 4},),
    "network.drip": ({"slow_drip": {"times": 3, "interval_ms": 20}},),
    "network.truncated": ({"truncated": 3},),
    "network.garbage": ({"garbage": 3}, {"garbage": {"times": 2, "lands": False}}),
    "network.limited": ({"fail": {"status": 429, "retry_after": 1, "times": 2}},),
    "network.error": (
        {"fail": {"status": 500, "times": 2}},
        {"fail": {"status": 503, "times": 2, "lands": True}},
    ),
    "network.keys": (
        {"idempotency": "ignored", "accept_then_drop": 2},
        {"idempotency": {"expire_ms": 400}, "accept_then_drop": 2},
    ),
    "network.find_lag": ({"find_lag_ms": 1200, "accept_then_drop": 2},),
}
MILD = ("network.drop", "network.hang", "network.reset", "network.truncated", "network.find_lag")


@dataclass(frozen=True, slots=True)
class Plan:
    """One trial. `moment` is seconds after the posts were scheduled; `length` of the fault.

    `arm` lists (step, passes to let go, self or cluster). `shifts` are the hosts' wall clocks'
    errors in seconds. `forgetful`: X does not notice a text that it has already.
    """

    seed: int
    number: int
    fault: str
    hosts: int
    slots: int
    posts: int
    spread: float
    moment: float
    length: float
    latency_ms: int
    cruelty: tuple[tuple[str, Cruelty], ...] = ()
    arm: tuple[tuple[str, int, str], ...] = ()
    early: bool = False  # arm before the posts are scheduled: they are claimed at once
    shifts: tuple[float, ...] = ()
    callbacks: bool = False
    refreshing: bool = False
    forgetful: bool = False
    pick: int = 0  # which of several candidates the fault takes
    details: dict[str, Any] = field(default_factory=dict)


def draw(seed: int, number: int, only: str = "") -> Plan:
    """Return trial `number` of `seed`; `only` narrows the faults to those that begin with it."""
    faults = [fault for fault in FAULTS if fault.startswith(only)]
    rng = random.Random(f"{seed}:{number // len(faults)}")
    rng.shuffle(faults)
    fault = faults[number % len(faults)]
    return of_fault(fault, seed, number)


def of_fault(fault: str, seed: int, number: int, **given: Any) -> Plan:
    """Return a trial of this fault with everything else drawn."""
    rng = random.Random(f"{seed}:{number}:{fault}")
    hosts = rng.choices((1, 2, 4), weights=(5, 4, 1))[0]
    if fault in {"host.partition", "host.clocks", "kill.host"}:
        hosts = max(2, hosts)
    arm: tuple[tuple[str, int, str], ...] = ()
    if fault.startswith("crash."):
        whom = fault.partition(".")[2]
        step = rng.choice(HOT_STEPS)
        arm = _arming(step, whom, rng.choice((0, 0, 1, 3, 8)))
    cruelty: list[tuple[str, Cruelty]] = []
    if fault.startswith("network."):
        cruelty = [(network, rng.choice(NETWORKS[fault])) for network in _networks(rng)]
        if fault == "network.keys":  # the sandbox vouches for its keys: no adapter could know
            cruelty = [(network, each) for network, each in cruelty if network != "sandbox"]
    elif rng.random() < 0.5:
        cruelty = [
            (network, rng.choice(NETWORKS[rng.choice(MILD)])) for network in _networks(rng)[:2]
        ]
    plan: dict[str, Any] = {
        "seed": seed,
        "number": number,
        "fault": fault,
        "hosts": hosts,
        "slots": rng.choice((1, 2)) if hosts < 4 else 1,
        "posts": rng.randint(40, 60),
        "spread": rng.uniform(0.3, 2.5),
        "moment": rng.uniform(0.2, 3.5),
        "length": rng.uniform(0.5, 2.5),
        "latency_ms": rng.choice((5, 50, 200, 400)),
        "cruelty": tuple(cruelty),
        "arm": arm,
        "shifts": _shifts(fault, hosts, rng),
        "callbacks": rng.random() < 0.3,
        "refreshing": rng.random() < 0.2,
        "forgetful": rng.random() < 0.7,
        "pick": rng.randint(0, 1000),
    }
    return Plan(**{**plan, **given})


def every_step(seed: int) -> list[Plan]:
    """Return one trial per step and per (self, cluster)."""
    pairs = [(step, whom) for step in STEPS for whom in ("self", "cluster")]
    return [of_step(step, whom, seed, number) for number, (step, whom) in enumerate(pairs)]


def of_step(step: str, whom: str, seed: int, number: int) -> Plan:
    """Return a trial in which `step` is surely reached."""
    in_doubt = step.startswith(("sweep", "reconcile"))
    return of_fault(
        f"crash.{whom}",
        seed,
        number,
        hosts=1,
        slots=2,
        moment=0.2,
        arm=_arming(step, whom, _passes(step, random.Random(f"{seed}:{number}:passes"))),
        early=True,
        shifts=(0.0,),
        forgetful=True,
        cruelty=(("", {"accept_then_drop": 1}),) if in_doubt else (),
        callbacks=step.startswith("notify"),
        refreshing=step.startswith("refresh"),
    )


def _arming(step: str, whom: str, passes: int) -> tuple[tuple[str, int, str], ...]:
    if step == "sweep.after":  # somebody must have died with sent posts before
        return (("publish.mark.after", 1, "self"), (step, 0, whom))
    return ((step, passes, whom),)


def _passes(step: str, rng: random.Random) -> int:
    """Return after how many passes to die: late enough to hit any network, soon enough to be met.

    Calls and requests are made by the dozen, claims, marks and records a few times only.
    """
    if step.startswith(("http.", "publish.call.")):
        return rng.randint(0, 15)
    return rng.randint(0, 1) if step.startswith(("progress.", "prepare.")) else 0


def _networks(rng: random.Random) -> Sequence[str]:
    networks = ["sandbox", "x", "mastodon/one", "mastodon/forgetful"]
    return rng.sample(networks, rng.randint(1, len(networks)))


def _shifts(fault: str, hosts: int, rng: random.Random) -> tuple[float, ...]:
    if fault != "host.clocks":
        return (0.0,) * hosts
    return tuple((-300.0, 300.0)[place % 2] if place < 2 else 0.0 for place in range(hosts))


def short_form(seed: int) -> list[Plan]:
    """Return the trials of the test suite: every family of faults, steps of every stage."""
    steps = (
        ("publish.claim.after", "self"),
        ("publish.mark.after", "cluster"),
        ("http.handed_over", "self"),
        ("progress.before", "cluster"),
        ("record.moved", "self"),
        ("reconcile.after", "self"),
    )
    faults = (
        "kill.slot",
        "kill.guard",
        "kill.top",
        "kill.everything",
        "valkey.flush",
        "valkey.restart",
        "postgresql.restart",
        "postgresql.pause",
        "postgresql.full",
        "host.partition",
        "host.clocks",
        "copy.other_id",
        "network.drop",
        "network.limited",
        "token.revoked",
    )
    plans = [of_fault(fault, seed, number) for number, fault in enumerate(faults)]
    first = len(plans)
    return plans + [
        of_step(step, whom, seed, first + number) for number, (step, whom) in enumerate(steps)
    ]
