"""The cruelties: which network, account and operation misbehaves how, how often and how long.

A rule belongs to (network, account, operation); each part may be "everything". The most specific
rule speaks first. A rule holds *settings*, which last until taken back, and *faults*, which are
used up.

Settings: `latency_ms` (number or {"min", "max"}), `rate` ({"limit", "window_s", "reset_skew_s"}),
and, for all operations at once, `find_lag_ms`, `idempotency` ("kept", "ignored" or {"expire_ms"}),
`duplicate_forgets_after_ms`, `processing_ms` (how long the network works on a file, container or
video), `processing_fails` (the network's own reason with which that work fails) and
`handle_life_ms` (how long containers, upload sessions and upload addresses live).

Faults, consumed in this order, one per call: `fail`, `drop_before`, `reset`, `hang`,
`accept_then_drop`, `garbage`, `truncated`, `slow_drip`. Each is a number (how many calls), `true`
(every call), or an object with `times` (default 1, null = every call), `for_s` (seconds, from now),
`skip` (so many calls pass unharmed first),
`share` (0..1, the part of the calls that is hit, drawn call by call) and its own keys; with `for_s`
or `share` `times` defaults to every call. `fail` is an object or a list of objects.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

OPERATIONS = ("create", "media", "find", "delete", "account", "token", "consent")
ALL = "all"
OPERATION_SETTINGS = ("latency_ms", "rate")
SITE_SETTINGS = (
    "find_lag_ms",
    "idempotency",
    "duplicate_forgets_after_ms",
    "processing_ms",
    "processing_fails",
    "handle_life_ms",
)
FAULTS: Mapping[str, frozenset[str]] = {  # fault -> its own keys
    "fail": frozenset({"status", "body", "headers", "retry_after", "lands"}),
    "drop_before": frozenset(),
    "reset": frozenset(),
    "hang": frozenset({"lands_after_ms"}),
    "accept_then_drop": frozenset(),
    "garbage": frozenset({"lands"}),
    "truncated": frozenset(),
    "slow_drip": frozenset({"interval_ms"}),
}

Key = tuple[str | None, str | None, str]  # network, account, operation or "all"


class BadSwitch(ValueError):
    """The switch cannot be set like this; the message names the key and the remedy."""


@dataclass(slots=True)
class Fault:
    """One cruelty; `times` None = every call, `until` None = no time limit (epoch seconds).

    `share` is the part of the calls that it hits, by chance.
    """

    kind: str
    times: int | None
    until: float | None
    options: dict[str, Any]
    share: float = 1.0
    skip: int = 0  # so many calls pass unharmed first

    def is_live(self, now: float) -> bool:
        return (self.times is None or self.times > 0) and (self.until is None or now < self.until)

    def hits(self) -> bool:
        """Draw whether this call suffers it."""
        return self.share >= 1 or random.random() < self.share  # noqa: S311 - no secret

    def as_json(self, now: float) -> dict[str, Any]:
        told: dict[str, Any] = {**self.options, "times": self.times}
        if self.share < 1:
            told["share"] = self.share
        if self.skip:
            told["skip"] = self.skip
        if self.until is not None:
            told |= {"until": self.until, "seconds_left": round(self.until - now, 3)}
        return told


@dataclass(slots=True)
class Rule:
    """What was set for one key."""

    settings: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)

    def take(self, now: float) -> Fault | None:
        """Use up one fault and return it; fields keep the order of FAULTS."""
        for kind in FAULTS:
            for fault in self.faults.get(kind, ()):
                if fault.is_live(now) and fault.hits():
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None

    def tidy(self, now: float) -> None:
        alive = {kind: [f for f in each if f.is_live(now)] for kind, each in self.faults.items()}
        self.faults = {kind: each for kind, each in alive.items() if each}


class Switchboard:
    """All rules. Without rules every question costs one look at an empty dictionary."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._now = clock
        self._rules: dict[Key, Rule] = {}

    def reset(self, network: str | None = None) -> None:
        """Drop all rules, or those of one network."""
        if network is None:
            self._rules.clear()
            return
        self._rules = {key: rule for key, rule in self._rules.items() if key[0] != network}

    def set(self, given: Mapping[str, Any]) -> None:
        """Set the given switches; null takes one back. Raises BadSwitch, then nothing is set."""
        fields = dict(given)
        network, account = fields.pop("network", None), fields.pop("account", None)
        operation = fields.pop("on", "create")
        for name, value in (("network", network), ("account", account)):
            if value is not None and not isinstance(value, str):
                raise BadSwitch(f"{name}: give a name, or null for all")
        if operation != ALL and operation not in OPERATIONS:
            raise BadSwitch(f"on: choose one of {', '.join((*OPERATIONS, ALL))}")
        now = self._now()
        parsed = {name: _parse(name, value, now) for name, value in fields.items()}
        for name, value in parsed.items():
            on = ALL if name in SITE_SETTINGS else operation
            rule = self._rules.setdefault((network, account, on), Rule())
            store: dict[str, Any] = rule.faults if name in FAULTS else rule.settings
            if value is None:
                store.pop(name, None)
            else:
                store[name] = value
        self._tidy(now)

    def as_json(self) -> list[dict[str, Any]]:
        """The rules still in force, as POST takes them."""
        now = self._now()
        self._tidy(now)
        return [
            {
                "network": network,
                "account": account,
                "on": operation,
                **rule.settings,
                **{kind: [f.as_json(now) for f in each] for kind, each in rule.faults.items()},
            }
            for (network, account, operation), rule in self._rules.items()
        ]

    def take(self, network: str, account: str | None, operation: str) -> Fault | None:
        """The fault this call suffers, if any."""
        if not self._rules:
            return None
        now = self._now()
        for rule in self._matching(network, account, operation):
            fault = rule.take(now)
            if fault is not None:
                return fault
        return None

    def setting(self, name: str, network: str, account: str | None, operation: str = ALL) -> Any:
        """The value set for this call, None when there is none."""
        if not self._rules:
            return None
        for rule in self._matching(network, account, operation):
            if name in rule.settings:
                return rule.settings[name]
        return None

    def latency_s(self, network: str, account: str | None, operation: str) -> float:
        latency = self.setting("latency_ms", network, account, operation)
        if latency is None:
            return 0.0
        if isinstance(latency, dict):
            latency = random.uniform(latency["min"], latency["max"])  # noqa: S311 - no secret
        return float(latency) / 1000

    def _matching(self, network: str, account: str | None, operation: str) -> list[Rule]:
        """The rules that fit, most specific first; "mastodon" fits every "mastodon/..."."""
        kind = network.partition("/")[0]
        networks = dict.fromkeys((network, kind, None))
        accounts = dict.fromkeys((account, None))
        operations = dict.fromkeys((operation, ALL))
        keys = ((n, a, o) for a in accounts for n in networks for o in operations)
        return [self._rules[key] for key in keys if key in self._rules]

    def _tidy(self, now: float) -> None:
        for rule in self._rules.values():
            rule.tidy(now)
        self._rules = {key: r for key, r in self._rules.items() if r.settings or r.faults}


