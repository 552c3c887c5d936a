"""The console's colours can be read, by day and by night."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSS = Path(__file__).resolve().parents[2] / "static" / "console" / "console.css"
PAIR = re.compile(r"--console-(\w+)-bg: #([0-9a-f]{6}); --console-\w+-fg: #([0-9a-f]{6});")
PAIRS = PAIR.findall(CSS.read_text())
READABLE = 4.5  # WCAG 2.2, success criterion 1.4.3, level AA


def luminance(colour: str) -> float:
    """Return the relative luminance of six hex digits, by WCAG's formula."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_each_tone_has_a_colour_by_day_and_by_night() -> None:
    tones = [name for name, _, _ in PAIRS]
    assert {tones.count(tone) for tone in tones} == {3}  # light, dark by system, dark by choice
    assert set(tones) == {"good", "busy", "wait", "warn", "bad", "muted"}


@pytest.mark.parametrize(("tone", "ground", "letters"), PAIRS)
def test_letters_stand_out_from_their_ground(tone: str, ground: str, letters: str) -> None:
    dark, light = sorted((luminance(ground), luminance(letters)))
    assert (light + 0.05) / (dark + 0.05) >= READABLE, tone
