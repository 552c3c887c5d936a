"""What becomes of the accounts that a consent, or a form, brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User, Workspace
from engine.errors import ErrorCategory, ServiceError
from platforms import consents
from platforms.adapters.base import Account, Target
from platforms.connecting import Outcome, keep, settle
from platforms.consents import Choice, ConsentRefused
from platforms.models import ConnectionState, Consent, SocialConnection
from platforms.services import connect, pause
from tests.connecting.dump import dump

pytestmark = pytest.mark.django_db


def target(name: str, *, problem: str = "", scopes: Sequence[str] = ()) -> Target:
    account = Account(name, name, name.title(), scopes=tuple(scopes), limits={"text_chars": 9})
    return Target(account, {"access_token": f"secret-token-of-{name}"}, problem)


@pytest.fixture
def begin(workspace: Workspace, user: User) -> Callable[..., Consent]:
    def run(**fields: Any) -> Consent:
        return consents.begin(workspace, user, "x", backend="x", **fields)[0]

    return run


def test_one_account_is_kept_at_once(begin: Callable[..., Consent]) -> None:
    consent = begin()
    outcome = settle(consent, [target("ada")], granted=["a", "b"], required=["a"])
    (connection,) = outcome.connected
    assert (connection.username, connection.scopes) == ("ada", ["a", "b"])
    assert connection.state == ConnectionState.ACTIVE
    assert outcome == Outcome(connected=(connection,))


def test_several_wait_encrypted_until_one_is_chosen(
    begin: Callable[..., Consent], user: User
) -> None:
    consent = begin()
    outcome = settle(consent, [target("ada"), target("bob", problem="Not yours.")], granted=["a"])
    assert outcome == Outcome(to_choose=consent)
    assert not SocialConnection.objects.exists()
    assert "secret-token" not in dump()
    found, choices = consents.offered(consent.pk, user)
    assert [choice.target.problem for choice in choices] == ["", "Not yours."]
    assert choices[0].target == Target(
        Account("ada", "ada", "Ada", scopes=("a",), limits={"text_chars": 9}),
        {"access_token": "secret-token-of-ada"},
    )
    (connection,) = keep(found, choices[:1])
    assert connection.get_credentials() == {"access_token": "secret-token-of-ada"}
    with pytest.raises(ConsentRefused):
        consents.offered(consent.pk, user)


def test_a_choice_is_its_owners_and_ends(
    begin: Callable[..., Consent], user: User, workspace: Workspace
) -> None:
    from tests.factories import make_user

    consent = begin()
    settle(consent, [target("ada"), target("bob")])
    with pytest.raises(ConsentRefused):
        consents.offered(consent.pk, make_user(workspace))
    left = Consent.objects.get().expires_at - timezone.now()
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)
    Consent.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(ConsentRefused, match="15 minutes"):
        consents.offered(consent.pk, user)
    consents.tidy()
    assert bytes(Consent.objects.get().sealed) == b""
    Consent.objects.update(expires_at=timezone.now() - timedelta(hours=2))
    assert consents.tidy() == 1
    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    ("targets", "words"),
    [([], "no account that may be published to"), ([target("ada", problem="Not yours.")], "yours")],
)
def test_nothing_to_publish_to_is_said(
    begin: Callable[..., Consent], targets: list[Target], words: str
) -> None:
    with pytest.raises(ServiceError, match=words) as caught:
        settle(begin(), targets)
    assert caught.value.category is ErrorCategory.PERMISSION


def test_a_repair_takes_just_its_account_out_of_many(
    begin: Callable[..., Consent], workspace: Workspace
) -> None:
    broken = connect(workspace, "x", {"access_token": "old"}, target("bob").account, None)
    outcome = settle(begin(connection=broken), [target("ada"), target("bob")])
    assert [one.pk for one in outcome.connected] == [broken.pk]
    assert outcome.missed is None


def test_a_repair_that_finds_others_offers_them_and_says_so(
    begin: Callable[..., Consent], workspace: Workspace
) -> None:
    broken = connect(workspace, "x", {"access_token": "old"}, target("eve").account, None)
    outcome = settle(begin(connection=broken), [target("ada"), target("bob")])
    assert outcome.to_choose is not None
    assert outcome.missed == broken


def test_scopes_are_the_accounts_own_where_the_network_tells_them(
    begin: Callable[..., Consent],
) -> None:
    outcome = settle(begin(), [target("ada", scopes=["a"])], granted=["a", "b"], required=["b"])
    (connection,) = outcome.connected
    assert connection.scopes == ["a"]
    assert connection.state == ConnectionState.NEEDS_RECONNECT
    assert "permission b." in connection.state_reason


@pytest.mark.parametrize(
    ("granted", "missing"),
    [(["write"], []), (["write:statuses"], []), (["read"], ["write:statuses"]), ([], [])],
)
def test_a_wide_scope_covers_a_narrow_one_and_silence_counts_as_consent(
    begin: Callable[..., Consent], granted: list[str], missing: list[str]
) -> None:
    outcome = settle(begin(), [target("ada")], granted=granted, required=["write:statuses"])
    expected = ConnectionState.NEEDS_RECONNECT if missing else ConnectionState.ACTIVE
    assert outcome.connected[0].state == expected


def test_missing_permissions_count_for_a_paused_account_too(workspace: Workspace) -> None:
    account = target("ada").account
    connection = connect(workspace, "x", {"access_token": "one"}, account, None)
    pause(connection, actor="system")
    again = connect(workspace, "x", {"access_token": "two"}, account, None)
    assert again.state == ConnectionState.PAUSED
    flagged = connect(workspace, "x", {"access_token": "3"}, account, None, missing=["a", "b"])
    assert flagged.state == ConnectionState.NEEDS_RECONNECT
    assert "permissions a, b. Connect again and allow them" in flagged.state_reason


@pytest.mark.parametrize(
    ("new", "kept"),
    [
        ({"access_token": "b"}, "one"),
        ({"access_token": "b", "refresh_token": ""}, "one"),
        ({"access_token": "b", "refresh_token": "two"}, "two"),
        ({"oauth_token": "b", "oauth_token_secret": "c"}, None),  # another flavour has none
    ],
)
def test_a_refresh_token_is_never_overwritten_by_none(
    workspace: Workspace, new: dict[str, str], kept: str | None
) -> None:
    account = target("ada").account
    old = {"access_token": "a", "refresh_token": "one", "refresh_expires_at": "2031-01-01"}
    connect(workspace, "x", old, account, None)
    again = connect(workspace, "x", new, account, None)
    assert again.get_credentials().get("refresh_token") == kept
    assert (again.refresh_expires_at is not None) == (kept == "one")
    assert again.expires_at is None


def test_choices_survive_being_kept(begin: Callable[..., Consent], user: User) -> None:
    consent = begin()
    given = [Choice(target("ada"), ("x",)), Choice(target("bob"))]
    consents.offer(consent, given)
    assert consents.offered(consent.pk, user)[1] == given
