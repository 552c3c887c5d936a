"""Signatures of callbacks, judged by the Standard Webhooks project's own library."""

from __future__ import annotations

import base64
import io
import time
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from notifications import signing

OLD, NEW = (signing.PREFIX + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
BODY = '{"type":"post.published","data":{"text":"é"}}'


def signed(body: str = BODY) -> dict[str, str]:
    now = int(time.time())
    return {
        "webhook-id": "018f",
        "webhook-timestamp": str(now),
        "webhook-signature": signing.sign("018f", now, body.encode()),
    }


def test_the_independent_library_accepts_the_signature_and_nothing_else(settings: Any) -> None:
    settings.CALLBACK_SECRET = [NEW]
    headers = signed()
    assert Webhook(NEW).verify(BODY, headers)["type"] == "post.published"
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(BODY + " ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(BODY, headers)


def test_every_secret_signs_so_that_receivers_change_over_one_by_one(settings: Any) -> None:
    settings.CALLBACK_SECRET = [NEW, OLD]
    headers = signed()
    for secret in (NEW, OLD):
        assert Webhook(secret).verify(BODY, headers)


def test_without_a_secret_one_is_derived_from_the_secret_key_and_printed(settings: Any) -> None:
    settings.CALLBACK_SECRET = []
    printed = io.StringIO()
    call_command("callback_secret", stdout=printed)
    secret = printed.getvalue().strip()
    assert Webhook(secret).verify(BODY, signed())
    assert settings.SECRET_KEY not in secret
    settings.SECRET_KEY = "another" * 8
    assert signing.secrets() != (secret,)


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("plain", "does not begin with whsec_"),
        ("whsec_%%%", "not base64"),
        ("whsec_" + base64.b64encode(b"short").decode(), "5 bytes"),
    ],
)
def test_a_secret_that_cannot_sign_stops_the_start_and_is_not_repeated(
    settings: Any, secret: str, why: str
) -> None:
    settings.CALLBACK_SECRET = [NEW, secret]
    (problem,) = [m for m in run_checks(tags=["carillon"]) if m.id == "carillon.E010"]
    assert why in problem.msg
    assert "number 2" in problem.msg
    assert secret not in problem.msg
    with pytest.raises(CommandError, match=why) as refused:
        call_command("callback_secret", stdout=io.StringIO())
    assert secret not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("FIREBASE_SERVICE_ACCOUNT", '{"private_key": "MII-hush"}', "carillon.W011"),
        ("FIREBASE_SERVICE_ACCOUNT", "{}", ""),
        ("SENDGRID_WEBHOOK_PUBLIC_KEY", "MII-hush", "carillon.W012"),
        ("SENDGRID_WEBHOOK_PUBLIC_KEY", "", ""),
    ],
)
def test_a_channel_that_cannot_be_used_is_said_at_the_start(
    settings: Any, name: str, value: str, found: str
) -> None:
    setattr(settings, name, value)
    problems = [
        m for m in run_checks(tags=["carillon"]) if m.id in {"carillon.W011", "carillon.W012"}
    ]
    assert [m.id for m in problems] == ([found] if found else [])
    assert "hush" not in str([(m.msg, m.hint) for m in problems])
