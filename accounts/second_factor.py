"""The second factor: an authenticator app (TOTP), and ten recovery codes for the day it is lost.

django-otp keeps the devices, counts wrong codes and slows down whoever guesses. Recovery codes are
random and stored as digests, so that a copy of the database does not hold any.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import b32encode
from urllib.parse import quote, urlencode

from django.db import transaction
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.audit import record
from accounts.models import User

RECOVERY_CODES = 10
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without what is misread: i l o 0 1
CODE_CHARS = 10
ISSUER = "Carillon"


class CodeRefused(Exception):
    """The code does not fit; the message is for the person who typed it."""


def has_second_factor(user: User) -> bool:
    """Say whether logging in takes a code."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def begin_enrolment(user: User) -> TOTPDevice:
    """Return the device that waits to be confirmed, made anew when there is none."""
    device, _ = TOTPDevice.objects.get_or_create(
        user=user, confirmed=False, defaults={"name": "authenticator app"}
    )
    return device


def enrolment_address(device: TOTPDevice) -> str:
    """Return the otpauth:// address that the QR code shows."""
    label = quote(f"{ISSUER}:{device.user.get_username()}")
    return f"otpauth://totp/{label}?{urlencode({'secret': typed_secret(device), 'issuer': ISSUER})}"


def typed_secret(device: TOTPDevice) -> str:
    """Return the secret as people type it where no camera is at hand (base32)."""
    return b32encode(device.bin_key).decode().rstrip("=")


def confirm_enrolment(user: User, code: str, *, actor: str) -> list[str]:
    """Switch the second factor on and return the recovery codes; raises CodeRefused."""
    with transaction.atomic():
        device = begin_enrolment(user)
        if not device.verify_token(_digits(code)):
            raise CodeRefused("That code does not fit: wait for the next one and try again.")
        TOTPDevice.objects.filter(user=user).exclude(pk=device.pk).delete()
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        codes = _renew_codes(user)
        record(actor=actor, action="second_factor.enabled", target=f"user:{user.pk}")
    return codes


def renew_recovery_codes(user: User, *, actor: str) -> list[str]:
    """Return ten new recovery codes; the old ones are worth nothing from now on."""
    with transaction.atomic():
        codes = _renew_codes(user)
        record(actor=actor, action="second_factor.codes_renewed", target=f"user:{user.pk}")
    return codes


def recovery_codes_left(user: User) -> int:
    """Return how many recovery codes were not used yet."""
    devices = StaticDevice.objects.filter(user=user)
    return sum(device.token_set.count() for device in devices)


def disable(user: User, *, actor: str, reason: str = "") -> None:
    """Switch the second factor off; logging in takes the password alone."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()
        record(
            actor=actor, action="second_factor.disabled", target=f"user:{user.pk}", reason=reason
        )


def verify(user: User, code: str) -> Device:
    """Return the device the code belongs to; raises CodeRefused, also while guessing is slowed.

    Each code works once: a TOTP code is remembered, a recovery code deleted.
    """
    waits = False
    for device, token in _candidates(user, code):
        allowed, _ = device.verify_is_allowed()
        waits = waits or not allowed
        if allowed and device.verify_token(token):
            return device
    if waits:
        raise CodeRefused("Too many wrong codes: wait a little and try again.")
    raise CodeRefused("That code does not fit, or was used before.")


def _candidates(user: User, code: str) -> list[tuple[Device, str]]:
    digits = _digits(code)
    if digits.isdecimal():
        return [(one, digits) for one in TOTPDevice.objects.filter(user=user, confirmed=True)]
    return [(one, _digest(code)) for one in StaticDevice.objects.filter(user=user, confirmed=True)]


def _renew_codes(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery codes", confirmed=True)
    codes = [_random_code() for _ in range(RECOVERY_CODES)]
    for code in codes:
        device.token_set.create(token=_digest(code))
    return codes


def _random_code() -> str:
    letters = "".join(secrets.choice(ALPHABET) for _ in range(CODE_CHARS))
    return f"{letters[:5]}-{letters[5:]}"


def _digest(code: str) -> str:
    """Return what is stored of a recovery code: 16 hex digits, all that django-otp has room for."""
    plain = code.strip().lower().replace("-", "").replace(" ", "")
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def _digits(code: str) -> str:
    return code.replace(" ", "")
