"""What is special about a network's consent: several accounts, tokens that are swapped, lives."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from platforms.disconnecting import disconnect
from platforms.models import ConnectionState, SocialConnection
from platforms.verification import verify_credentials
from tests.connecting.dump import dump
from tests.connecting.person import Person, decide, query_of
from tests.environment import ROOT

pytestmark = pytest.mark.django_db
ORGANIZATIONS = ["w_organization_social", "r_organization_social", "rw_organization_admin"]


def connect(person: Person, backend: str, account: str) -> str:
    """Return where a person is led after allowing everything."""
    return person.come_back(decide(person.press_connect(backend), account))


def days_left(connection: SocialConnection) -> float:
    assert connection.expires_at is not None
    return (connection.expires_at - timezone.now()) / timedelta(days=1)


def test_facebook_s_pages_are_chosen_and_their_tokens_do_not_end(
    person: Person, account: str
) -> None:
    choice = connect(person, "facebook", account)
    assert choice.startswith("/connections/choose/")
    page = person.django.get(choice).content.decode()
    assert page.count('type="checkbox"') == 3
    assert page.count("disabled") == 1  # the page where this person only sees figures
    keys = [
        part.partition('"')[0]
        for part in page.split('name="account" value="')[1:]
        if "disabled" not in part.partition(">")[0]
    ]
    person.django.post(choice, {"account": keys})
    pages = list(SocialConnection.objects.order_by("username"))
    assert len(pages) == 2
    tokens = {page.get_credentials()["access_token"] for page in pages}
    assert len(tokens) == 2
    assert not any(token in dump() for token in tokens)
    assert [page.expires_at for page in pages] == [None, None]
    assert all("pages_manage_posts" in page.scopes for page in pages)


def test_an_instagram_account_is_found_through_its_page(person: Person, account: str) -> None:
    connect(person, "instagram-facebook", account)
    connection = SocialConnection.objects.get()
    assert connection.username == account
    assert connection.get_credentials()["login"] == "facebook"
    assert connection.expires_at is None
    assert "instagram_content_publish" in connection.scopes


@pytest.mark.parametrize("backend", ["instagram", "threads"])
def test_a_token_of_an_hour_is_swapped_for_one_of_60_days(
    person: Person, account: str, backend: str
) -> None:
    connect(person, backend, account)
    connection = SocialConnection.objects.get()
    assert 59 < days_left(connection) <= 60
    assert f"{backend}" in connection.scopes[0]


def test_members_and_organizations_of_linkedin_are_chosen_and_share_one_sign_in(
    person: Person, account: str, settings: Any
) -> None:
    settings.SOCIAL_AUTH_LINKEDIN_SCOPE = [*settings.SOCIAL_AUTH_LINKEDIN_SCOPE, *ORGANIZATIONS]
    choice = connect(person, "linkedin", account)
    page = person.django.get(choice).content.decode()
    keys = [part.partition('"')[0] for part in page.split('name="account" value="')[1:]]
    person.django.post(choice, {"account": keys})
    member, organization = SocialConnection.objects.order_by("-external_id")
    assert member.external_id.startswith("urn:li:person:")
    assert organization.external_id.startswith("urn:li:organization:")
    assert [one.state for one in (member, organization)] == 2 * [ConnectionState.ACTIVE]
    assert member.refresh_expires_at is not None
    assert "left in place" in disconnect(organization, actor="user:ada")
    assert disconnect(member, actor="user:ada") == ""


def test_tiktok_tells_how_long_both_tokens_live(person: Person, account: str) -> None:
    begun = person.press_connect("tiktok")
    asked = query_of(begun)
    assert "client_key" in asked
    assert "client_id" not in asked
    assert "code_challenge" not in asked
    assert "," in asked["scope"]
    person.come_back(decide(begun, account))
    connection = SocialConnection.objects.get()
    assert days_left(connection) < 1 / 11
    assert connection.refresh_expires_at is not None
    assert connection.refresh_expires_at > timezone.now() + timedelta(days=179)


def test_google_gives_a_refresh_token_the_second_time_too(person: Person, account: str) -> None:
    tokens = []
    for _ in range(2):
        begun = person.press_connect("youtube")
        assert query_of(begun)["access_type"] == "offline"
        assert query_of(begun)["prompt"] == "consent"
        person.come_back(decide(begun, account))
        tokens.append(SocialConnection.objects.get().get_credentials()["refresh_token"])
    assert len(set(tokens)) == 2


def test_a_login_without_a_channel_is_told_so(person: Person) -> None:
    connect(person, "youtube", "no-channel-here")
    assert "has no YouTube channel" in person.hear()[0]
    assert not SocialConnection.objects.exists()


@pytest.mark.parametrize(("backend", "length"), [("x", 64), ("youtube", 64), ("mastodon", 64)])
def test_the_verifier_is_as_long_as_networks_want_it(
    person: Person, imitated: str, backend: str, length: int
) -> None:
    from platforms.consents import opened
    from platforms.models import Consent

    person.press_connect(backend, server=f"{imitated}/mastodon/one")
    assert len(opened(Consent.objects.get())["code_verifier"]) == length


def test_an_older_redirect_address_of_youtube_goes_on_working() -> None:
    question = (
        "from django.urls import resolve; from platforms.backends import BACKENDS; "
        "found = resolve('/auth/youtube/callback'); "
        "print(found.view_name, found.kwargs, BACKENDS['youtube'].redirect_address())"
    )
    address = "https://post.example.org/auth/youtube/callback"
    told = subprocess.run(
        [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", question],
        env={**os.environ, "YOUTUBE_REDIRECT_URI": address},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["web:callback", "{'backend':", "'youtube'}", address]


@pytest.mark.parametrize(
    ("platform", "start"), [("linkedin", "urn:li:person:"), ("facebook", ""), ("threads", "")]
)
def test_typed_tokens_are_taken_for_the_account_they_are_of(
    imitated: str, account: str, platform: str, start: str
) -> None:
    found, kept = verify_credentials(platform, {"access_token": f"demo-{account}"})
    assert found.username.casefold() == account
    assert found.external_id.startswith(start)
    assert kept["access_token"]
