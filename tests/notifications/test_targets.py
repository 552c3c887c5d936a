"""Devices and suppressions: found whatever way they are written, secret where they must be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, User, Workspace
from notifications import targets
from notifications.models import Device, Suppression
from platforms.rotation import rotate_all
from tests.factories import make_user

TOKEN = "fcm-token-0123456789"


def test_a_token_is_encrypted_and_never_shown(user: User) -> None:
    device = targets.register_device(user=user, token=TOKEN, platform="ios", name="Ada's phone")
    row = Device.objects.get()
    assert TOKEN.encode() not in bytes(row.secret)
    assert TOKEN not in f"{row!r} {row} {row.token_hash}"
    destination = targets.look_up([("push", str(device.pk))])["push", str(device.pk)]
    assert destination.address == TOKEN
    assert TOKEN not in repr(destination)


def test_a_token_belongs_to_whom_it_was_registered_for_last(
    user: User, workspace: Workspace
) -> None:
    first = targets.register_device(user=user, token=TOKEN, platform="android")
    targets.retire([("push", str(first.pk), "invalid", "the app is gone")])
    other = make_user(workspace)
    second = targets.register_device(user=other, token=TOKEN, platform="android")
    assert first.pk == second.pk
    assert targets.devices_of(user.pk) == []
    assert targets.devices_of(other.pk) == [("push", str(second.pk))]


@pytest.mark.parametrize("token", ["", "x" * 5000])
def test_what_cannot_be_a_token_is_refused(user: User, token: str) -> None:
    with pytest.raises(ValueError, match="registration token"):
        targets.register_device(user=user, token=token, platform="web")


def test_idle_devices_are_forgotten(user: User) -> None:
    targets.register_device(user=user, token=TOKEN, platform="web")
    targets.register_device(user=user, token=TOKEN + "2", platform="web")
    old = timezone.now() - targets.IDLE - timedelta(days=1)
    Device.objects.filter(token_hash=Device.objects.first().token_hash).update(last_seen_at=old)  # type: ignore[union-attr]
    assert targets.prune_devices() == 1
    assert Device.objects.count() == 1


def test_changing_the_key_encrypts_devices_anew(user: User, settings: Any) -> None:
    from cryptography.fernet import Fernet

    device = targets.register_device(user=user, token=TOKEN, platform="web")
    old = settings.CREDENTIAL_KEYS
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode(), *old]
    assert rotate_all().rotated == 1
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]
    found = targets.look_up([("push", str(device.pk))])
    assert found["push", str(device.pk)].address == TOKEN
    settings.CREDENTIAL_KEYS = old
    found = targets.look_up([("push", str(device.pk))])
    assert "CREDENTIAL_KEYS" in found["push", str(device.pk)].refusal


@pytest.mark.parametrize("target", ["nonsense", "01890000-0000-7000-8000-000000000000"])
def test_an_unknown_device_is_skipped(db: None, target: str) -> None:
    assert "no longer registered" in targets.look_up([("push", target)])["push", target].refusal


@pytest.mark.parametrize(
    ("channel", "given", "written"),
    [
        ("email", "Ada@Example.org", " ada@example.ORG "),
        ("sms", "+49 151 123-45678", "+4915112345678"),
    ],
)
def test_a_suppressed_target_is_found_however_it_is_written(
    db: None, channel: str, given: str, written: str
) -> None:
    targets.suppress(channel, given, Suppression.Reason.BOUNCED)
    targets.suppress(channel, written, Suppression.Reason.OPTED_OUT)
    assert Suppression.objects.get().reason == Suppression.Reason.BOUNCED
    found = targets.look_up([(channel, written), (channel, given), ("slack", written)])
    assert "bounced" in found[channel, written].refusal
    assert "bounced" in found[channel, given].refusal
    assert found["slack", written].refusal == ""


def test_a_suppression_shows_no_more_than_a_hint(db: None) -> None:
    assert targets.hint_of("ada.lovelace@example.org") == "a***@example.org"
    assert targets.hint_of("+4915112345678") == "+49***78"
    assert targets.hint_of("short") == "***"


def test_webhooks_cost_no_statement_and_many_targets_two(
    user: User, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        assert targets.look_up([("webhook", "https://a.example/")] * 50) == {}
    with django_assert_num_queries(2):
        targets.look_up(
            [("email", f"a{n}@example.org") for n in range(50)]
            + [("push", f"0189000{n}-0000-7000-8000-000000000000") for n in range(9)]
        )


def test_staff_may_allow_a_target_again_and_it_is_written_down(db: None) -> None:
    targets.suppress("sms", "+4915112345678", Suppression.Reason.OPTED_OUT)
    targets.allow_again(Suppression.objects.get().pk, actor="user:ada", reason="she asked for it")
    assert not Suppression.objects.exists()
    event = AuditEvent.objects.get(action="suppression.deleted")
    assert (event.actor, event.reason) == ("user:ada", "she asked for it")
    assert "+4915112345678" not in event.target
