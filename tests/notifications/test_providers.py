"""The dispatcher with every provider's imitation: real rows, real HTTP, struck by fate."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from engine.crash_points import STEPS
from engine.models import RateLimitState, WorkerSlot
from notifications import targets
from notifications.models import ChannelFault, Delivery, DeliveryState, Device, Notification
from notifications.resending import resend
from tests.factories import make_user, make_workspace
from tests.journeys.stage import Judge
from tests.notifications.senders import MAIL, provider_settings, public_pem, use
from tests.notifications.stage import (
    cleared,
    deliver_all,
    played,
    tell,
)
from tests.processes import Processes, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

D = DeliveryState
CHANNELS = ("email", "sms", "push", "slack")
OFFICES = {
    "email": "sendgrid",
    "sms": "twilio",
    "push": "fcm",
    "slack": "slack",
    "webhook": "callbacks",
}
NOTIFIER = """
import django
django.setup()
from notifications.tasks import run_notifier_slot
run_notifier_slot()
"""


class Office:
    """The sandbox's post offices, and whom they write to."""

    def __init__(self, url: str) -> None:
        self.url, self.judge = url, Judge(url)
        self.numbers = iter(range(1000, 10_000))

    def switch(self, channel: str, **rule: Any) -> None:
        self.judge.ask("/_control", {"network": OFFICES[channel], **rule})

    def letters(self, channel: str, to: str) -> list[dict[str, Any]]:
        from urllib.parse import quote

        path = f"/_inbox.json?office={OFFICES[channel]}&to={quote(to)}&limit=1000"
        letters: list[dict[str, Any]] = self.judge.ask(path)["letters"]
        return letters

    def calls(self, channel: str, since: float = 0.0) -> list[dict[str, Any]]:
        path = f"/_calls?network={OFFICES[channel]}&operation=create&since={since}"
        calls: list[dict[str, Any]] = self.judge.ask(path)["calls"]
        return calls

    def tell(self, channel: str, target: str = "", **mail: Any) -> tuple[Delivery, str]:
        """Write one event for a target of the channel; return the delivery and where it shows."""
        number = next(self.numbers)
        shown = (
            target
            or {
                "email": f"ada{number}@example.org",
                "sms": f"+4915112{number}99",
                "push": f"device-{number}-0123456789abcdef",
                "slack": f"C{number}",
                "webhook": f"{self.url}/hooks/h{number}",
            }[channel]
        )
        aim = shown
        if channel == "push":
            user = make_user(make_workspace())
            aim = str(targets.register_device(user=user, token=shown, platform="android").pk)
        context = {"mail": {**MAIL, **mail}, "data": {"n": number}}
        delivery = tell(aim, channel=channel, event="post.failed", **context)
        return delivery, shown.removeprefix(self.url)


@pytest.fixture
def office(sandbox_url: str, settings: Any, committed: None) -> Iterator[Office]:
    from django.core.cache import cache

    cache.clear()
    use(settings, provider_settings(sandbox_url))
    settings.PRIVATE_HOSTS_ALLOWED = ["127.0.0.0/8"]
    office = Office(sandbox_url)
    office.judge.ask("/_control", method="DELETE")
    office.judge.ask("/_data", method="DELETE")
    office.judge.ask(
        "/_control/service-accounts",
        {
            "client_email": "demo-tests@carillon-test.iam.gserviceaccount.com",
            "public_key": public_pem(),
        },
    )
    yield office
    office.judge.ask("/_control", method="DELETE")


def again() -> None:
    """Let every wait be over."""
    Delivery.objects.filter(due_at__gt=timezone.now()).update(due_at=timezone.now())
    RateLimitState.objects.update(blocked_until=None)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_message_arrives_and_its_provider_s_id_is_kept(office: Office, channel: str) -> None:
    delivery, shown = office.tell(channel)
    played(deliver_all())
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.error_text) == (D.SENT, 1, "")
    assert delivery.provider_id
    (letter,) = office.letters(channel, shown)
    assert "@carillon on Mastodon" in str(letter["content"])


