"""Segments of text messages: the two alphabets, their limits, and what is never split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.sms_text import Size, fit, size_of


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", Size("GSM-7", 0, 1)),
        ("a" * 160, Size("GSM-7", 160, 1)),
        ("a" * 161, Size("GSM-7", 161, 2)),
        ("a" * 306, Size("GSM-7", 306, 2)),
        ("a" * 307, Size("GSM-7", 307, 3)),
        ("€" * 80, Size("GSM-7", 160, 1)),  # an escape and a character each
        ("€" * 81, Size("GSM-7", 162, 2)),
        ("äöüßñÉ@£\n", Size("GSM-7", 9, 1)),
        ("ж" * 70, Size("UCS-2", 70, 1)),
        ("ж" * 71, Size("UCS-2", 71, 2)),
        ("a" * 69 + "ж", Size("UCS-2", 70, 1)),  # one character makes all of it UCS-2
        ("😀" * 35, Size("UCS-2", 70, 1)),
        ("😀" * 36, Size("UCS-2", 72, 2)),
        ("ê", Size("UCS-2", 1, 1)),  # not in the alphabet, however western
    ],
)
def test_a_text_takes_so_many_segments(text: str, size: Size) -> None:
    assert size_of(text) == size


def test_no_character_is_split_between_segments() -> None:
    assert size_of("a" * 152 + "€" * 10).segments == 2
    assert size_of("a" * 152 + "€" + "a" * 152).segments == 3  # 306 septets, but € moves on whole
    assert size_of("ж" * 66 + "😀" + "ж" * 66).segments == 3


@given(st.text())
def test_every_text_has_a_size(text: str) -> None:
    size = size_of(text)
    assert size.segments >= 1
    assert size.units <= size.segments * (160 if size.encoding == "GSM-7" else 70)


@given(st.text(max_size=300))
def test_a_fitted_text_is_one_segment_and_keeps_its_link(words: str) -> None:
    link = "https://post.example/p/1"
    text = fit(words, link)
    assert size_of(text).segments == 1
    assert text.endswith(link)


def test_words_that_fit_are_left_alone_and_others_are_cut() -> None:
    assert fit("Not published", "https://a.example") == "Not published https://a.example"
    long = fit("word " * 60, "https://a.example")
    assert long.endswith("... https://a.example")
    assert fit("words", "https://a.example/" + "x" * 200).startswith("https://a.example/")
