"""The rules of sending, sweeping and reconciling: enough together, and each one needed."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from tests.model.machine import STORIES, Rules
from tests.model.search import search

# Each rule with a kind of network and a story in which leaving it out breaks a promise.
NEEDED = {
    "mark_before_call": ("find", "edits"),
    "send_only_what_was_marked": ("find", "edits"),
    "send_only_while_lease_lasts": ("find", "edits"),
    "fenced_mark": ("key", "edits"),
    "fenced_record": ("find", "edits"),
    "fenced_unmark": ("find", "edits"),
    "unmark_keeps_doubt": ("key", "edits"),
    "people_raise_the_token": ("key", "edits"),
    "people_win_only_until_the_mark": ("find", "edits"),
    "people_wait_while_in_doubt": ("key", "edits"),
    "people_wait_for_grace": ("person", "edits"),
    "answer_is_about_a_part": ("person", "thread"),
    "paused_means_no_mark": ("person", "stops"),
    "restored_starts_paused": ("person", "stops"),
    "resume_after_what_is_live": ("person", "thread"),
    "progress_before_next_part": ("find", "thread"),
    "progress_renews_the_mark": ("find", "thread"),
    "half_published_is_not_edited": ("person", "thread"),
    "only_unsent_is_stolen": ("find", "edits"),
    "swept_is_unknown": ("find", "edits"),
    "reconcile_after_grace": ("find", "edits"),
    "absence_after_lag": ("find", "edits"),
    "repeat_only_if_safe": ("person", "edits"),
    "key_alive_at_repeat": ("key", "edits"),
    "one_key_for_all_attempts": ("key", "edits"),
    "refusal_keeps_doubt": ("key", "edits"),
    "published_is_final": ("find", "edits"),
}


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("network", ["find", "key", "person"])
def test_no_interleaving_breaks_a_promise_and_none_gets_stuck(network: str, story: str) -> None:
    found = search(network, story)
    assert found.problem == "", " -> ".join(found.way)
    assert found.stuck == 0
    assert found.worlds > 1_500  # the search was not cut short


@pytest.mark.parametrize(("rule", "place"), NEEDED.items())
def test_leaving_out_a_rule_breaks_a_promise(rule: str, place: tuple[str, str]) -> None:
    found = search(*place, replace(Rules(), **{rule: False}))
    assert found.problem, f"nothing goes wrong without {rule}: is it a rule?"
    assert found.way


def test_every_rule_is_tried() -> None:
    assert {field.name for field in fields(Rules)} == set(NEEDED)
