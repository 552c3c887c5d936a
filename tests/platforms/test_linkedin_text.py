"""LinkedIn: what is reserved is escaped, nothing else, and every text comes back as it was."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from platforms.adapters.linkedin import LinkedIn
from platforms.adapters.linkedin_text import RESERVED, escape, plain

MENTION = "@[Devtest (UK)](urn:li:organization:2414183)"


@pytest.mark.parametrize(
    ("text", "little"),
    [
        ("Version 2.4 (stable) is out", r"Version 2.4 \(stable\) is out"),
        (r"\ | { } @ [ ] ( ) < > * _ ~", r"\\ \| \{ \} \@ \[ \] \( \) \< \> \* \_ \~"),
        ("#tag and (#other)", r"#tag and \(#other\)"),
        ("#日本語 #été #a1 #1a", "#日本語 #été #a1 #1a"),
        ("#1 # C# a#b ##x #snake_case", r"\#1 \# C\# a\#b \#\#x #snake\_case"),
        ("https://e.org/a_b#part", r"https://e.org/a\_b\#part"),
        (f"Hi {MENTION}!", r"Hi @[Devtest \(UK\)](urn:li:organization:2414183)!"),
        ("Hi @[Ada](urn:li:person:a-B_1)", "Hi @[Ada](urn:li:person:a-B_1)"),
        ("@[Ada](https://e.org) a@b.org", r"\@\[Ada\]\(https://e.org\) a\@b.org"),
        ("{hashtag|#|x}", r"\{hashtag\|\#\|x\}"),
        ("plain, 100%; 'quoted' & “all”…", "plain, 100%; 'quoted' & “all”…"),
    ],
)
def test_what_is_escaped(text: str, little: str) -> None:
    assert escape(text) == little


def test_a_hashtag_template_is_read_as_its_hashtag() -> None:
    assert plain(r"on {hashtag|\#|Technology} and {hashtag|#|a\_b}") == "on #Technology and #a_b"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
PIECES = st.sampled_from([*RESERVED, "#tag", MENTION, "{hashtag|#|x}", r"\(", " ", "\n"])


@given(st.lists(PIECES | TEXT, max_size=12).map("".join))
def test_every_text_comes_back_as_it_was(text: str) -> None:
    assert plain(escape(text)) == text


@given(st.lists(PIECES | TEXT, max_size=12).map("".join))
def test_nothing_reserved_is_left_but_hashtags_and_mentions(text: str) -> None:
    rest = regex.sub(r"\\.", "", escape(text), flags=regex.DOTALL)
    rest = regex.sub(r"@\[[^\[\]]*\]\(urn:li:(?:person|organization):[\w-]+\)", "", rest)
    rest = regex.sub(r"#[\p{L}\p{M}\p{N}]+", "", rest)
    assert not set(rest) & set(RESERVED)


@given(TEXT)
def test_the_limit_holds_however_linkedin_counts(text: str) -> None:
    counted = LinkedIn().length(text)
    assert counted >= len(text)
    assert counted == len(escape(text))
    assert LinkedIn().excess(text, 10) == max(0, counted - 10)
