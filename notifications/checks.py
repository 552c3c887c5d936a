"""System checks: what cannot sign or verify is found at the start, not with each message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from notifications.channels.google import BadAccount, read_account
from notifications.hook_signatures import BadKey, read_public_key
from notifications.signing import BadSecret, read_secret


@register("carillon")
def callback_secrets_sign(**_: Any) -> Iterable[CheckMessage]:
    """Every callback secret has the form that receivers' libraries expect."""
    for number, text in enumerate(settings.CALLBACK_SECRET, start=1):
        try:
            read_secret(text)
        except BadSecret as error:
            yield Error(
                f"Secret number {number} of CALLBACK_SECRET cannot sign: {error}.",
                hint=f"Make one with: python -c '{SECRET_RECIPE}'",
                id="carillon.E010",
            )


@register("carillon")
def channels_can_be_used(**_: Any) -> Iterable[CheckMessage]:
    """What is set for a channel can be read; if not, only that channel is switched off."""
    try:
        read_account(settings.FIREBASE_SERVICE_ACCOUNT)
    except BadAccount as error:
        yield Warning(
            f"FIREBASE_SERVICE_ACCOUNT cannot be used, so no push is sent: {error}.",
            hint="Give the whole key file of Firebase's console, in one line.",
            id="carillon.W011",
        )
    try:
        if settings.SENDGRID_WEBHOOK_PUBLIC_KEY:
            read_public_key(settings.SENDGRID_WEBHOOK_PUBLIC_KEY)
    except BadKey as error:
        yield Warning(
            f"SENDGRID_WEBHOOK_PUBLIC_KEY cannot verify, so events are refused: {error}.",
            hint="Copy the verification key from SendGrid's page, without BEGIN and END.",
            id="carillon.W012",
        )


SECRET_RECIPE = (
    'import base64, secrets; print("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())'
)
