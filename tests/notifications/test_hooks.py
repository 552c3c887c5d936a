"""Reports of providers: signed or refused, idempotent, in any order."""

from __future__ import annotations

import itertools
import json
import logging
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from notifications.hook_signatures import is_from_twilio, twilio_signature
from notifications.models import Delivery, DeliveryState, Suppression
from sandbox.sendgrid import EventKey
from sandbox.twilio import sign
from tests.notifications.senders import SID, TARGETS
from tests.notifications.stage import tell

D = DeliveryState
BASE = "https://post.example"
TOKEN = "twilio-auth-token"
FORM = "application/x-www-form-urlencoded"
NOBODY = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(autouse=True)
def ours(settings: Any) -> EventKey:
    settings.HOOKS_PUBLIC_URL = BASE
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = SID, TOKEN
    key = EventKey()
    settings.SENDGRID_WEBHOOK_PUBLIC_KEY = key.public
    return key


def sent(channel: str, provider_id: str = "", **fields: Any) -> Delivery:
    delivery = tell(TARGETS[channel], channel=channel, event="post.failed", mail={})
    values = {"state": D.SENT, "due_at": None, "provider_id": provider_id, **fields}
    Delivery.objects.filter(pk=delivery.pk).update(**values)
    return delivery


# --- Twilio -----------------------------------------------------------------------------------
def report(
    delivery: Delivery, status: str, *, sid: str = "SM1", token: str = TOKEN, **form: str
) -> int:
    fields = {"AccountSid": SID, "MessageSid": sid, "MessageStatus": status, **form}
    path = f"/api/v1/hooks/twilio/{delivery.pk}"
    answer = Client().post(
        path,
        urlencode(fields),
        content_type=FORM,
        headers={"X-Twilio-Signature": sign(token, BASE + path, fields)},
    )
    return answer.status_code


@pytest.mark.parametrize("order", list(itertools.permutations(["queued", "sent", "delivered"])))
def test_reports_may_come_in_any_order_and_twice(db: None, order: tuple[str, ...]) -> None:
    delivery = sent("sms", "SM1")
    for status in (*order, *order):
        assert report(delivery, status) == 204
    delivery.refresh_from_db()
    assert (delivery.state, delivery.report) == (D.SENT, "delivered")
    assert delivery.reported_at is not None


def test_a_repeated_report_changes_nothing(db: None) -> None:
    delivery = sent("sms", "SM1")
    report(delivery, "delivered")
    first = Delivery.objects.get().reported_at
    report(delivery, "delivered")
    assert Delivery.objects.get().reported_at == first


def test_an_undelivered_message_says_why(db: None) -> None:
    delivery = sent("sms", "SM1")
    report(delivery, "undelivered", ErrorCode="30003")
    delivery.refresh_from_db()
    assert (delivery.report, delivery.report_code) == ("undelivered", "Twilio error 30003")


def test_a_report_that_comes_before_the_answer_is_kept(db: None) -> None:
    delivery = sent("sms", "", state=D.SENDING)
    report(delivery, "sent", sid="SM9")
    delivery.refresh_from_db()
    assert (delivery.state, delivery.provider_id, delivery.report) == (
        D.SENDING,
        "SM9",
        "handed_on",
    )


def test_a_report_of_an_earlier_message_is_left_out(db: None) -> None:
    delivery = sent("sms", "SM2")
    assert report(delivery, "undelivered", sid="SM1") == 204
    delivery.refresh_from_db()
    assert delivery.report == ""


def test_a_report_settles_a_doubt_but_no_refusal(db: None) -> None:
    doubtful = sent("sms", state=D.FAILED, error_category="outcome_unknown", error_text="?")
    refused = sent("sms", state=D.FAILED, error_category="validation_error", error_text="no")
    for delivery in (doubtful, refused):
        report(delivery, "sent")
        delivery.refresh_from_db()
    assert (doubtful.state, doubtful.error_text) == (D.SENT, "")
    assert (refused.state, refused.error_text) == (D.FAILED, "no")


