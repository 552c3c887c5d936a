"""One delivery per channel, and settings that lead every provider to an address."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.utils import timezone

from engine.ids import uuid7
from notifications.deliveries import ClaimedDelivery
from notifications.models import DeliveryState

SID = "AC" + 32 * "a"
DEVICE = "device-token-of-ada-0123456789"
TARGETS = {
    "email": "ada@example.org",
    "sms": "+4915112345678",
    "push": DEVICE,
    "slack": "C024BE91L",
}
MAIL = {
    "account": "@carillon",
    "network": "Mastodon",
    "excerpt": "Tom & Jerry <3",
    "scheduled_at": "2026-11-23T08:00:00Z",
    "time_zone": "Europe/Berlin",
    "reason": "The text is too long. Change the post, then schedule it again.",
    "path": "/admin/scheduling/scheduledpost/1/change/",
}
SECRETS = ("SG.demo-carillon-secret", "demo-twilio-secret", "xoxb-demo-slack-secret")


@cache
def service_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def public_pem() -> str:
    key = service_key().public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def service_account(token_uri: str, **more: Any) -> str:
    pem = service_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    account = {
        "type": "service_account",
        "project_id": "carillon-test",
        "private_key_id": "k1",
        "private_key": pem.decode(),
        "client_email": "demo-tests@carillon-test.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }
    return json.dumps(account | more)


def provider_settings(url: str) -> dict[str, Any]:
    """Return the settings under which every provider is at `url`, laid out as the sandbox is."""
    return {
        "EMAIL_FROM": "Carillon <carillon@post.example>",
        "SENDGRID_API_KEY": SECRETS[0],
        "SENDGRID_API_BASE": f"{url}/sendgrid",
        "TWILIO_ACCOUNT_SID": SID,
        "TWILIO_AUTH_TOKEN": SECRETS[1],
        "TWILIO_PHONE_NUMBER": "+15005550006",
        "TWILIO_MESSAGING_SERVICE_SID": "",
        "TWILIO_API_BASE": f"{url}/twilio",
        "FIREBASE_SERVICE_ACCOUNT": service_account(f"{url}/fcm/token"),
        "FCM_API_BASE": f"{url}/fcm",
        "SLACK_BOT_TOKEN": SECRETS[2],
        "SLACK_API_BASE": f"{url}/slack",
        "PUBLIC_URL": "https://post.example",
        "HOOKS_PUBLIC_URL": "",
    }


def use(settings: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(settings, name, value)


def claimed(channel: str, *, event: str = "post.failed", **mail: Any) -> ClaimedDelivery:
    """Return a delivery under way, as the dispatcher hands it to its channel."""
    now = timezone.now()
    return ClaimedDelivery(
        id=uuid7(),
        token=1,
        state=DeliveryState.SENDING,
        due_at=now,
        priority=0,
        notification_id=uuid7(),
        channel=channel,
        target=TARGETS[channel],
        lane=channel,
        attempts=1,
        max_attempts=6,
        event=event,
        workspace_id=None,
        context={"mail": {**MAIL, **mail}},
        happened_at=now,
        address=TARGETS[channel],
    )
