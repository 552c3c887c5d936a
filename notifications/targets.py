"""Where deliveries may go: devices, endpoints, and targets that take nothing more.

A suppressed target is found by its hash. The hash is not keyed: an opt-out must outlive every
change of keys, and the targets themselves stand in the deliveries anyway.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.audit import record
from accounts.models import User
from engine.credentials import CredentialError, decrypt, encrypt
from notifications.models import Channel, Device, Suppression, WebhookEndpoint

IDLE = timedelta(
    days=270
)  # an app not opened for so long has another token by now (recalled from Firebase's pages)
TOKEN_CHARS = 4096  # longer than any registration token or web subscription


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one delivery really goes; `refusal` says why it goes nowhere, else it is ""."""

    address: str = field(default="", repr=False)
    platform: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    refusal: str = ""


DELETED = Destination(refusal="This webhook endpoint was deleted.")
UNREGISTERED = Destination(refusal="This device is no longer registered.")


def look_up(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Destination]:
    """Return the destination of each (channel, target); three statements at most."""
    everything = {pair for pair in pairs if pair[0] != Channel.WEBHOOK}
    hooks = {target for channel, target in everything if channel == Channel.ENDPOINT}
    wanted = {pair for pair in everything if pair[0] != Channel.ENDPOINT}
    pushes = {target for channel, target in wanted if channel == Channel.PUSH}
    found = {pair: Destination(pair[1]) for pair in wanted if pair[0] != Channel.PUSH}
    found |= {(Channel.PUSH.value, target): UNREGISTERED for target in pushes}
    if pushes:
        rows = Device.objects.in_bulk([pk for target in pushes if (pk := _uuid(target))])
        found |= {
            (Channel.PUSH.value, target): _opened(rows[pk])
            for target in pushes
            if (pk := _uuid(target)) in rows
        }
    hashes: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for pair in found.keys() - {(Channel.PUSH.value, target) for target in pushes}:
        hashes[pair[0], hash_of(*pair)].append(pair)  # one target may be written in many ways
    if hashes:
        for suppression in Suppression.objects.filter(
            channel__in={channel for channel, _ in hashes},  # the index begins with it
            target_hash__in={digest for _, digest in hashes},
        ):
            for pair in hashes.get((suppression.channel, suppression.target_hash), []):
                found[pair] = Destination(refusal=_why(suppression))
    return found | _endpoints(hooks)


def _endpoints(targets: Iterable[str]) -> dict[tuple[str, str], Destination]:
    """Return where endpoints are and what signs for them; no query for none."""
    keys = {target: pk for target in targets if (pk := _uuid(target))}
    rows = WebhookEndpoint.objects.in_bulk(list(keys.values())) if keys else {}
    now = timezone.now()
    found = {target: rows.get(pk) for target, pk in keys.items()}
    return {
        (Channel.ENDPOINT.value, target): _endpoint(found.get(target), now) for target in targets
    }


def _endpoint(endpoint: WebhookEndpoint | None, now: datetime) -> Destination:
    if endpoint is None:
        return DELETED
    if endpoint.state != WebhookEndpoint.State.ENABLED:
        return Destination(
            refusal=f"The endpoint is disabled: {endpoint.disabled_reason} Enable it, then replay."
        )
    try:
        secrets = signing_secrets(endpoint, now)
    except CredentialError:
        return Destination(
            refusal="This endpoint's secret cannot be read: its key is not in CREDENTIAL_KEYS."
        )
    return Destination(endpoint.url, secrets=secrets)


def signing_secrets(endpoint: WebhookEndpoint, now: datetime) -> tuple[str, ...]:
    """Return the secrets that sign for an endpoint now, newest first; raises CredentialError."""
    kept = decrypt(bytes(endpoint.secret))
    overlaps = endpoint.previous_until is not None and endpoint.previous_until > now
    return tuple(kept["secrets"][: 2 if overlaps else 1])


