"""A system check: a callback secret that cannot sign stops the start, not each callback."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

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


SECRET_RECIPE = (
    'import base64, secrets; print("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())'
)