def _parse(name: str, value: Any, now: float) -> Any:
    if name in FAULTS:
        if value is None or value is False:
            return None
        listed = value if isinstance(value, list) else [value]
        return [_parse_fault(name, item, now) for item in listed]
    if name not in OPERATION_SETTINGS and name not in SITE_SETTINGS:
        known = ", ".join((*OPERATION_SETTINGS, *SITE_SETTINGS, *FAULTS))
        raise BadSwitch(f"{name}: no such switch; there are {known}")
    if value is None or _is_valid_setting(name, value):
        return value
    raise BadSwitch(f"{name}: this value does not fit; README.md shows what does")


def _parse_fault(kind: str, value: Any, now: float) -> Fault:
    options: dict[str, Any]
    if value is True:
        options = {"times": None}
    elif isinstance(value, int):
        options = {"times": value}
    elif isinstance(value, dict):
        options = dict(value)
    else:
        raise BadSwitch(f"{kind}: give a number of calls, true, or an object")
    for_s = options.pop("for_s", None)
    share, skip = options.pop("share", 1), options.pop("skip", 0)
    times = options.pop("times", 1 if for_s is None and share == 1 else None)
    unknown = options.keys() - FAULTS[kind]
    if unknown:
        raise BadSwitch(f"{kind}: unknown key {', '.join(sorted(unknown))}")
    if times is not None and (not isinstance(times, int) or times < 1):
        raise BadSwitch(f"{kind}.times: give a whole number from 1, or null for every call")
    if for_s is not None and not _is_amount(for_s):
        raise BadSwitch(f"{kind}.for_s: give seconds")
    if not _is_amount(share) or not 0 < share <= 1:
        raise BadSwitch(f"{kind}.share: give a number above 0, up to 1 for every call")
    if not isinstance(skip, int) or skip < 0:
        raise BadSwitch(f"{kind}.skip: give the number of calls that pass first")
    _check_options(kind, options)
    return Fault(kind, times, None if for_s is None else now + for_s, options, share, skip)


def _check_options(kind: str, options: Mapping[str, Any]) -> None:
    if kind == "fail":
        status = options.get("status")
        if not isinstance(status, int) or not 400 <= status <= 599:
            raise BadSwitch("fail.status: give an HTTP status from 400 to 599")
        retry_after = options.get("retry_after")
        if retry_after not in (None, "left") and not isinstance(retry_after, str | int):
            raise BadSwitch('fail.retry_after: give whole seconds, an HTTP date, or "left"')
        if not isinstance(options.get("headers", {}), dict):
            raise BadSwitch("fail.headers: give an object of strings")
    for name in ("lands_after_ms", "interval_ms"):
        if name in options and not _is_amount(options[name]):
            raise BadSwitch(f"{kind}.{name}: give milliseconds")


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_valid_setting(name: str, value: Any) -> bool:
    if name == "latency_ms" and isinstance(value, dict):
        return value.keys() == {"min", "max"} and all(map(_is_amount, value.values()))
    if name == "idempotency":
        if isinstance(value, dict):
            return value.keys() == {"expire_ms"} and _is_amount(value["expire_ms"])
        return value in ("kept", "ignored")
    if name == "processing_fails":
        return isinstance(value, str) and bool(value)
    if name == "rate":
        if not isinstance(value, dict) or not value.keys() <= {"limit", "window_s", "reset_skew_s"}:
            return False
        return isinstance(value.get("limit", 0), int) and _is_amount(value.get("window_s", 0))
    return _is_amount(value)