LOST: Mapping[str, dict[str, Any]] = {
    "accepted, then the connection dropped": {"accept_then_drop": 1},
    "accepted, then a page instead of the answer": {"garbage": 1},
    "half of the answer": {"truncated": 1},
    "accepted with a 503": {"fail": {"status": 503, "lands": True}},
    "never answered, lands later": {"hang": {"lands_after_ms": 100}},
    "dropped before": {"drop_before": 1},
}


@pytest.mark.parametrize("channel", [*CHANNELS, "webhook"])
@pytest.mark.parametrize("how", LOST)
def test_a_lost_answer_is_made_up_for_but_a_text_message_never_goes_twice(
    office: Office, settings: Any, channel: str, how: str
) -> None:
    settings.CHANNEL_DEADLINE = settings.CALLBACK_DEADLINE = timedelta(seconds=1)
    office.switch(channel, **LOST[how])
    delivery, shown = office.tell(channel)
    played(deliver_all())
    again()
    played(deliver_all_patiently())
    delivery.refresh_from_db()
    letters = office.letters(channel, shown)
    if channel == "sms":
        assert (delivery.state, delivery.error_category) == (D.FAILED, "outcome_unknown")
        assert "nknown whether it was sent" in delivery.error_text
        assert len(office.calls("sms")) == 1
        assert len(letters) == (0 if how == "dropped before" else 1)
    else:
        assert delivery.state == D.SENT
        assert 1 <= len(letters) <= 2


@pytest.mark.parametrize("channel", CHANNELS)
def test_what_certainly_did_not_arrive_is_tried_again(
    office: Office, settings: Any, channel: str
) -> None:
    office.switch(channel, fail={"status": 429, "times": 1, "retry_after": 7})
    delivery, shown = office.tell(channel)
    played(deliver_all())
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error_category) == (D.PENDING, "rate_limit")
    assert delivery.due_at is not None
    assert delivery.due_at - timezone.now() > timedelta(seconds=5)
    again()
    played(deliver_all_patiently())
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (D.SENT, 2)
    assert len(office.letters(channel, shown)) == 1


def test_staff_may_send_a_doubtful_text_message_again(office: Office) -> None:
    office.switch("sms", accept_then_drop=1)
    delivery, shown = office.tell("sms")
    played(deliver_all())
    resend(delivery.pk, actor="user:ada", reason="she has not got it")
    played(deliver_all())
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error_text) == (D.SENT, "")
    assert len(office.letters("sms", shown)) == 2  # a person's decision


# --- a worker killed at every step -------------------------------------------------------
DEADLY = [(step, 0) for step in STEPS if step.startswith("notify.")] + [
    (step, passes)  # of six requests: five messages, one for a token
    for step in ("http.before", "http.handed_over", "http.answered")
    for passes in (0, 4)
]


def finish() -> None:
    """Let the dead worker's claims and leases be over; then deliver what is left."""
    past = timezone.now() - timedelta(seconds=1)
    WorkerSlot.objects.update(heartbeat_at=past - timedelta(minutes=1))
    Delivery.objects.filter(state=D.SENDING).update(lease_expires_at=past)
    played(deliver_all_patiently())


