"""System checks: settings that would publish twice, hang or lose credentials stop the start."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

SLOT_RUN_SPREAD = 1.3  # a slot runs its nominal time +- 30 %, so that slots do not end together


@register("carillon")
def credential_keys_open(**_: Any) -> Iterable[CheckMessage]:
    """Every credential key is a Fernet key, and there is one wherever real data may be."""
    if not settings.CREDENTIAL_KEYS and not settings.DEBUG:
        yield Error(
            "CREDENTIAL_KEYS is empty, so no account can be connected.",
            hint=f"Make a key with: python -c '{KEY_RECIPE}'",
            id="carillon.E001",
        )
    for number, key in enumerate(settings.CREDENTIAL_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            yield Error(
                f"Key number {number} of CREDENTIAL_KEYS is not a Fernet key (32 bytes, base64).",
                hint=f"Make a key with: python -c '{KEY_RECIPE}'",
                id="carillon.E002",
            )


@register("carillon")
def a_lease_outlasts_its_call(**_: Any) -> Iterable[CheckMessage]:
    """A call ends before its lease does: else another worker repeats it while it is under way."""
    if settings.CALL_DEADLINE + settings.LEASE_MARGIN >= settings.PUBLISH_LEASE:
        yield Error(
            "CALL_DEADLINE_SECONDS + LEASE_MARGIN_SECONDS must be less than PUBLISH_LEASE_SECONDS.",
            hint=(
                f"They are {_seconds(settings.CALL_DEADLINE)} + {_seconds(settings.LEASE_MARGIN)} "
                f"and {_seconds(settings.PUBLISH_LEASE)} seconds."
            ),
            id="carillon.E003",
        )


@register("carillon")
def the_queue_outlasts_a_slot(**_: Any) -> Iterable[CheckMessage]:
    """django-q2 neither kills a slot that still drains nor hands its task out a second time."""
    longest = settings.SLOT_RUN * SLOT_RUN_SPREAD + settings.SHUTDOWN_GRACE
    timeout, retry = settings.Q_CLUSTER["timeout"], settings.Q_CLUSTER["retry"]
    if not longest.total_seconds() < timeout < retry:
        yield Error(
            "A slot's longest run and its drain must be less than the queue's timeout, "
            "and that less than its retry.",
            hint=f"They are {_seconds(longest)}, {timeout} and {retry} seconds.",
            id="carillon.E004",
        )


KEY_RECIPE = "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g}"
