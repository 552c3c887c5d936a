"""The accounts a slot holds: as the database has them, and there while posts need them."""

from __future__ import annotations

import pytest
from django.db.models import F

from accounts.models import Workspace
from platforms.models import ConnectionState, SocialConnection
from scheduling.accounts import AccountCache
from tests.factories import make_connection

pytestmark = pytest.mark.django_db


def test_an_unchanged_account_is_decrypted_once(
    connection: SocialConnection, django_assert_num_queries: object
) -> None:
    cache = AccountCache()
    cache.load([connection.pk])
    first = cache.get(connection.pk)
    with django_assert_num_queries(1):  # type: ignore[operator]
        cache.load([connection.pk, connection.pk])
    assert cache.get(connection.pk) is first
    (token,) = first.credentials.values()
    assert token not in repr(first)


def test_changed_credentials_states_and_limits_are_seen_with_the_next_load(
    connection: SocialConnection,
) -> None:
    cache = AccountCache()
    cache.load([connection.pk])
    connection.set_credentials({"access_token": "new-token"})
    SocialConnection.objects.update(secret=connection.secret, version=F("version") + 1)
    cache.load([connection.pk])
    assert cache.get(connection.pk).credentials == {"access_token": "new-token"}
    SocialConnection.objects.update(state=ConnectionState.PAUSED)
    cache.load([connection.pk])
    assert cache.get(connection.pk).state == ConnectionState.PAUSED
    Workspace.objects.update(late_limit_minutes=5)
    cache.load([connection.pk])
    assert cache.get(connection.pk).workspace_late_limit == 5


def test_only_accounts_not_loaded_for_longest_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AccountCache, "MOST", 2)
    cache, accounts = AccountCache(), [make_connection().pk for _ in range(3)]
    cache.load(accounts[:2])
    cache.load(accounts[:1])
    cache.load(accounts[2:])
    assert cache.get(accounts[0]).connection.pk == accounts[0]
    assert cache.get(accounts[2]).connection.pk == accounts[2]
    with pytest.raises(KeyError):
        cache.get(accounts[1])
    cache.load(accounts)
    assert [cache.get(pk).connection.pk for pk in accounts] == accounts


def test_nothing_to_load_asks_nothing(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        AccountCache().load([])
