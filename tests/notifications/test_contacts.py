"""Numbers and addresses are used once their code was typed in; codes are scarce and kept secret."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, User, Workspace
from notifications import contacts
from notifications.contacts import PER_TARGET, PER_USER, TRIES, ContactError, ask_for_code, confirm
from notifications.models import ContactCode, Delivery, Notification, Reader
from notifications.rendering import render
from notifications.targets import suppress
from tests.factories import make_user

pytestmark = pytest.mark.django_db
NUMBER = "+4915112345678"


@pytest.fixture
def ada(workspace: Workspace) -> User:
    return make_user(workspace, email="ada@example.org")


def sent_code() -> str:
    """Return the code of the newest message, as its reader types it in."""
    told = Notification.objects.order_by("-id")[0]
    (code,) = re.findall(r"\b\d{3} \d{3}\b", render(told.event, told.context).short)
    return str(code)


def wrong(code: str) -> str:
    return "000 001" if code == "000 000" else "000 000"


def test_a_number_is_used_once_its_code_was_typed_in(ada: User) -> None:
    ask_for_code(ada, channel="sms", target="+49 (151) 1234-5678")
    delivery = Delivery.objects.get()
    assert (delivery.channel, delivery.target) == ("sms", NUMBER)
    assert not Reader.objects.filter(phone=NUMBER).exists()
    reader = confirm(ada, channel="sms", code=f" {sent_code()} ")
    assert reader.phone == NUMBER
    assert reader.phone_verified_at is not None
    with pytest.raises(ContactError, match="no code"):
        confirm(ada, channel="sms", code=sent_code())


def test_an_address_is_confirmed_in_the_same_way_and_can_be_forgotten(ada: User) -> None:
    ask_for_code(ada, channel="email", target="Ada@New.example")
    assert confirm(ada, channel="email", code=sent_code()).email == "ada@new.example"
    contacts.forget(ada, "email")
    assert Reader.objects.get().email == ""
    assert {e.action for e in AuditEvent.objects.all()} == {
        "contact.confirmed",
        "contact.forgotten",
    }


def test_the_code_stands_nowhere_in_the_database(ada: User) -> None:
    ask_for_code(ada, channel="sms", target=NUMBER)
    digits = sent_code().replace(" ", "")
    row = ContactCode.objects.values().get()
    told = Notification.objects.values().get()
    for text in (str(row), str(told)):
        assert digits not in text
        assert sent_code() not in text


def test_guessing_ends_soon_even_with_the_right_code(ada: User) -> None:
    ask_for_code(ada, channel="sms", target=NUMBER)
    code = sent_code()
    for _ in range(TRIES):
        with pytest.raises(ContactError):
            confirm(ada, channel="sms", code=wrong(code))
    with pytest.raises(ContactError, match="ask for a new one"):
        confirm(ada, channel="sms", code=code)


def test_a_code_is_good_for_minutes_and_for_its_owner(ada: User, workspace: Workspace) -> None:
    ask_for_code(ada, channel="sms", target=NUMBER)
    with pytest.raises(ContactError):
        confirm(make_user(workspace), channel="sms", code=sent_code())
    ContactCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(ContactError):
        confirm(ada, channel="sms", code=sent_code())


def test_only_the_newest_code_counts(ada: User) -> None:
    ask_for_code(ada, channel="sms", target=NUMBER)
    first = sent_code()
    ask_for_code(ada, channel="sms", target=NUMBER)
    if first == sent_code():
        pytest.skip("one in a million")
    with pytest.raises(ContactError):
        confirm(ada, channel="sms", code=first)
    assert confirm(ada, channel="sms", code=sent_code()).phone == NUMBER


def test_nobody_gets_many_codes(ada: User, workspace: Workspace) -> None:
    for number in range(PER_USER):
        ask_for_code(ada, channel="sms", target=f"+491511234567{number}")
    with pytest.raises(ContactError, match="wait an hour"):
        ask_for_code(ada, channel="sms", target=NUMBER)
    ContactCode.objects.update(created_at=timezone.now() - timedelta(hours=2))
    ask_for_code(ada, channel="sms", target=NUMBER)
    contacts.prune_codes()
    assert ContactCode.objects.count() == PER_USER + 1


def test_no_number_is_rung_by_many_people(workspace: Workspace) -> None:
    for _ in range(PER_TARGET):
        ask_for_code(make_user(workspace), channel="sms", target=NUMBER)
    with pytest.raises(ContactError, match="wait an hour"):
        ask_for_code(make_user(workspace), channel="sms", target=NUMBER)


@pytest.mark.parametrize(
    ("channel", "target"),
    [
        ("sms", "0151 12345678"),
        ("sms", "+49 abc"),
        ("sms", ""),
        ("email", "ada"),
        ("email", "ada@example.org\r\nBcc: x@example.org"),
        ("push", "x"),
    ],
)
def test_what_cannot_be_written_to_gets_no_code(ada: User, channel: str, target: str) -> None:
    with pytest.raises(ContactError):
        ask_for_code(ada, channel=channel, target=target)
    assert not ContactCode.objects.exists()


def test_who_said_stop_gets_no_code(ada: User) -> None:
    suppress("sms", NUMBER, "opted_out")
    with pytest.raises(ContactError, match="Nothing is sent"):
        ask_for_code(ada, channel="sms", target=NUMBER)
