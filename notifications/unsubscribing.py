"""One click that stops mails of a kind (RFC 8058): signed addresses that work without a login.

The address names a person, a workspace and an event, and is good for ever: a mail may be read years
later. All that its bearer can do is to stop these mails.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.conf import settings
from django.core import signing

from accounts.models import Workspace
from notifications.catalog import EVENTS
from notifications.preferences import stop_mails

PATH = "/notifications/unsubscribe/"
SALT = "notifications.unsubscribe"
SUMMARY = "digest"


class BadAddress(Exception):
    """An address that we did not write, or not whole."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """The mails of one kind to one person."""

    user_id: int
    workspace_id: uuid.UUID | None
    event: str

    @property
    def label(self) -> str:
        """Return what the mails are about."""
        return EVENTS[self.event].label

    @property
    def place(self) -> str:
        """Return the workspace's name, "" if it has none or is gone."""
        if self.workspace_id is None:
            return ""
        found = Workspace.objects.filter(pk=self.workspace_id).first()
        return found.name if found else ""


def address_for(user_id: int | None, workspace_id: uuid.UUID | None, event: str) -> str:
    """Return the address that stops such mails, "" where they cannot be switched off."""
    known = EVENTS.get(event)
    if user_id is None or known is None or not (known.is_optional or event == SUMMARY):
        return ""
    place = workspace_id.hex if workspace_id else ""
    token = signing.Signer(salt=SALT).sign_object([user_id, place, event])
    return f"{settings.PUBLIC_URL}{PATH}{token}/"


def headers_for(address: str) -> dict[str, str]:
    """Return the headers by which mail programs offer it; one click needs https."""
    if not address:
        return {}
    headers = {"List-Unsubscribe": f"<{address}>"}
    if address.startswith("https://"):
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def read(token: str) -> Subscription:
    """Return what an address is about; raises BadAddress."""
    try:
        user_id, place, event = signing.Signer(salt=SALT).unsign_object(token)
        found = Subscription(int(user_id), uuid.UUID(place) if place else None, str(event))
    except (signing.BadSignature, ValueError, TypeError):
        raise BadAddress from None
    if found.event not in EVENTS:
        raise BadAddress
    return found


def unsubscribe(subscription: Subscription) -> None:
    """Stop these mails; repeating it is harmless."""
    stop_mails(subscription.user_id, subscription.workspace_id, subscription.event)
