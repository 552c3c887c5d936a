"""Pages that follow from the code are up to date: else run `make docs`."""

from __future__ import annotations

import pytest

from config.configuration_docs import read_variables
from config.management.commands.write_docs import PAGES
from scheduling.states import PostGraph, PostState
from tests.environment import ROOT, declared_variables


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_code_says(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == PAGES[name](), "run `make docs`"


def test_the_states_page_has_every_state_edge_and_mover() -> None:
    page = PAGES["states.md"]()
    for state in PostState:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{state.value}`"))
        assert len(row.split("|")[2].strip()) > 10, f"{state.name} does not say who moves it next"
    for source, targets in PostGraph.edges.items():
        assert all(f"    {source} --> {target}\n" in page for target in targets)


def test_the_configuration_page_has_every_variable_of_the_settings() -> None:
    variables = read_variables()
    named = {variable.name for variable in variables}
    older = {name for variable in variables for name in variable.older}
    assert named | older == set(declared_variables())
    assert {"MAX_CONCURRENT_JOBS", "MAX_RETRIES", "BACKOFF_DELAY"} <= older
    page = PAGES["configuration.md"]()
    assert all(f"`{name}`" in page for name in named | older)


def test_durations_have_their_unit() -> None:
    units = {variable.name: variable.unit for variable in read_variables()}
    for name, unit in units.items():
        for ending, expected in (("_SECONDS", "s"), ("_MS", "ms"), ("_MINUTES", "min")):
            if name.endswith(ending):
                assert unit == expected, name
