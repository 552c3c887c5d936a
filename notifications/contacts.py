"""Numbers and addresses that people want to hear at: theirs once they typed the code sent there.

A code is kept as a keyed hash, works once, for CODE_LASTS, and allows TRIES. Whoever asks too often
is told to wait: text messages cost money, and strangers' phones must not ring.
"""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.audit import record
from accounts.models import User
from engine.credentials import encrypt
from notifications.models import Channel, ContactCode, Reader
from notifications.outbox import OutboxEvent, write
from notifications.targets import hint_of, look_up, normal

EVENT = "contact.code"
CODE_LASTS = timedelta(minutes=10)
TRIES = 5
PER_USER = 3  # codes in PER_TIME
PER_TARGET = 3  # whoever asks for them
PER_TIME = timedelta(hours=1)
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
SEPARATORS = re.compile(r"[\s()./-]")


class ContactError(Exception):
    """What was asked for cannot be done; the message says what can."""


def ask_for_code(user: User, *, channel: str, target: str) -> ContactCode:
    """Send a code to a number (SMS) or an address (e-mail); raises ContactError.

    The number or address is used for notifications once `confirm` got the code.
    """
    target = _checked(channel, target)
    if refusal := look_up([(channel, target)])[channel, target].refusal:
        raise ContactError(refusal)
    now, code = timezone.now(), f"{secrets.randbelow(1_000_000):06}"
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)  # one question at a time
        recent = ContactCode.objects.filter(created_at__gt=now - PER_TIME)
        if (
            recent.filter(user=user).count() >= PER_USER
            or recent.filter(target=target).count() >= PER_TARGET
        ):
            raise ContactError("That were many codes: wait an hour, then ask for another.")
        row = ContactCode.objects.create(
            user=user,
            channel=channel,
            target=target,
            code_hash="",
            expires_at=now + CODE_LASTS,
        )
        row.code_hash = _hash(row.pk, code)
        row.save(update_fields=["code_hash"])
        facts = {"minutes": int(CODE_LASTS.total_seconds() // 60)}
        write(
            [
                OutboxEvent(
                    event=EVENT,
                    workspace_id=None,
                    context={
                        "mail": {**facts, "path": "/notifications/settings/"},
                        "sealed": encrypt({"code": f"{code[:3]} {code[3:]}"}).decode(),
                    },
                    dedupe_key=f"{EVENT}:{row.pk}",
                    deliveries=((channel, target),),
                    user_id=user.pk,
                )
            ]
        )
    return row


def waiting_code(user: User, channel: str) -> ContactCode | None:
    """Return the code that somebody can still type in for a channel, if there is one."""
    return (
        ContactCode.objects.filter(
            user=user,
            channel=channel,
            used_at=None,
            tries__lt=TRIES,
            expires_at__gt=timezone.now(),
        )
        .order_by("-pk")
        .first()
    )


def confirm(user: User, *, channel: str, code: str) -> Reader:
    """Use a number or address from now on, for whoever knows its code; raises ContactError."""
    typed = "".join(char for char in code if char in "0123456789")
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        row = waiting_code(user, channel)
        if row is None:
            raise ContactError("There is no code to confirm any more: ask for a new one.")
        row.tries += 1
        is_right = constant_time_compare(row.code_hash, _hash(row.pk, typed))
        row.used_at = timezone.now() if is_right else None
        row.save(update_fields=["tries", "used_at"])
        if is_right:
            return _keep(user, row)
    raise ContactError(
        "That is not the code. Look again, or ask for a new one."
        if row.tries < TRIES
        else "That was wrong too often: ask for a new code."
    )


def prune_codes() -> None:
    """Delete codes that nobody can use any more, nor count against anybody."""
    ContactCode.objects.filter(created_at__lt=timezone.now() - timedelta(days=1)).delete()


def forget(user: User, channel: str) -> None:
    """Use a number or address no more."""
    fields = _fields(channel, "", verified=False)
    with transaction.atomic():
        Reader.objects.filter(user=user).update(**fields)
        _record(user, "contact.forgotten", channel, "")


def _keep(user: User, row: ContactCode) -> Reader:
    reader, _ = Reader.objects.update_or_create(
        user=user, defaults=_fields(row.channel, row.target, verified=True)
    )
    _record(user, "contact.confirmed", row.channel, row.target)
    return reader


def _fields(channel: str, target: str, *, verified: bool) -> dict[str, object]:
    name = "phone" if channel == Channel.SMS else "email"
    return {name: target, f"{name}_verified_at": timezone.now() if verified else None}


def _record(user: User, action: str, channel: str, target: str) -> None:
    detail = {"channel": channel, **({"hint": hint_of(target)} if target else {})}
    record(actor=f"user:{user.username}", action=action, target=f"user:{user.pk}", detail=detail)


def _checked(channel: str, target: str) -> str:
    """Return a target as it is kept; raises ContactError for what is none."""
    if channel == Channel.SMS:
        number = SEPARATORS.sub("", target)
        if not NUMBER.fullmatch(number):
            raise ContactError(
                "Write the number with its country code, for example +49 151 12345678."
            )
        return number
    if channel == Channel.EMAIL:
        try:
            validate_email(target.strip())
        except ValidationError:
            raise ContactError("That is not an e-mail address.") from None
        return normal(channel, target)
    raise ContactError("Codes are sent by SMS and e-mail only.")


def _hash(pk: int, code: str) -> str:
    return salted_hmac("notifications.contact-code", f"{pk}:{code}", algorithm="sha256").hexdigest()
