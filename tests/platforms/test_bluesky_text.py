"""Bluesky: graphemes, facets counted in bytes, and record keys."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from platforms.adapters.bluesky import Bluesky
from platforms.adapters.bluesky_records import (
    count_graphemes,
    facets_of,
    handles_in,
    new_tid,
    tid_instant,
)


@pytest.mark.parametrize(
    ("text", "over"),
    [
        ("x" * 300, 0),
        ("x" * 301, 1),
        ("👨‍👩‍👧‍👦" * 300, 0),
        ("👨‍👩‍👧‍👦" * 301, 1),
        ("e\u0301" * 300, 0),
        ("\r\n" * 300, 0),
        ("🇵🇹" * 301, 1),
        ("https://example.org/" + "y" * 281, 1),
    ],
)
def test_length_is_counted_in_graphemes_and_links_count_in_full(text: str, over: int) -> None:
    assert Bluesky().excess(text, 300) == over


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@given(ANY_TEXT)
def test_graphemes_are_those_of_the_unicode_rules(text: str) -> None:
    assert count_graphemes(text) == len(regex.findall(r"\X", text))
    assert Bluesky().excess(text, 10) == max(0, count_graphemes(text) - 10)
    assert Bluesky().length(text) <= len(text)


PIECES = st.sampled_from(
    [" ", "\n", "👩‍🚀", "é", "日本", "(", ")", ".", "#tag", "#1", "@bob.test", "@nobody.test",
     "https://example.org/x", "https://例え.jp/a(b)", "https://", "#日本語", "!", "a@b.org"]
)  # fmt: skip


def slices(text: str, dids: dict[str, str]) -> Iterable[tuple[str, dict[str, str]]]:
    content = text.encode()
    for facet in facets_of(text, dids):
        index = facet["index"]
        yield content[index["byteStart"] : index["byteEnd"]].decode(), facet["features"][0]


@given(st.lists(PIECES | ANY_TEXT, max_size=12).map("".join))
def test_facets_cover_just_what_they_speak_of(text: str) -> None:
    dids = {"bob.test": "did:plc:bob"}
    end_before = 0
    for facet in facets_of(text, dids):
        assert end_before <= facet["index"]["byteStart"] < facet["index"]["byteEnd"]
        end_before = facet["index"]["byteEnd"]
    assert end_before <= len(text.encode())
    for covered, feature in slices(text, dids):
        kind = feature["$type"].partition("#")[2]
        if kind == "link":
            assert covered == feature["uri"]
            assert not regex.search(r"\s", covered)
        elif kind == "mention":
            assert (covered.lower(), feature["did"]) == ("@bob.test", "did:plc:bob")
        else:
            assert covered[0] in "#\uff03"
            assert covered[1:] == feature["tag"]
            assert count_graphemes(feature["tag"]) <= 64


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://a.b/c.", ["https://a.b/c"]),
        ("(https://a.b/c)", ["https://a.b/c"]),
        ("https://a.b/c_(d)", ["https://a.b/c_(d)"]),
        ("HTTPS://A.B, and http://c.d!", ["HTTPS://A.B", "http://c.d"]),
        ("https://a.b/#tag #tag", ["https://a.b/#tag", "#tag"]),
        ("xhttps://a.b https://... a.b", []),
        ("@bob.test, @bob.test's (@bob.test)", ["@bob.test"] * 3),
        ("me@bob.test @bob @bob.test_x @-.test", []),
        ("https://a.b/@bob.test/(@bob.test", ["https://a.b/@bob.test/(@bob.test"]),
        ("#Tag! #1 #1st a#b #\u200b # #. #C++", ["#Tag", "#1st", "#C++"]),
        ("#" + "x" * 64 + " #" + "y" * 65, ["#" + "x" * 64]),
    ],
)
def test_what_becomes_a_facet(text: str, shown: list[str]) -> None:
    assert [covered for covered, _ in slices(text, {"bob.test": "did:plc:bob"})] == shown


def test_each_handle_is_looked_up_once() -> None:
    assert handles_in("@a.test @B.test @A.test.") == ["a.test", "b.test"]


@given(st.datetimes(datetime(2005, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001 - made aware below
def test_keys_are_well_formed_and_tell_their_time(moment: datetime) -> None:
    at = moment.replace(tzinfo=UTC)
    key = new_tid(at.timestamp())
    assert regex.fullmatch(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}", key)
    assert abs(tid_instant(key) - at) < timedelta(milliseconds=1)
    assert key < new_tid(at.timestamp() + 1)
