"""Forms that follow from what the adapters document."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from platforms.adapters.base import Adapter
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import adapter_for
from tests.factories import make_connection
from tests.web.browsers import messages_of, text_of
from web.forms import CredentialsForm

pytestmark = pytest.mark.django_db
ADDRESS = "/connections/new/sandbox/"


@pytest.fixture
def token(account: str) -> str:
    return f"demo-{account}"


class Telegraph(Adapter):
    slug = "telegraph"
    credential_keys = {
        "chat_id": "The channel",
        "bot_token": "From the maker of bots",
        "nickname?": "How to sign",
        "expires_at?": "When it ends",
    }


def test_each_documented_key_is_a_field_and_secrets_are_hidden() -> None:
    html = CredentialsForm(Telegraph(), {"bot_token": "s3cret-bot-token", "chat_id": "@c"}).as_p()
    assert re.findall(r'<input type="(\w+)" name="(\w+)"', html) == [
        ("text", "chat_id"),
        ("password", "bot_token"),
        ("text", "nickname"),
    ]
    assert "From the maker of bots" in html
    assert "s3cret" not in html
    assert 'value="@c"' in html


def test_an_account_is_connected_by_its_form(browser: Client, imitated: str, token: str) -> None:
    assert browser.post(ADDRESS, {"access_token": token})["Location"] == "/connections/"
    connection = SocialConnection.objects.get()
    assert connection.get_credentials() == {"access_token": token}
    assert connection.username == token.removeprefix("demo-")
    assert messages_of(browser) == [f"{connection.username} (Sandbox) is connected."]


def test_what_is_wrong_stands_beside_the_field_and_the_secret_is_not_repeated(
    browser: Client, imitated: str
) -> None:
    empty = browser.post(ADDRESS, {})
    assert empty.status_code == 422
    assert "This field is required." in text_of(empty)
    refused = browser.post(ADDRESS, {"access_token": "no-such-token-here"})
    assert refused.status_code == 422
    page = refused.content.decode()
    assert re.search(r'id="id_access_token_error">The sandbox answered HTTP 401', page)
    assert "no-such-token-here" not in page
    assert 'aria-invalid="true"' in page
    assert not SocialConnection.objects.exists()


def test_trouble_at_the_network_stands_above_the_form(
    browser: Client, switch: Callable[..., None], token: str
) -> None:
    switch(network="sandbox", on="account", fail={"status": 503})
    response = browser.post(ADDRESS, {"access_token": token})
    assert response.status_code == 422
    assert 'role="alert"' in response.content.decode()
    assert token not in response.content.decode()


def test_an_account_is_repaired_by_its_form(
    browser: Client, workspace: Any, imitated: str, token: str
) -> None:
    browser.post(ADDRESS, {"access_token": token})
    broken = SocialConnection.objects.get()
    SocialConnection.objects.update(state=ConnectionState.NEEDS_RECONNECT)
    page = text_of(browser.get(f"{ADDRESS}?connection={broken.pk}"))
    assert f"Connect {broken.username} of Sandbox again" in page
    browser.post(ADDRESS, {"access_token": token, "connection": str(broken.pk)})
    again = SocialConnection.objects.get()
    assert (again.pk, again.state) == (broken.pk, ConnectionState.ACTIVE)
    other = make_connection(workspace, username="zoe")
    browser.post(ADDRESS, {"access_token": token, "connection": str(other.pk)})
    assert "You signed in as another account" in " ".join(messages_of(browser))


@pytest.mark.parametrize("slug", ["x", "friendster"])
def test_networks_with_consent_pages_have_no_form(browser: Client, slug: str) -> None:
    assert browser.get(f"/connections/new/{slug}/").status_code == 404


def test_a_wrong_server_is_said_beside_its_field(browser: Client, settings: Any) -> None:
    settings.PUBLIC_URL = "http://testserver"
    settings.PRIVATE_HOSTS_ALLOWED = []
    for server, words in (
        ("https://10.0.0.1", "The address is refused"),
        ("nonsense/?x=1", "This is not a server's address"),
    ):
        response = browser.post("/connections/new/mastodon/", {"server": server})
        assert response.status_code == 422
        assert words in text_of(response)
        assert 'id="id_server_error"' in response.content.decode()


def test_the_suggested_server_stands_in_the_form(browser: Client, settings: Any) -> None:
    settings.MASTODON_SERVER = "https://post.example.org"
    page = browser.get("/connections/new/mastodon/").content.decode()
    assert 'value="https://post.example.org"' in page


def test_a_form_is_sent_to_its_server(browser: Client, sandbox_url: str, settings: Any) -> None:
    settings.PUBLIC_URL = "http://testserver"
    server = f"{sandbox_url}/mastodon/one"
    response = browser.post("/connections/new/mastodon/", {"server": server})
    assert response["Location"].startswith(f"{server}/oauth/authorize?")
    assert adapter_for("mastodon").user_given_host()


def test_an_app_password_is_swapped_for_a_session_and_not_shown_again(
    browser: Client, imitated: str, account: str
) -> None:
    address = "/connections/new/bluesky/"
    page = text_of(browser.get(address))
    assert "App password" in page
    assert "PDS address (optional)" in page
    given = {"handle": f"{account}.bsky.social", "app_password": "of somebody else"}
    wrong = browser.post(address, given)
    assert wrong.status_code == 422
    assert 'id="id_app_password_error"' in wrong.content.decode()
    assert "of somebody else" not in wrong.content.decode()
    browser.post(address, {**given, "app_password": f"app-{account}"})
    connection = SocialConnection.objects.get()
    assert connection.username == f"{account}.bsky.social"
    assert connection.get_credentials()["refresh_token"]


def test_a_bot_s_token_and_a_channel_are_entered_and_the_token_is_hidden(
    browser: Client, imitated: str, account: str
) -> None:
    address = "/connections/new/telegram/"
    page = browser.get(address).content.decode()
    assert re.search(r'<input type="password" name="bot_token"', page)
    assert re.search(r'<input type="text" name="chat_id"', page)
    given = {"bot_token": "123456:ABC-secret-of-the-bot", "chat_id": f"@news{account}"}
    shut = browser.post(address, {**given, "chat_id": "@nobody"})
    assert shut.status_code == 422
    assert given["bot_token"] not in shut.content.decode()
    connected = browser.post(address, given)
    assert connected.status_code == 302, text_of(connected)
    connection = SocialConnection.objects.get()
    assert connection.platform == "telegram"
    assert connection.get_credentials()["bot_token"] == given["bot_token"]
