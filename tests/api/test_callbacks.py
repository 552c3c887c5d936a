"""A post's callbacks over the API: whose they are, what is shown, and what may be repeated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, Role, Workspace
from engine.models import WorkerSlot
from notifications.models import Delivery, DeliveryState
from platforms.models import SocialConnection
from scheduling import services
from scheduling.announcements import PostChange, announce
from scheduling.models import ScheduledPost
from tests.api.client import Api, keyed
from tests.factories import make_connection, make_post, make_user

HOOK = "https://customer.example/hook?token=theirs"
D = DeliveryState


@pytest.fixture
def post(connection: SocialConnection) -> ScheduledPost:
    """Give a cancelled post: one callback was written."""
    tomorrow = timezone.now() + timedelta(days=1)
    post = make_post(connection, due_at=tomorrow, callback_url=HOOK)
    return services.cancel_post(post.pk, actor="user:ada")


def resend(api: Api, post: ScheduledPost) -> Any:
    delivery = Delivery.objects.get()
    return api.post(f"posts/{post.pk}/callbacks/{delivery.pk}/resend", {"reason": "lost"})


def became(state: str, **fields: Any) -> None:
    Delivery.objects.update(state=state, **fields)


def test_what_was_told_is_listed_newest_first(api: Api, post: ScheduledPost) -> None:
    services.requeue_post(post.pk, actor="user:ada")
    services.cancel_post(post.pk, actor="user:ada")
    other = make_post(make_connection(), callback_url=HOOK)
    announce([PostChange.of(other, event="post.published")])
    second, first = api.get(f"posts/{post.pk}/callbacks").body["results"]
    assert {first["event"], second["event"]} == {"post.cancelled"}
    assert first["webhook_id"] != second["webhook_id"]
    assert (first["url"], first["state"], first["attempts"]) == (HOOK, "pending", 0)
    assert first["next_try_at"] is not None
    assert (first["category"], first["message"], first["delivered_at"]) == (None, None, None)


def test_mail_is_nobody_s_callback(
    api: Api, workspace: Workspace, connection: SocialConnection
) -> None:
    author = make_user(workspace, email="ada@example.org")
    post = make_post(connection, created_by=author, callback_url=HOOK)
    announce([PostChange.of(post, event="post.failed")])
    assert Delivery.objects.count() == 2
    (only,) = api.get(f"posts/{post.pk}/callbacks").body["results"]
    assert only["url"] == HOOK


def test_a_post_without_callback_was_told_to_nobody(api: Api, connection: SocialConnection) -> None:
    post = make_post(connection)
    assert api.get(f"posts/{post.pk}/callbacks").body["results"] == []


def test_callbacks_of_others_do_not_exist(api: Api, post: ScheduledPost) -> None:
    stranger = make_post(make_connection(), callback_url=HOOK)
    announce([PostChange.of(stranger, event="post.published")])
    theirs = Delivery.objects.exclude(notification__workspace=post.workspace).get()
    api.get(f"posts/{stranger.pk}/callbacks").problem(404, "not_found", "id")
    for owner, delivery in ((stranger.pk, theirs.pk), (post.pk, theirs.pk), (post.pk, "x")):
        answer = api.post(f"posts/{owner}/callbacks/{delivery}/resend")
        assert answer.status == 404


def test_repeating_takes_an_editor_and_the_scope(
    workspace: Workspace, post: ScheduledPost, as_user: Callable[..., Api]
) -> None:
    make_user(workspace, role=Role.VIEWER, external_id="u-1")
    assert as_user("u-1").get(f"posts/{post.pk}/callbacks").status == 200
    resend(as_user("u-1"), post).problem(403, "role_missing")
    resend(keyed(workspace, "posts:read"), post).problem(403, "scope_missing")


def test_one_that_waits_is_tried_now(api: Api, post: ScheduledPost) -> None:
    became(D.PENDING, attempts=3, due_at=timezone.now() + timedelta(hours=5))
    assert resend(api, post).body["attempts"] == 3
    delivery = Delivery.objects.get()
    assert delivery.due_at is not None
    assert delivery.due_at <= timezone.now()
    event = AuditEvent.objects.get(action="delivery.resent")
    assert (event.reason, event.workspace) == ("lost", post.workspace)


def test_a_failed_one_starts_anew(api: Api, post: ScheduledPost) -> None:
    became(D.FAILED, attempts=10, due_at=None, error_category="server_error")
    body = resend(api, post).body
    assert (body["state"], body["max_attempts"], body["category"]) == ("pending", 20, None)


def test_of_one_that_arrived_a_further_one_is_made_once(api: Api, post: ScheduledPost) -> None:
    became(D.SENT, attempts=1, due_at=None, delivered_at=timezone.now())
    first = Delivery.objects.get()
    body = resend(api, post).body
    assert body["id"] != str(first.pk)
    assert body["webhook_id"] == str(first.notification_id)
    again = api.post(f"posts/{post.pk}/callbacks/{first.pk}/resend")
    again.problem(409, "illegal_transition")
    first.refresh_from_db()
    assert first.state == D.SENT


def test_one_that_is_being_sent_is_left_alone(api: Api, post: ScheduledPost) -> None:
    now = timezone.now()
    slot = WorkerSlot.objects.create(
        kind="notify", host="h", pid=1, started_at=now, heartbeat_at=now
    )
    lease = {"lease_slot": slot.pk, "lease_expires_at": now + timedelta(minutes=1)}
    for state in (D.SENDING, D.PENDING):
        became(state, **lease)
        resend(api, post).problem(409, "illegal_transition")
