"""Which changes of posts are told to whom, and how often."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db.models import F
from django.urls import reverse

from accounts.models import User
from api.schedule import CALLBACK_PATH
from notifications import callbacks
from notifications.models import Delivery, Notification
from platforms.models import SocialConnection
from scheduling import services
from scheduling.announcements import CALLED_BACK, MAILED, PostChange, announce
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.factories import make_post, make_user

HOOK = "https://customer.example/hook"
NINE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture
def author(connection: SocialConnection) -> User:
    return make_user(connection.workspace, email="ada@example.org")


def change(post: ScheduledPost, event: str, **fields: Any) -> PostChange:
    return dataclasses.replace(PostChange.of(post, event=event), **fields)


def targets() -> list[tuple[str, str]]:
    return sorted(Delivery.objects.values_list("notification__event", "target"))


def test_a_success_without_callback_costs_two_queries_however_many(
    connection: SocialConnection, author: User, django_assert_num_queries: Any
) -> None:
    post = make_post(connection, created_by=author)
    with django_assert_num_queries(2):  # who wants to hear of it; the workspace's endpoints
        announce([change(post, "post.published")] * 100)


@pytest.mark.parametrize("event", sorted(CALLED_BACK))
def test_each_outcome_is_called_back(connection: SocialConnection, event: str) -> None:
    announce([change(make_post(connection, callback_url=HOOK), event)])
    assert targets() == [(event, HOOK)]


@pytest.mark.parametrize("event", sorted(MAILED - CALLED_BACK))
def test_what_only_a_person_can_mend_is_not_called_back(
    connection: SocialConnection, event: str
) -> None:
    announce([change(make_post(connection, callback_url=HOOK), event)])
    assert targets() == []


def test_a_callback_carries_ids_state_and_moments(connection: SocialConnection) -> None:
    post = make_post(
        connection,
        due_at=NINE,
        external_id="c-1",
        callback_url=HOOK,
        state=PostState.PUBLISHED,
        remote_ids=["77", "78"],
        permalink="https://x.example/77",
        published_at=NINE,
        correlation_id="trace-1",
    )
    announce([change(post, "post.published")])
    assert Notification.objects.get().context["data"] == {
        "content_id": "c-1",
        "job_id": str(post.pk),
        "platform": "sandbox",
        "state": "published",
        "platform_post_id": "77",
        "platform_post_ids": ["77", "78"],
        "permalink": "https://x.example/77",
        "published_at": "2026-11-23T08:00:00Z",
        "scheduled_at": "2026-11-23T08:00:00Z",
        "category": None,
        "reason": None,
        "sequence": 0,
        "correlation_id": "trace-1",
    }


def test_recording_again_tells_once_and_a_new_run_or_version_tells_again(
    connection: SocialConnection,
) -> None:
    told = change(make_post(connection, callback_url=HOOK), "post.failed")
    announce([told])
    announce([told])
    assert len(targets()) == 1
    announce([dataclasses.replace(told, publish_run=2)])
    announce([dataclasses.replace(told, content_version=2)])
    assert len(targets()) == 3


@pytest.mark.parametrize("event", sorted(MAILED))
def test_the_creator_is_mailed_what_needs_a_person(
    connection: SocialConnection, author: User, event: str
) -> None:
    post = make_post(connection, created_by=author, text="Hello  world")
    announce([change(post, event, reason="The text is too long.")])
    assert targets() == [(event, "ada@example.org")]
    told = Notification.objects.get()
    assert told.user_id == author.pk
    mail = told.context["mail"]
    assert mail["path"] == reverse("admin:scheduling_scheduledpost_change", args=[post.pk])
    assert (mail["excerpt"], mail["reason"]) == ("Hello world", "The text is too long.")
    assert (mail["account"], mail["network"]) == (connection.username, "Sandbox")


def test_a_failure_goes_to_the_callback_and_the_creator_as_one_event(
    connection: SocialConnection, author: User
) -> None:
    announce([change(make_post(connection, created_by=author, callback_url=HOOK), "post.failed")])
    assert targets() == [("post.failed", "ada@example.org"), ("post.failed", HOOK)]
    assert Notification.objects.count() == 1


@pytest.mark.parametrize("fields", [{"email": ""}, {"is_active": False}])
def test_a_creator_without_address_or_account_is_not_mailed(
    connection: SocialConnection, author: User, fields: dict[str, Any]
) -> None:
    User.objects.filter(pk=author.pk).update(**fields)
    announce([change(make_post(connection, created_by=author), "post.failed")])
    assert targets() == []


def test_a_creator_deleted_meanwhile_does_not_break_the_record(
    connection: SocialConnection, author: User
) -> None:
    told = change(make_post(connection, created_by=author, callback_url=HOOK), "post.failed")
    author.delete()
    announce([told])
    assert targets() == [("post.failed", HOOK)]


def test_an_account_s_incident_is_mailed_once_until_the_account_changes(
    connection: SocialConnection, author: User
) -> None:
    for _ in range(3):
        announce([change(make_post(connection, created_by=author), "post.blocked")])
    assert len(targets()) == 1
    SocialConnection.objects.filter(pk=connection.pk).update(version=F("version") + 1)
    announce([change(make_post(connection, created_by=author), "post.blocked")])
    assert len(targets()) == 2


def test_posts_held_together_are_one_mail(connection: SocialConnection, author: User) -> None:
    announce([change(make_post(connection, created_by=author), "post.held") for _ in range(5)])
    assert len(targets()) == 1


def test_many_failures_cost_no_more_statements_than_one(
    connection: SocialConnection, author: User, django_assert_num_queries: Any
) -> None:
    posts = [make_post(connection, created_by=author, callback_url=HOOK) for _ in range(20)]
    with django_assert_num_queries(8):  # posts; people, choices, devices, told; endpoints; inserts
        announce([change(post, "post.failed") for post in posts])
    assert len(targets()) == 40


def test_the_predecessor_s_application_is_told_of_the_outcomes_it_knows(
    connection: SocialConnection, settings: Any
) -> None:
    settings.DJANGO_API_URL = "http://django.internal:8000/"
    url = callbacks.default_url()
    assert url == "http://django.internal:8000" + CALLBACK_PATH
    post = make_post(connection, callback_url=url)
    announce([change(post, event) for event in sorted(CALLED_BACK)])
    assert targets() == [("post.failed", url), ("post.published", url)]


def test_cancelling_writes_the_callback_with_the_cancellation(
    connection: SocialConnection,
) -> None:
    post = make_post(connection, callback_url=HOOK, due_at=datetime(2099, 1, 1, tzinfo=UTC))
    services.cancel_post(post.pk, actor="user:ada")
    assert targets() == [("post.cancelled", HOOK)]
    assert Notification.objects.get().context["data"]["state"] == "cancelled"


@pytest.mark.parametrize("event", ["post.held", "post.blocked"])
def test_a_callback_is_of_each_post_though_one_mail_is_of_many(
    connection: SocialConnection, author: User, event: str
) -> None:
    posts = [make_post(connection, created_by=author, callback_url=HOOK) for _ in range(3)]
    announce([change(post, event) for post in posts])
    assert targets() == [(event, "ada@example.org"), *[(event, HOOK)] * 3]
    announce([change(posts[0], event)])  # recorded again
    announce([change(posts[0], event, sequence=7)])  # it happened again to the same version
    assert targets() == [(event, "ada@example.org"), *[(event, HOOK)] * 4]
