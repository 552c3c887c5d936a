"""The site's colours can be read, by day and by night."""

from __future__ import annotations

import re

import pytest

from tests.admin.test_look import READABLE, luminance
from tests.environment import ROOT

CSS = (ROOT / "static" / "web" / "site.css").read_text()
DAY, NIGHT = (
    dict(re.findall(r"--([\w-]+): #([0-9a-f]{3,6});", block))
    for block in re.findall(r":root \{([^}]*)\}", CSS)
)
ON = {  # letters -> the grounds they stand on
    "body-fg": ("body-bg", "card-bg", "page-bg"),
    "quiet": ("body-bg", "card-bg", "page-bg"),
    "link": ("body-bg", "card-bg", "page-bg"),
    "error": ("card-bg",),
    "bar-fg": ("bar-bg",),
    "bar-quiet": ("bar-bg",),
    "accent": ("bar-bg",),
    "button-fg": ("button-bg", "button-hover"),
    **{f"{tone}-fg": (f"{tone}-bg",) for tone in ("good", "warn", "bad", "muted", "info")},
}
PAIRS = [(letters, ground) for letters, grounds in ON.items() for ground in grounds]


@pytest.mark.parametrize("theme", ["day", "night"])
@pytest.mark.parametrize(("letters", "ground"), PAIRS)
def test_letters_stand_out_from_their_ground(theme: str, letters: str, ground: str) -> None:
    colours = DAY if theme == "day" else {**DAY, **NIGHT}
    shades = sorted(luminance(_six(colours[name])) for name in (letters, ground))
    assert (shades[1] + 0.05) / (shades[0] + 0.05) >= READABLE


def _six(digits: str) -> str:
    return digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