def environment_of(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


@pytest.mark.parametrize(("step", "passes"), DEADLY)
def test_a_worker_killed_at_any_step_loses_nothing_and_doubles_no_text_message(
    office: Office,
    shared_env: dict[str, str],
    processes: Processes,
    tmp_path: Path,
    sandbox_url: str,
    step: str,
    passes: int,
) -> None:
    cleared()
    told = {channel: office.tell(channel) for channel in (*CHANNELS, "webhook")}
    (tmp_path / step).write_text(str(passes))
    env = {
        **shared_env,
        **environment_of(provider_settings(sandbox_url)),
        "PRIVATE_HOSTS_ALLOWED": "127.0.0.0/8",
        "CRASH_POINTS": str(tmp_path),
        "CREDENTIAL_KEYS": os.environ["CREDENTIAL_KEYS"],
    }
    connection.close()
    child = processes.start(sys.executable, "-c", NOTIFIER, env=env)
    wait_until(lambda: child.process.poll() is not None, what=f"the end at {step}", seconds=60)
    assert child.process.returncode == -9
    finish()
    for channel, (delivery, shown) in told.items():
        delivery.refresh_from_db()
        letters = len(office.letters(channel, shown))
        if channel == "sms":
            assert letters <= 1, step
            is_known = delivery.state == D.SENT and letters == 1
            is_told = delivery.state == D.FAILED and "nknown whether" in delivery.error_text
            assert is_known or is_told, (step, delivery.state, delivery.error_text)
        else:
            assert delivery.state == D.SENT, (step, channel, delivery.error_text)
            assert 1 <= letters <= 2, (step, channel)


# --- limits ------------------------------------------------------------------------------
def test_a_slack_channel_gets_one_message_a_second_and_delays_no_other(office: Office) -> None:
    since = time.time()
    for _ in range(4):
        office.tell("slack", "C0BUSY")
    office.tell("slack", "C0CALM")
    played(deliver_all_patiently())
    assert {call["status"] for call in office.calls("slack", since)} == {200}
    times = sorted(letter["at"] for letter in office.letters("slack", "C0BUSY"))
    assert len(times) == 4
    assert all(b - a >= 0.9 for a, b in pairwise(times))
    assert office.letters("slack", "C0CALM")[0]["at"] < times[-1]


async def deliver_all_patiently() -> None:
    from tests.notifications.stage import notifier, until_none_waits

    async with notifier() as database:
        await until_none_waits(database, seconds=20)


# --- a provider that refuses us ----------------------------------------------------------
@pytest.mark.parametrize("channel", CHANNELS)
def test_refused_credentials_pause_the_channel_and_are_told_to_staff_once(
    office: Office, settings: Any, channel: str
) -> None:
    staff = make_user(make_workspace(), email="staff@example.org")
    staff.is_staff = True
    staff.save()
    settings.STAFF_SLACK_CHANNEL = "C0STAFF"
    good = provider_settings(office.url)
    broken = {
        "email": {"SENDGRID_API_KEY": "SG.wrong"},
        "sms": {"TWILIO_AUTH_TOKEN": "wrong"},
        "push": {
            "FIREBASE_SERVICE_ACCOUNT": str(good["FIREBASE_SERVICE_ACCOUNT"]).replace(
                "demo-tests@", "nobody@"
            )
        },
        "slack": {"SLACK_BOT_TOKEN": "xoxb-wrong"},
    }[channel]
    use(settings, broken)
    deliveries = [
        office.tell(channel, "C0ALL" if channel == "slack" else "")[0].pk for _ in range(40)
    ]
    played(deliver_all())
    played(deliver_all())  # what was written for staff with the last result
    assert len(office.calls(channel)) <= 20  # a slot's share of calls in flight, and no more
    rows = Delivery.objects.filter(pk__in=deliveries)
    assert {row.state for row in rows} == {D.PENDING}
    assert rows.filter(attempts=0).count() >= 20
    assert all("refused" in row.error_text for row in rows)
    fault = ChannelFault.objects.get()
    assert fault.channel == channel
    told = Notification.objects.get(event="channel.unhealthy")
    expected = {"staff@example.org": "email", "C0STAFF": "slack"}
    assert {d.target: d.channel for d in told.deliveries.all()} == {
        target: by for target, by in expected.items() if by != channel
    }
    assert all(d.state == D.SENT for d in told.deliveries.all())

    use(settings, good)  # somebody repairs it
    if channel == "slack":
        rows.exclude(pk=deliveries[0]).delete()  # 40 would take 40 seconds
    again()
    played(deliver_all_patiently())
    assert {row.state for row in rows.all()} == {D.SENT}
    assert not ChannelFault.objects.exists()


def test_a_part_of_a_channel_that_is_broken_pauses_nothing_else(office: Office) -> None:
    staff = make_user(make_workspace(), email="staff@example.org")
    staff.is_staff = True
    staff.save()
    iphone, _ = office.tell("push", "apns-key-expired-0123456789")
    played(deliver_all())
    _, shown = office.tell("push")
    played(deliver_all())
    iphone.refresh_from_db()
    assert (iphone.state, iphone.error_category) == (D.PENDING, "auth_error")
    assert len(office.letters("push", shown)) == 1
    assert Notification.objects.filter(event="channel.unhealthy").count() == 1
    assert not ChannelFault.objects.exists()


# --- targets that take nothing more ------------------------------------------------------
@pytest.mark.parametrize("beginning", ["unregistered", "mismatch", "invalid"])
def test_a_device_that_is_gone_is_disabled_and_then_skipped(office: Office, beginning: str) -> None:
    delivery, _ = office.tell("push", f"{beginning}-0123456789abcdef")
    played(deliver_all())
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (D.FAILED, 1)
    device = Device.objects.get()
    assert device.disabled_at is not None
    again_told = tell(str(device.pk), channel="push", event="post.failed", mail=MAIL)
    played(deliver_all())
    again_told.refresh_from_db()
    assert (again_told.state, again_told.attempts) == (D.SKIPPED, 0)
    assert "takes no pushes" in again_told.error_text


def test_a_number_that_answered_stop_is_never_written_to_again(office: Office) -> None:
    first, _ = office.tell("sms", "+15005550004")
    played(deliver_all())
    second, _ = office.tell("sms", "+1 (500) 555-0004")
    played(deliver_all())
    first.refresh_from_db()
    second.refresh_from_db()
    assert "STOP" in first.error_text
    assert (second.state, second.attempts) == (D.SKIPPED, 0)
    assert "opted out" in second.error_text
    assert len(office.calls("sms")) == 1


@pytest.mark.parametrize(
    ("channel", "name", "words"),
    [
        ("email", "EMAIL_FROM", "EMAIL_FROM is not set"),
        ("sms", "TWILIO_AUTH_TOKEN", "TWILIO_AUTH_TOKEN not set"),
        ("push", "FIREBASE_SERVICE_ACCOUNT", "FIREBASE_SERVICE_ACCOUNT is not set"),
        ("slack", "SLACK_BOT_TOKEN", "SLACK_BOT_TOKEN is not set"),
    ],
)
def test_a_channel_without_configuration_is_skipped_and_says_why(
    office: Office, settings: Any, channel: str, name: str, words: str
) -> None:
    setattr(settings, name, "")
    delivery, _ = office.tell(channel)
    played(deliver_all())
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (D.SKIPPED, 0)
    assert words in delivery.error_text


@pytest.mark.parametrize(
    "account",
    [
        "not json",
        "[]",
        '{"project_id": "p"}',
        '{"project_id":"p","client_email":"e","private_key":"MII-secret"}',
    ],
)
def test_a_service_account_that_cannot_be_used_says_so_and_is_not_repeated(
    office: Office, settings: Any, account: str
) -> None:
    settings.FIREBASE_SERVICE_ACCOUNT = account
    delivery, _ = office.tell("push")
    played(deliver_all())
    delivery.refresh_from_db()
    assert delivery.state == D.SKIPPED
    assert "cannot be used" in delivery.error_text
    assert "secret" not in delivery.error_text


def test_twilio_s_reports_reach_the_delivery(
    office: Office, settings: Any, live_server: Any
) -> None:
    settings.HOOKS_PUBLIC_URL = live_server.url
    office.tell("sms")
    bad, _ = office.tell("sms", "+491511233003")
    played(deliver_all())

    def reports() -> set[str]:
        return set(Delivery.objects.values_list("report", flat=True))

    wait_until(lambda: reports() == {"delivered", "undelivered"}, what="the reports")
    bad.refresh_from_db()
    assert (bad.state, bad.report_code) == (D.SENT, "Twilio error 30003")
    resend(bad.pk, actor="user:ada")
    bad.refresh_from_db()
    assert (bad.state, bad.report, bad.provider_id) == (D.PENDING, "", "")


def test_a_report_settles_the_doubt_about_a_lost_answer(
    office: Office, settings: Any, live_server: Any
) -> None:
    settings.HOOKS_PUBLIC_URL = live_server.url
    office.switch("sms", accept_then_drop=1)
    delivery, _ = office.tell("sms")
    played(deliver_all())
    wait_until(
        lambda: Delivery.objects.get().report == "delivered", what="the report of a lost message"
    )
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error_category) == (D.SENT, "")
    assert delivery.provider_id.startswith("SM")
