"""Mastodon: any number of servers, named by people, each with an application of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import ErrorCategory, ServiceError
from platforms import mastodon_apps, rotation
from platforms.mastodon_apps import ensure_app, key_and_secret, server_address
from platforms.models import MastodonApp, SocialConnection
from tests.connecting.dump import dump
from tests.connecting.person import Person, decide, query_of

pytestmark = pytest.mark.django_db
BACK = "http://testserver/oauth/complete/mastodon/"


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("mastodon.social", "https://mastodon.social"),
        ("  Mastodon.Social/ ", "https://mastodon.social"),
        ("https://mastodon.social/", "https://mastodon.social"),
        ("@ada@mastodon.social", "https://mastodon.social"),
        ("ada@mastodon.social", "https://mastodon.social"),
        ("mastodon.social:8443", "https://mastodon.social:8443"),
        ("http://127.0.0.1:8010/mastodon/one", "http://127.0.0.1:8010/mastodon/one"),
    ],
)
def test_a_server_is_understood_however_it_is_written(given: str, address: str) -> None:
    assert server_address(given) == address


@pytest.mark.parametrize(
    "given",
    ["", "   ", "ftp://mastodon.social", "https://", "a.example?x=1", "x.example#y", "a:b:c"],
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ServiceError) as caught:
        server_address(given)
    assert caught.value.category is ErrorCategory.VALIDATION_ERROR


@pytest.mark.parametrize(
    "server", ["https://10.0.0.1", "https://localhost", "http://mastodon.social", "https://a@b.c"]
)
def test_no_server_inside_is_asked(server: str, settings: Any) -> None:
    settings.PRIVATE_HOSTS_ALLOWED = []
    with pytest.raises(ServiceError) as caught:
        ensure_app(server, BACK, ["read"])
    assert caught.value.category is ErrorCategory.VALIDATION_ERROR
    assert not MastodonApp.objects.exists()


def test_an_application_is_registered_once_and_anew_for_more_scopes(imitated: str) -> None:
    server = f"{imitated}/mastodon/one"
    first = ensure_app(server, BACK, ["read:accounts"])
    assert ensure_app(server, BACK, ["read:accounts"]).client_id == first.client_id
    wider = ensure_app(server, BACK, ["read:accounts", "write:statuses"])
    assert (wider.pk, wider.client_id != first.client_id) == (first.pk, True)
    elsewhere = ensure_app(server, "http://testserver/other/", ["read:accounts"])
    assert elsewhere.pk != first.pk
    client_id, secret = key_and_secret(server, BACK)
    assert client_id == wider.client_id
    assert secret not in dump()


def test_a_server_of_another_kind_is_named(imitated: str) -> None:
    with pytest.raises(ServiceError, match="does not answer like a Mastodon server"):
        ensure_app(f"{imitated}/x", BACK, ["read"])


def test_a_server_in_trouble_is_told_from_a_wrong_one(
    imitated: str, switch: Callable[..., None]
) -> None:
    switch(network="mastodon/busy", on="all", fail={"status": 503})
    with pytest.raises(ServiceError, match="Try again later"):
        ensure_app(f"{imitated}/mastodon/busy", BACK, ["read"])


def test_two_servers_in_one_session_do_not_mix(person: Person, imitated: str, account: str) -> None:
    one, two = (f"{imitated}/mastodon/{name}" for name in ("one", "two"))
    begun = [person.press_connect("mastodon", server=server) for server in (one, two)]
    assert query_of(begun[0])["client_id"] != query_of(begun[1])["client_id"]
    for address in begun:
        person.come_back(decide(address, account))
    connections = SocialConnection.objects.order_by("instance_url")
    assert [c.instance_url for c in connections] == [one, two]
    assert [c.get_credentials()["instance_url"] for c in connections] == [one, two]


def test_a_server_that_forgot_us_gets_us_registered_again(
    person: Person, imitated: str, account: str, switch: Callable[..., None]
) -> None:
    server = f"{imitated}/mastodon/one"
    answer = decide(person.press_connect("mastodon", server=server), account)
    known = MastodonApp.objects.get().client_id
    forgotten = {"status": 401, "body": {"error": "invalid_client"}}
    switch(network="mastodon/one", on="token", fail=forgotten)
    person.come_back(answer)
    assert "how it is registered there" in person.hear()[0]
    assert not MastodonApp.objects.exists()
    person.come_back(decide(person.press_connect("mastodon", server=server), account))
    assert MastodonApp.objects.get().client_id != known
    assert SocialConnection.objects.get().username == account


def test_a_server_before_pkce_works_too(person: Person, imitated: str, account: str) -> None:
    server = f"{imitated}/mastodon/old"
    person.come_back(decide(person.press_connect("mastodon", server=server), account))
    assert SocialConnection.objects.get().instance_url == server


def test_the_secret_is_encrypted_anew_with_the_others(imitated: str, settings: Any) -> None:
    from cryptography.fernet import Fernet

    ensure_app(f"{imitated}/mastodon/one", BACK, ["read:accounts"])
    _, secret = key_and_secret(f"{imitated}/mastodon/one", BACK)
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode(), *settings.CREDENTIAL_KEYS]
    assert rotation.rotate_all().rotated == 1
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]
    assert key_and_secret(f"{imitated}/mastodon/one", BACK)[1] == secret
    mastodon_apps.forget(f"{imitated}/mastodon/one", BACK)
    assert not MastodonApp.objects.exists()