def _opened(device: Device) -> Destination:
    if device.disabled_at is not None:
        return Destination(refusal=f"This device takes no pushes: {device.disabled_reason}")
    try:
        token = str(decrypt(bytes(device.secret))["token"])
    except (CredentialError, KeyError):
        return Destination(
            refusal="This device's token cannot be read: its key is not in CREDENTIAL_KEYS."
        )
    return Destination(token, device.platform)


def _why(suppression: Suppression) -> str:
    return (
        f"Nothing is sent to this {suppression.get_channel_display()} target: "
        f"{suppression.get_reason_display()} on {suppression.created_at:%Y-%m-%d}. "
        "Staff may delete the suppression if that has changed."
    )


def hash_of(channel: str, target: str) -> str:
    """Return the SHA-256 by which a target is found, however it is written."""
    return hashlib.sha256(f"{channel}:{normal(channel, target)}".encode()).hexdigest()


def normal(channel: str, target: str) -> str:
    """Return a target in the one way it is compared in."""
    if channel == Channel.EMAIL:
        return target.strip().casefold()
    if channel == Channel.SMS:
        return "+" + "".join(char for char in target if char in "0123456789")
    return target


def hint_of(target: str) -> str:
    """Return enough of a target to recognise it: a***@example.org, +49***12."""
    name, at, domain = target.rpartition("@")
    if at:
        return f"{name[:1]}***@{domain}"[:100]
    return f"{target[:3]}***{target[-2:]}" if len(target) > 6 else "***"


def retire(gone: Sequence[tuple[str, str, str, str]]) -> None:
    """Write down (channel, target, reason, words) that take nothing more; repeating is harmless."""
    for channel, target, reason, words in gone:
        if channel == Channel.PUSH:
            Device.objects.filter(pk=target, disabled_at=None).update(
                disabled_at=timezone.now(), disabled_reason=words[:255]
            )
        else:
            suppress(channel, target, reason)


def suppress(channel: str, target: str, reason: str) -> None:
    """Send nothing more to a target; the first reason stays."""
    Suppression.objects.bulk_create(
        [
            Suppression(
                channel=channel,
                target_hash=hash_of(channel, target),
                hint=hint_of(target),
                reason=reason,
            )
        ],
        ignore_conflicts=True,
    )


def allow_again(pk: int, *, actor: str, reason: str = "") -> None:
    """Delete a suppression, for a target that takes messages again."""
    with transaction.atomic():
        suppression = Suppression.objects.select_for_update().get(pk=pk)
        target = f"suppression:{suppression.channel}:{suppression.hint}"
        suppression.delete()
        record(actor=actor, action="suppression.deleted", target=target, reason=reason)


# --- devices --------------------------------------------------------------------------------
def register_device(*, user: User, token: str, platform: str, name: str = "") -> Device:
    """Register an app's token, or note that it was seen; a token belongs to one user, the last.

    Raises ValueError for a token that is empty or too long.
    """
    if not 0 < len(token) <= TOKEN_CHARS:
        raise ValueError(f"a registration token has 1 to {TOKEN_CHARS} characters")
    device, _ = Device.objects.update_or_create(
        token_hash=hashlib.sha256(token.encode()).hexdigest(),
        defaults={
            "user": user,
            "secret": encrypt({"token": token}),
            "platform": platform,
            "name": name[:100],
            "last_seen_at": timezone.now(),
            "disabled_at": None,
            "disabled_reason": "",
        },
    )
    return device


def devices_of(user_id: int) -> list[tuple[str, str]]:
    """Return the (channel, target) pairs of a user's devices, for `OutboxEvent.deliveries`."""
    keys = Device.objects.filter(user_id=user_id, disabled_at=None).values_list("pk", flat=True)
    return [(Channel.PUSH.value, str(key)) for key in keys]


def prune_devices() -> int:
    """Delete devices that nobody has opened the app on for IDLE; returns how many."""
    deleted, _ = Device.objects.filter(last_seen_at__lt=timezone.now() - IDLE).delete()
    return deleted


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
