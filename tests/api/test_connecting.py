"""Verifying credentials and keeping them as a connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import AuditEvent, Workspace
from engine.errors import ErrorCategory, ServiceError
from platforms import verification
from platforms.adapters.base import Account
from platforms.registry import UnknownPlatform
from platforms.services import connect
from platforms.verification import verify_credentials


def refusal(platform: str, credentials: dict[str, Any]) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        verify_credentials(platform, credentials)
    return caught.value


def test_the_network_says_whose_credentials_they_are(
    networks: Callable[..., None], token: str
) -> None:
    account, _ = verify_credentials("twitter", {"access_token": token})
    assert account.username == token.removeprefix("demo-")
    assert account.external_id


@pytest.mark.parametrize(
    ("credentials", "part"),
    [
        ({}, "access_token is missing"),
        ({"access_token": ""}, "access_token is missing"),
        ({"access_token": "demo-zed", "acces_token": "x"}, "acces_token is not one of"),
        ({"access_token": 7}, "access_token must be text"),
        ({"access_token": "demo-zed", "expires_at": "soon"}, "expires_at must be"),
    ],
)
def test_wrong_keys_are_named_before_the_network_is_asked(
    credentials: dict[str, Any], part: str
) -> None:
    error = refusal("sandbox", credentials)
    assert error.category == ErrorCategory.VALIDATION_ERROR
    assert part in error.detail
    assert "demo-zed" not in error.detail


def test_a_network_that_hangs_is_given_up(
    networks: Callable[..., None], token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "DEADLINE", timedelta(seconds=0.2))
    networks(network="sandbox", on="account", hang=1)
    begun = time.monotonic()
    assert refusal("sandbox", {"access_token": token}).category == ErrorCategory.NETWORK_ERROR
    assert time.monotonic() - begun < 5


def test_an_account_is_kept_once_with_what_is_known_of_it(workspace: Workspace) -> None:
    account = Account("17", "ada", "Ada L.", "https://x.example/a.png", "", ("write",), {"a": 1})
    secret = {"access_token": "one", "expires_at": "2030-01-01T00:00:00+00:00"}
    first = connect(workspace, "twitter", secret, account, None, actor="user:ada")
    second = connect(workspace, "x", {**secret, "access_token": "two"}, account, None)
    assert (second.pk, second.platform, second.version) == (first.pk, "x", first.version + 1)
    assert second.get_credentials()["access_token"] == "two"
    assert second.expires_at == datetime(2030, 1, 1, tzinfo=UTC)
    assert (second.username, second.scopes, second.limits) == ("ada", ["write"], {"a": 1})
    events = AuditEvent.objects.order_by("id").values_list("action", "actor")
    assert list(events) == [
        ("connection.connected", "user:ada"),
        ("connection.reconnected", "system"),
    ]
    assert "one" not in str(AuditEvent.objects.values_list("detail", flat=True))


def test_unverified_credentials_are_kept_under_an_id_of_their_own(workspace: Workspace) -> None:
    kept = [
        connect(workspace, "sandbox", {"access_token": token}, None, None).external_id
        for token in ("one", "one", "two")
    ]
    assert kept[0] == kept[1] != kept[2]
    assert kept[0].startswith("unverified-")


def test_an_unknown_platform_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UnknownPlatform):
        connect(workspace, "friendster", {}, None, None)