def test_a_stop_that_twilio_reports_is_remembered(db: None) -> None:
    report(sent("sms", "SM1"), "failed", ErrorCode="21610")
    assert Suppression.objects.get().reason == Suppression.Reason.OPTED_OUT


@pytest.mark.parametrize(
    "change",
    [
        {"token": "another-token"},
        {"AccountSid": "AC" + 32 * "f"},
    ],
)
def test_a_forged_report_is_refused_and_logged(
    db: None, caplog: pytest.LogCaptureFixture, change: dict[str, str]
) -> None:
    delivery = sent("sms", "SM1")
    with caplog.at_level(logging.WARNING, "carillon.notifier"):
        assert report(delivery, "delivered", **change) == 403
    assert "hook.refused" in caplog.text
    assert Delivery.objects.get().report == ""


def test_a_signature_of_another_delivery_s_report_is_refused(db: None) -> None:
    first, second = sent("sms", "SM1"), sent("sms", "SM1")
    fields = {"AccountSid": SID, "MessageSid": "SM1", "MessageStatus": "delivered"}
    signature = sign(TOKEN, f"{BASE}/api/v1/hooks/twilio/{first.pk}", fields)
    answer = Client().post(
        f"/api/v1/hooks/twilio/{second.pk}",
        urlencode(fields),
        content_type=FORM,
        headers={"X-Twilio-Signature": signature},
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("not-a-uuid", "a=b", FORM),
        (NOBODY, "{}", "application/json"),
        (NOBODY, "", FORM),
        (
            "01890000-0000-7000-8000-000000000000",
            "%ff%00=%ed%a0%80",
            "application/x-www-form-urlencoded",
        ),
        (
            "01890000-0000-7000-8000-000000000000",
            "&".join(f"f{n}=1" for n in range(300)),
            "application/x-www-form-urlencoded",
        ),
        (
            "01890000-0000-7000-8000-000000000000",
            "x" * 100_000,
            "application/x-www-form-urlencoded",
        ),
    ],
)
def test_nonsense_is_refused_and_breaks_nothing(db: None, path: str, body: str, kind: str) -> None:
    answer = Client().post(f"/api/v1/hooks/twilio/{path}", body, content_type=kind)
    assert answer.status_code == 403
    assert Client().get(f"/api/v1/hooks/twilio/{path}").status_code == 405


def test_without_a_token_nobody_can_sign(settings: Any, db: None) -> None:
    settings.TWILIO_AUTH_TOKEN = ""
    assert report(sent("sms", "SM1"), "delivered", token="") == 403


