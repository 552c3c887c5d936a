"""What staff see before people can connect."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from platforms.adapters.base import ApiVersion
from platforms.adapters.mastodon import Mastodon
from platforms.backends import BACKENDS
from platforms.networks import all_networks
from platforms.registry import adapter_for
from tests.factories import make_user
from tests.web.browsers import browser_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(db: None) -> Client:
    return browser_of(make_user(is_staff=True))


def test_it_is_for_staff(browser: Client) -> None:
    refused = browser.get("/setup/")
    assert refused.status_code == 403
    assert "for the staff of this installation" in text_of(refused)


def test_each_way_stands_with_its_address_variables_and_scopes(
    staff: Client, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://post.example.org"
    page = text_of(staff.get("/setup/"))
    for network in all_networks():
        assert network.name in page
    for backend in BACKENDS.values():
        assert f"https://post.example.org/oauth/complete/{backend.name}/" in page
        assert all(variable in page for variable in backend.variables())
        assert all(f"{variable} missing" in page for variable in backend.unset_variables())
        for scope in backend.scopes():
            assert scope in page
    assert "offline.access Change it with X_SCOPES ." in page


def test_what_is_set_is_not_called_missing(staff: Client, settings: Any) -> None:
    given = {**settings.PLATFORMS["x"], "client_id": "public-client"}
    settings.PLATFORMS = {**settings.PLATFORMS, "x": given}
    adapter_for.cache_clear()
    try:
        page = text_of(staff.get("/setup/"))
    finally:
        adapter_for.cache_clear()
    assert "With OAuth 2.0 ready Variables TWITTER_CLIENT_ID TWITTER_CLIENT_SECRET Redir" in page
    assert "TWITTER_API_KEY missing TWITTER_API_SECRET missing" in page


def test_review_gates_and_ends_of_versions_are_told(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = timezone.now().date()
    versions = [
        ApiVersion("A_VERSION", "v1", today - timedelta(days=1)),
        ApiVersion("B_VERSION", "v2", today + timedelta(days=30)),
        ApiVersion("C_VERSION", "v3", date(2090, 1, 2)),
        ApiVersion("D_VERSION", "v4", None),
    ]
    monkeypatch.setattr(Mastodon, "api_versions", lambda self: versions)
    monkeypatch.setattr(Mastodon, "review_gates", ("Write to them first.",))
    page = text_of(staff.get("/setup/"))
    assert "What Mastodon asks first Write to them first." in page
    assert "A_VERSION=v1 ended" in page
    assert "B_VERSION=v2 ends" in page
    assert "C_VERSION=v3 until 2 Jan 2090" in page
    assert "D_VERSION=v4 no end known" in page


@pytest.mark.parametrize(
    ("public", "words"),
    [
        ("http://post.example.org", "networks insist on https"),
        ("http://localhost:8000", "good for trying"),
    ],
)
def test_an_address_that_networks_refuse_is_warned_of(
    staff: Client, settings: Any, public: str, words: str
) -> None:
    settings.PUBLIC_URL = public
    assert words in text_of(staff.get("/setup/"))
