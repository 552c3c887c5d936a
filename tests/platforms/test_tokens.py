"""The turn to refresh: one at a time, and what it writes never replaces anything newer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from platforms import services
from platforms.adapters.base import Account
from platforms.models import ConnectionState, SocialConnection
from platforms.tokens import (
    Turn,
    Wait,
    begin_refresh,
    end_connection,
    expire_token,
    put_off,
    refresh_lease,
    store_refreshed,
)
from tests.factories import make_connection

pytestmark = pytest.mark.django_db

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
OLD = {"access_token": "old", "refresh_token": "once", "expires_at": "2026-11-25T09:00:00+00:00"}
NEW = {"access_token": "new", "refresh_token": "twice"}


@pytest.fixture
def account() -> SocialConnection:
    return make_connection(platform="x", credentials=OLD, expires_at=timezone.now())


def begin(account: SocialConnection) -> Turn:
    turn = begin_refresh(account.pk, account.version)
    assert isinstance(turn, Turn)
    return turn


def kept(account: SocialConnection) -> dict[str, Any]:
    account.refresh_from_db()
    return account.get_credentials()


def reconnect(account: SocialConnection) -> None:
    services.connect(
        account.workspace,
        "x",
        {"access_token": "owner's"},
        Account(account.external_id, account.username),
        None,
    )


def let_the_lease_end(account: SocialConnection) -> None:
    SocialConnection.objects.filter(pk=account.pk).update(refresh_lease_until=Now() - SECOND)


# --- the turn ---------------------------------------------------------------------------------
def test_only_one_has_the_turn_and_the_other_learns_how_short_to_wait(
    account: SocialConnection,
) -> None:
    begin(account)
    second = begin_refresh(account.pk, account.version)
    assert isinstance(second, Wait)
    assert second.until < timezone.now() + 2 * SECOND
    assert second.failing_since is None


def test_a_turn_outlasts_the_call_and_ends_by_itself(
    account: SocialConnection, settings: Any
) -> None:
    turn = begin(account)
    assert refresh_lease() >= 2 * settings.CALL_DEADLINE
    let_the_lease_end(account)
    account.refresh_from_db()
    later = begin(account)
    assert later.connection.refresh_fence == turn.connection.refresh_fence + 1


@pytest.mark.parametrize(
    "change",
    [
        {"version": 9},
        {"state": ConnectionState.PAUSED},
        {"state": ConnectionState.NEEDS_RECONNECT},
    ],
)
def test_there_is_no_turn_for_what_has_changed(
    account: SocialConnection, change: dict[str, Any]
) -> None:
    SocialConnection.objects.filter(pk=account.pk).update(**change)
    assert begin_refresh(account.pk, account.version) is None


def test_the_turn_comes_with_the_credentials_as_they_are_now(account: SocialConnection) -> None:
    fresh = SocialConnection.objects.get(pk=account.pk)
    fresh.set_credentials(NEW)
    fresh.save()
    assert begin(account).connection.get_credentials() == NEW


def test_a_holder_that_died_leaves_word_that_its_answer_is_missing(
    account: SocialConnection,
) -> None:
    assert begin(account).lost_at is None
    let_the_lease_end(account)
    account.refresh_from_db()
    left = account.refresh_unanswered_at
    assert left is not None
    assert begin(account).lost_at == left
    let_the_lease_end(account)
    assert begin(account).lost_at == left  # the first of them counts


# --- what it writes ---------------------------------------------------------------------------
def test_a_new_pair_is_stored_with_a_new_version_and_leaves_no_trace_of_trouble(
    account: SocialConnection,
) -> None:
    put_off(begin(account), timedelta(), "X answered HTTP 503.", may_be_used=True)
    assert store_refreshed(begin(account), {**NEW, "expires_at": "2030-01-01T00:00:00+00:00"})
    assert kept(account)["access_token"] == "new"
    assert account.expires_at.year == 2030
    assert (account.version, account.state_reason) == (2, "")
    assert (account.refresh_lease_until, account.refresh_unanswered_at) == (None, None)
    assert account.refresh_failing_since is None


def test_empty_values_overwrite_nothing_and_an_old_expiry_is_not_inherited(
    account: SocialConnection,
) -> None:
    assert store_refreshed(begin(account), {"access_token": "new", "refresh_token": "", "x": None})
    assert kept(account) == {"access_token": "new", "refresh_token": "once"}
    assert account.expires_at is None


def test_a_reconnect_during_the_refresh_wins(account: SocialConnection) -> None:
    turn = begin(account)
    reconnect(account)
    assert not store_refreshed(turn, NEW)
    assert not end_connection(turn, "X no longer accepts it.")
    put_off(turn, HOUR, "X answered HTTP 503.", may_be_used=True)
    assert kept(account) == {"access_token": "owner's"}
    assert (account.state, account.state_reason, account.version) == ("active", "", 2)
    assert (account.refresh_again_at, account.refresh_unanswered_at) == (None, None)


def test_a_later_turn_wins(account: SocialConnection) -> None:
    slow = begin(account)
    let_the_lease_end(account)
    assert store_refreshed(begin(account), {"access_token": "newest"})
    assert not store_refreshed(slow, NEW)
    assert not end_connection(slow, "X no longer accepts it.")
    assert kept(account)["access_token"] == "newest"
    assert account.state == ConnectionState.ACTIVE


def test_a_pause_during_the_refresh_does_not_cost_the_pair(account: SocialConnection) -> None:
    turn = begin(account)
    services.pause(account, actor="user:test", reason="holidays")
    assert store_refreshed(turn, NEW)
    assert kept(account)["refresh_token"] == "twice"
    assert (account.state, account.state_reason) == ("paused", "holidays")


def test_what_was_disconnected_gets_no_credentials_back(account: SocialConnection) -> None:
    turn = begin(account)
    SocialConnection.objects.filter(pk=account.pk).update(state=ConnectionState.REVOKED)
    assert not store_refreshed(turn, NEW)


# --- failures ---------------------------------------------------------------------------------
@pytest.mark.parametrize("may_be_used", [True, False])
def test_after_a_failure_all_wait_and_only_a_lost_answer_is_remembered(
    account: SocialConnection, may_be_used: bool
) -> None:
    put_off(begin(account), MINUTE, "X answered HTTP 503.", may_be_used=may_be_used)
    second = begin_refresh(account.pk, account.version)
    assert isinstance(second, Wait)
    assert timezone.now() + 50 * SECOND < second.until < timezone.now() + 70 * SECOND
    assert (second.reason, second.failing_since is None) == ("X answered HTTP 503.", False)
    account.refresh_from_db()
    assert account.state == ConnectionState.ACTIVE
    assert (account.refresh_unanswered_at is not None) == may_be_used


def test_a_certain_failure_does_not_forget_an_earlier_lost_answer(
    account: SocialConnection,
) -> None:
    put_off(begin(account), timedelta(), "lost", may_be_used=True)
    lost = begin(account)
    put_off(lost, timedelta(), "no connection", may_be_used=False)
    assert begin(account).lost_at == lost.lost_at is not None


def test_tokens_that_live_for_minutes_are_not_refreshed_all_the_time(
    account: SocialConnection,
) -> None:
    assert store_refreshed(begin(account), NEW)
    account.refresh_from_db()
    assert isinstance(begin_refresh(account.pk, account.version), Wait)


def test_a_refused_token_is_used_by_nobody_and_only_the_refused_one(
    account: SocialConnection,
) -> None:
    SocialConnection.objects.filter(pk=account.pk).update(expires_at=timezone.now() + HOUR)
    assert not expire_token(account.pk, account.version + 1)
    assert expire_token(account.pk, account.version)
    assert not expire_token(account.pk, account.version)  # refused twice, renewed once
    account.refresh_from_db()
    assert account.expires_at <= timezone.now()
    assert account.version == 2