def test_twilio_s_documented_example_has_its_signature() -> None:
    form = {
        "CallSid": ["CA1234567890ABCDE"],
        "Caller": ["+14158675309"],
        "Digits": ["1234"],
        "From": ["+14158675309"],
        "To": ["+18005551212"],
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    expected = "RSOYDt4T1cUTdK1PDd93/VVr8B8="  # of Twilio's own libraries' tests
    assert twilio_signature("12345", url, form) == expected
    repeated = {"Sid": ["CA123"], "SidAccount": ["AC123"], "Digits": ["5678", "1234", "1234"]}
    assert twilio_signature("12345", url, repeated) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="
    with_port = "https://mycompany.com:443/myapp.php?foo=1&bar=2"
    assert is_from_twilio("12345", with_port, form, expected)
    assert not is_from_twilio("12345", url, {**form, "Digits": ["4321"]}, expected)


# --- SendGrid ----------------------------------------------------------------------------------
def post(key: EventKey, events: list[Any], **headers: str) -> int:
    body, signed = key.post(events, str(int(timezone.now().timestamp())))
    return (
        Client()
        .post(
            "/api/v1/hooks/sendgrid",
            body,
            content_type="application/json",
            headers={**signed, **headers},
        )
        .status_code
    )


def event(delivery: Delivery, name: str, **more: Any) -> dict[str, Any]:
    return {
        "email": delivery.target,
        "timestamp": 1513299569,
        "event": name,
        "sg_message_id": "m-1.filter0307p1mdw1",
        "sg_event_id": f"e-{name}",
        "delivery_id": str(delivery.pk),
        **more,
    }


def test_events_of_a_batch_are_taken_in_any_order(db: None, ours: EventKey) -> None:
    delivery = sent("email", "m-1")
    names = ["delivered", "processed", "deferred", "open", "delivered"]
    assert post(ours, [event(delivery, name) for name in names]) == 204
    delivery.refresh_from_db()
    assert (delivery.state, delivery.report) == (D.SENT, "delivered")


@pytest.mark.parametrize(
    ("name", "more", "reason"),
    [
        ("bounce", {"type": "bounce", "reason": "550 no such user"}, "bounced"),
        ("spamreport", {}, "complained"),
        ("unsubscribe", {}, "unsubscribed"),
        ("group_unsubscribe", {}, "unsubscribed"),
        ("bounce", {"type": "blocked", "reason": "421 try later"}, None),
        ("open", {}, None),
    ],
)
def test_what_readers_do_not_want_is_not_sent_again(
    db: None, ours: EventKey, name: str, more: dict[str, Any], reason: str | None
) -> None:
    delivery = sent("email", "m-1")
    assert post(ours, [event(delivery, "delivered"), event(delivery, name, **more)]) == 204
    assert [one.reason for one in Suppression.objects.all()] == ([reason] if reason else [])
    delivery.refresh_from_db()
    assert delivery.report == ("undelivered" if name == "bounce" else "delivered")
    assert delivery.report_code == more.get("reason", "")


def test_events_of_others_and_nonsense_among_them_are_passed_over(db: None, ours: EventKey) -> None:
    delivery = sent("email", "m-1")
    odd = [5, None, [], {}, {"delivery_id": 5}, {"delivery_id": "x"}, {"event": {"a": 1}}]
    told = event(delivery, "delivered", reason="a\0b" * 500)
    foreign = event(delivery, "bounce", delivery_id=NOBODY)
    assert post(ours, [*odd, foreign, told]) == 204
    assert Delivery.objects.get().report == "delivered"
    assert not Suppression.objects.exists()


@pytest.mark.parametrize(
    ("kept", "given", "is_taken"),
    [
        ("m-1", "m-1.filter0307p1mdw1", True),
        ("14c5d75ce93.dfd.64b469", "14c5d75ce93.dfd.64b469.filter0001.16648", True),
        ("m-1", "m-1", True),
        ("", "m-1.filter", True),
        ("m-2", "m-1.filter", False),  # of a mail that was sent before this one
    ],
)
def test_an_event_is_about_the_mail_that_was_accepted_last(
    db: None, ours: EventKey, kept: str, given: str, is_taken: bool
) -> None:
    delivery = sent("email", kept)
    assert post(ours, [event(delivery, "delivered", sg_message_id=given)]) == 204
    delivery.refresh_from_db()
    assert (delivery.report == "delivered") is is_taken


def test_unsigned_events_are_refused(db: None, ours: EventKey, settings: Any) -> None:
    delivery = sent("email", "m-1")
    told = [event(delivery, "delivered")]
    name = "X-Twilio-Email-Event-Webhook-"
    assert post(EventKey(), told) == 403
    assert post(ours, told, **{f"{name}Timestamp": "1"}) == 403
    assert post(ours, told, **{f"{name}Signature": "%%%"}) == 403
    settings.SENDGRID_WEBHOOK_PUBLIC_KEY = ""
    assert post(ours, told) == 403
    settings.SENDGRID_WEBHOOK_PUBLIC_KEY = "no key"
    assert post(ours, told) == 403
    assert Delivery.objects.get().report == ""


def test_a_signed_body_that_is_no_list_is_refused(db: None, ours: EventKey) -> None:
    assert post(ours, json.loads('{"event": "delivered"}')) == 403
