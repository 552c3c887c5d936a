"""Counting a text over the API."""

from __future__ import annotations

from typing import Any

from accounts.models import Workspace
from platforms.models import SocialConnection
from platforms.registry import ADAPTERS
from tests.api.client import Api
from tests.factories import make_connection


def counted(api: Api, text: str, **where: Any) -> dict[str, Any]:
    answer = api.post("text-length", {"text": text, **where})
    assert answer.status == 200, answer.body
    return {one["platform"]: one for one in answer.body["results"]}


def test_each_network_counts_in_its_own_way(api: Api) -> None:
    text = "see https://example.org/" + "x" * 100
    found = counted(api, text, platforms=["twitter", "mastodon", "sandbox"])
    assert found["x"]["length"] == found["mastodon"]["length"] == 4 + 23
    assert found["sandbox"]["length"] == len(text)
    assert (found["x"]["limit"], found["x"]["left"]) == (280, 253)
    assert not found["x"]["is_too_long"]
    assert found["x"]["connection"] is None


def test_without_names_all_networks_count(api: Api) -> None:
    assert counted(api, "x" * 70_000).keys() == ADAPTERS.keys()
    assert all(one["is_too_long"] for one in counted(api, "x" * 70_000).values())


def test_an_account_may_have_a_limit_of_its_own(api: Api, workspace: Workspace) -> None:
    connection = make_connection(workspace, platform="mastodon", limits={"text_chars": 5000})
    found = counted(api, "x" * 600, connections=[str(connection.pk)])
    assert found["mastodon"]["limit"] == 5000
    assert found["mastodon"]["connection"] == str(connection.pk)


def test_unknown_networks_and_foreign_accounts_are_named(
    api: Api, connection: SocialConnection
) -> None:
    answer = api.post("text-length", {"text": "x", "platforms": ["myspace"]})
    answer.problem(422, "invalid", "platforms")
    answer = api.post("text-length", {"text": "x", "connections": ["nobody"]})
    assert answer.status == 404
