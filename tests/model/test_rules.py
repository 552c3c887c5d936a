"""The rules of sending, sweeping and reconciling: enough together, and each one needed."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from tests.model.machine import Rules
from tests.model.search import search

# Each rule with the kind of network on which leaving it out breaks a promise.
NEEDED = {
    "mark_before_call": "find",
    "send_only_what_was_marked": "find",
    "send_only_while_lease_lasts": "find",
    "fenced_mark": "key",
    "fenced_record": "find",
    "people_raise_the_token": "key",
    "people_win_only_until_the_mark": "find",
    "people_wait_while_in_doubt": "key",
    "only_unsent_is_stolen": "find",
    "swept_is_unknown": "find",
    "reconcile_after_grace": "person",
    "absence_after_lag": "find",
    "repeat_only_if_safe": "person",
    "key_alive_at_repeat": "key",
    "one_key_for_all_attempts": "key",
    "refusal_keeps_doubt": "key",
    "published_is_final": "find",
}


@pytest.mark.parametrize("network", ["find", "key", "person"])
def test_no_interleaving_breaks_a_promise_and_none_gets_stuck(network: str) -> None:
    found = search(network)
    assert found.problem == "", " -> ".join(found.way)
    assert found.stuck == 0
    assert found.worlds > 5_000  # the search was not cut short


@pytest.mark.parametrize(("rule", "network"), NEEDED.items())
def test_leaving_out_a_rule_breaks_a_promise(rule: str, network: str) -> None:
    found = search(network, replace(Rules(), **{rule: False}))
    assert found.problem, f"nothing goes wrong without {rule}: is it a rule?"
    assert found.way


def test_every_rule_is_tried() -> None:
    assert {field.name for field in fields(Rules)} == set(NEEDED)
