"""The Graph's common ground: fields, parameters in every form, pages of a list."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.exchange import Refusal
from sandbox.graph.fields import Edge, Node, parse_fields, show
from sandbox.graph.params import Params

PHOTO = Node("Photo", {"id": "2", "link": "https://a.example/", "name": None})
POST = Node(
    "Post",
    {
        "id": "1",
        "message": "hello",
        "story": None,
        "target": {"id": "2", "url": "https://a.example/"},
        "photos": Edge([PHOTO, PHOTO], {"total_count": 2}),
        "owner": PHOTO,
    },
    ("message",),
)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ("", {"message": "hello", "id": "1"}),
        ("story", {"id": "1"}),
        ("target{id}", {"target": {"id": "2"}, "id": "1"}),
        ("owner{link}", {"owner": {"id": "2", "link": "https://a.example/"}, "id": "1"}),
        ("photos.limit(1)", {"photos": {"data": [{"id": "2"}]}, "id": "1"}),
        (
            "photos.limit(0).summary(true)",
            {"photos": {"data": [], "summary": {"total_count": 2}}, "id": "1"},
        ),
    ],
)
def test_fields_choose_what_is_told(fields: str, shown: dict[str, Any]) -> None:
    assert show(POST, parse_fields(fields)) == shown


@pytest.mark.parametrize(
    ("fields", "code"),
    [("a{", 2500), ("a}", 2500), ("a{b", 2500), (".x()", 2500), ("a b", 2500), ("nothing", 100)],
)
def test_fields_that_cannot_be_read_or_are_unknown_are_refused(fields: str, code: int) -> None:
    with pytest.raises(Refusal) as refusal:
        show(POST, parse_fields(fields))
    assert refusal.value.answer.payload["error"]["code"] == code


@pytest.mark.parametrize(
    "values",
    [
        {"ids": "1,2"},
        {"ids": '["1","2"]'},
        {"ids": ["1", "2"]},
        {"ids": [1, 2]},
        {"ids[0]": "1", "ids[1]": "2"},
        {"ids[1]": "2", "ids[0]": "1"},
    ],
)
def test_a_list_may_come_in_any_form(values: dict[str, Any]) -> None:
    assert Params(values, {}).ids("ids") == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1774000000", 1_774_000_000),
        ("2026-03-20", 1_773_964_800),
        ("2026-03-20T09:46:40+0000", 1_774_000_000),
        ("", None),
    ],
)
def test_an_instant_is_epoch_seconds_or_a_date(text: str, at: float | None) -> None:
    assert Params({"since": text}, {}).instant("since") == at


@pytest.mark.parametrize("text", ["soon", "-5", "99999999999999", "0001-01-01"])
def test_an_impossible_instant_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        Params({"since": text}, {}).instant("since")
