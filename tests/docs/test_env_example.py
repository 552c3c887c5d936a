""".env.example and the code name the same variables, with the same defaults."""

from __future__ import annotations

import re

import pytest

from tests.environment import ROOT, declared_variables

LINES = (ROOT / ".env.example").read_text().splitlines()
ENTRY = re.compile(r"#([A-Z][A-Z0-9_]*)=(.*)")
ONLY_UNDER_DEBUG = {"SECRET_KEY"}  # a secret has no default where real data may be
EXAMPLES = {found[1]: found[2] for line in LINES if (found := ENTRY.fullmatch(line))}


def test_both_sides_name_the_same_variables() -> None:
    assert set(EXAMPLES) == set(declared_variables())


def test_no_variable_stands_twice_and_none_is_set() -> None:
    names = [found[1] for line in LINES if (found := ENTRY.fullmatch(line))]
    assert len(names) == len(set(names))
    assert [line for line in LINES if line and not line.startswith("#")] == []


def test_each_variable_has_one_line_of_explanation() -> None:
    for number, line in enumerate(LINES):
        if ENTRY.fullmatch(line):
            assert re.fullmatch(r"# .*\S.*", LINES[number - 1]), line
            assert not LINES[number - 2].startswith("# ") or "---" in LINES[number - 2], line


@pytest.mark.parametrize(
    ("name", "defaults"),
    [
        (name, defaults)
        for name, defaults in declared_variables().items()
        if defaults and name not in ONLY_UNDER_DEBUG
    ],
)
def test_the_default_shown_is_the_code_s(name: str, defaults: list[object]) -> None:
    assert EXAMPLES[name] == ("0" if defaults[0] is False else str(defaults[0]))
