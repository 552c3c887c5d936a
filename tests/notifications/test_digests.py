"""Summaries: one mail of what waited, exactly once, and none of nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection as database
from django.utils import timezone

from accounts.models import User, Workspace
from notifications.digests import LINES, send_due
from notifications.models import Delivery, DigestItem, Mode, Notification, Preference
from notifications.rendering import render
from notifications.routing import Telling, tell
from tests.concurrency.threads import together
from tests.factories import make_user, make_workspace
from tests.notifications.senders import MAIL


def collected(user: User, workspace: Workspace, number: int, event: str = "post.failed") -> None:
    """Let `number` events wait for the user's summary, which is due."""
    Preference.objects.update_or_create(
        user=user, workspace=workspace, event=event, channel="email", defaults={"mode": Mode.DAILY}
    )
    for one in range(number):
        facts = {**MAIL, "account": f"@account-{one}"}
        key = f"{event}:{one}:{user.pk}:{workspace.pk}"
        tell([Telling(event, user.pk, workspace.pk, {"mail": facts}, key)])
    DigestItem.objects.update(due_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.django_db
def test_nothing_that_waits_is_no_mail() -> None:
    make_user(make_workspace(), email="ada@example.org")
    assert send_due() == 0
    assert not Notification.objects.exists()


@pytest.mark.django_db
def test_what_is_not_due_waits(workspace: Workspace) -> None:
    ada = make_user(workspace, email="ada@example.org")
    collected(ada, workspace, 1)
    DigestItem.objects.update(due_at=timezone.now() + timedelta(hours=1))
    assert send_due() == 0
    assert DigestItem.objects.count() == 1


@pytest.mark.django_db
def test_all_that_waits_is_one_mail_over_events_and_workspaces(workspace: Workspace) -> None:
    ada, other = make_user(workspace, email="ada@example.org"), make_workspace()
    collected(ada, workspace, LINES + 5)
    collected(ada, other, 2, event="post.held")
    assert send_due() == 1
    assert send_due() == 0
    delivery = Delivery.objects.get()
    assert (delivery.channel, delivery.target) == ("email", "ada@example.org")
    message = render("digest", delivery.notification.context)
    assert message.subject == "Carillon: A post was not published (15), and 2 more"
    for part in (message.text, message.html):
        assert "17 things since the last summary" in part
        assert "@account-0" in part
        assert "@account-14" not in part
        assert "and 5 more" in part
        assert "A post was missed and is held (2)" in part
        assert MAIL["path"] in part


@pytest.mark.django_db
def test_successes_are_one_line_with_their_number(workspace: Workspace) -> None:
    ada = make_user(workspace, email="ada@example.org")
    collected(ada, workspace, 1, event="post.published")
    told = Notification.objects.get()
    told.context["mail"]["count"] = 40
    told.save()
    send_due()
    message = render("digest", Delivery.objects.get().notification.context)
    assert "A post was published (40)" in message.text
    assert "and 39 more" in message.text


@pytest.mark.django_db
def test_somebody_who_has_left_gets_none_and_nothing_stays_behind(workspace: Workspace) -> None:
    ada = make_user(workspace, email="ada@example.org")
    collected(ada, workspace, 3)
    User.objects.update(is_active=False)
    assert send_due() == 0
    assert not DigestItem.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_tell_it_exactly_once() -> None:
    if database.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    workspace = make_workspace()
    people = [make_user(workspace, email=f"{n}@example.org") for n in range(10)]
    for person in people:
        collected(person, workspace, 5)
    written = together([send_due] * 4)
    assert sum(written) == len(people)
    assert Notification.objects.filter(event="digest").count() == len(people)
    assert Delivery.objects.count() == len(people)
    assert not DigestItem.objects.exists()
    totals = [one.context["mail"]["total"] for one in Notification.objects.filter(event="digest")]
    assert totals == [5] * len(people)
