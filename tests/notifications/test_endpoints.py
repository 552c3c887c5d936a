"""Webhook endpoints: who is told what, signed with which secret, and when one is given up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from accounts.models import AuditEvent, Role, Workspace
from engine.states import IllegalTransition
from notifications import endpoint_events, endpoints
from notifications.endpoint_health import GIVE_UP_AFTER
from notifications.models import Delivery, DeliveryState, Notification, WebhookEndpoint
from notifications.repeating import repeat
from scheduling.announcements import CALLED_BACK, PostChange, announce
from tests.factories import make_connection, make_post, make_user, make_workspace
from tests.notifications.stage import Receiver, deliver_all, notifier, played, receiving, settled

pytestmark = pytest.mark.usefixtures("committed")
D = DeliveryState


def make_endpoint(
    url: str, workspace: Workspace | None = None, **more: Any
) -> tuple[WebhookEndpoint, str]:
    return endpoints.create(workspace or make_workspace(), url=url, actor="user:ada", **more)


def published(workspace: Workspace, number: int = 1, *, event: str = "post.published") -> None:
    """Tell of posts of one workspace, as a batch."""
    account = make_connection(workspace)
    announce([PostChange.of(make_post(account), event=event) for _ in range(number)])


def after_a_test(endpoint: WebhookEndpoint, **told: Any) -> tuple[Delivery, Receiver]:
    """Send an endpoint a test, to a receiver that answers as `told`."""
    endpoints.send_test(endpoint.pk, actor="user:ada")
    receiver = hand_over(endpoint, **told)
    return endpoints.deliveries_of(endpoint).latest("pk"), receiver


def verified(receiver: Receiver, secret: str) -> Any:
    (heard,) = receiver.heard
    return Webhook(secret).verify(heard.body, dict(heard.headers))


def hand_over(endpoint: WebhookEndpoint, **told: Any) -> Receiver:
    """Deliver what is due to a receiver that answers as `told`."""

    async def scene() -> Receiver:
        async with receiving(**told) as receiver:
            async with notifier() as database:
                rows = WebhookEndpoint.objects.filter(pk=endpoint.pk)
                await database.run(rows.update, url=receiver.url)
                lost = endpoints.deliveries_of(endpoint).filter(state=D.PENDING)
                await database.run(lost.update, due_at=timezone.now())
                await settled(database)
            return receiver

    receiver = played(scene())
    endpoint.refresh_from_db()
    return receiver


def test_every_called_back_event_can_be_subscribed_to() -> None:
    assert set(endpoint_events.TYPES) >= CALLED_BACK


def test_endpoints_are_told_what_they_subscribe_to_and_no_other_workspace(
    django_assert_num_queries: Any,
) -> None:
    ours = make_workspace()
    everything, _ = make_endpoint("https://example.com/all", ours)
    failures, _ = make_endpoint("https://example.com/bad", ours, events=["post.failed"])
    elsewhere, _ = make_endpoint("https://example.com/else")
    silent, _ = make_endpoint("https://example.com/off", ours)
    endpoints.disable(silent.pk, actor="user:ada")
    account = make_connection(ours)
    changes = [PostChange.of(make_post(account), event="post.published") for _ in range(20)]
    changes += [PostChange.of(make_post(account), event="post.failed") for _ in range(3)]
    with django_assert_num_queries(3):  # endpoints, events, deliveries
        announce(changes[:20])
    announce(changes)  # recorded again: nobody is told again
    assert endpoints.deliveries_of(everything).count() == 23
    assert endpoints.deliveries_of(failures).count() == 3
    assert not endpoints.deliveries_of(elsewhere).exists()
    assert not endpoints.deliveries_of(silent).exists()


def test_a_post_s_own_address_is_told_as_before_beside_the_endpoint() -> None:
    ours = make_workspace()
    endpoint, _ = make_endpoint("https://example.com/all", ours)
    post = make_post(make_connection(ours), callback_url="https://example.com/own")
    announce([PostChange.of(post, event="post.published")])
    own = Delivery.objects.get(channel="webhook")
    theirs = endpoints.deliveries_of(endpoint).get()
    assert own.target == "https://example.com/own"
    assert own.notification_id != theirs.notification_id
    assert own.notification.context["data"] == theirs.notification.context["data"]


def test_an_event_arrives_signed_with_the_endpoint_s_own_secret() -> None:
    ours = make_workspace()
    endpoint, secret = make_endpoint("https://example.com/", ours)
    other, other_secret = make_endpoint("https://example.com/", ours, events=["post.held"])
    published(ours)
    receiver = hand_over(endpoint)
    body = verified(receiver, secret)
    event = Notification.objects.get()
    assert (body["type"], body["data"]) == ("post.published", event.context["data"])
    (heard,) = receiver.heard
    assert heard.headers["webhook-id"] == str(event.pk)
    assert "x-service-token" not in {name.lower() for name in heard.headers}
    with pytest.raises(WebhookVerificationError):
        verified(receiver, other_secret)
    assert endpoint.last_success_at is not None
    assert other.secret != endpoint.secret


def test_both_secrets_sign_for_a_day_after_a_rotation_then_the_new_one_alone() -> None:
    endpoint, old = make_endpoint("https://example.com/")
    endpoint, new = endpoints.rotate(endpoint.pk, actor="user:ada")
    _, receiver = after_a_test(endpoint)
    assert verified(receiver, old) == verified(receiver, new)
    past = timezone.now() - timedelta(seconds=1)
    WebhookEndpoint.objects.update(previous_until=past)
    _, receiver = after_a_test(endpoint)
    assert verified(receiver, new)["type"] == "webhook.test"
    with pytest.raises(WebhookVerificationError):
        verified(receiver, old)


def test_a_third_secret_ends_the_first() -> None:
    endpoint, first = make_endpoint("https://example.com/")
    endpoint, second = endpoints.rotate(endpoint.pk, actor="user:ada")
    endpoint, third = endpoints.rotate(endpoint.pk, actor="user:ada")
    _, receiver = after_a_test(endpoint)
    assert verified(receiver, second) == verified(receiver, third)
    with pytest.raises(WebhookVerificationError):
        verified(receiver, first)


def test_no_secret_is_kept_in_the_open(capsys: Any) -> None:
    endpoint, secret = make_endpoint("https://example.com/")
    row = WebhookEndpoint.objects.values().get()
    assert secret.removeprefix("whsec_") not in str(row)
    assert secret not in str(list(AuditEvent.objects.values()))
    assert secret not in repr(endpoint)


def test_a_failure_climbs_the_ladder_and_is_told_by_the_endpoint() -> None:
    endpoint, _ = make_endpoint("https://example.com/")
    delivery, _ = after_a_test(endpoint, status=500, text="broken today")
    assert (delivery.state, delivery.attempts, delivery.max_attempts) == (D.PENDING, 1, 10)
    assert (endpoint.state, endpoint.last_failure) == ("enabled", "The receiver answered 500.")
    assert endpoint.failing_since is not None
    began = endpoint.failing_since
    hand_over(endpoint, status=503)
    assert endpoint.failing_since == began
    hand_over(endpoint)
    assert (endpoint.failing_since, endpoint.last_success_at is not None) == (None, True)


def test_a_redirect_is_a_failure_and_not_followed() -> None:
    endpoint, _ = make_endpoint("https://example.com/")
    delivery, receiver = after_a_test(endpoint, status=302, headers={"Location": "/hook"})
    assert (delivery.state, len(receiver.heard)) == (D.PENDING, 1)


@pytest.mark.parametrize("url", ["https://127.0.0.1:9/hook", "https://localhost:9/hook"])
def test_an_address_that_turns_out_private_gets_nothing(settings: Any, url: str) -> None:
    endpoint, _ = make_endpoint("https://example.com/")
    settings.PRIVATE_HOSTS_ALLOWED = []
    WebhookEndpoint.objects.update(url=url)
    endpoints.send_test(endpoint.pk, actor="user:ada")
    played(deliver_all())
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error_category) == (D.FAILED, "validation_error")


def test_gone_disables_at_once_and_the_owners_are_told_once() -> None:
    ours = make_workspace()
    make_user(ours, email="owner@example.org")
    make_user(ours, email="editor@example.org", role=Role.EDITOR)
    endpoint, _ = make_endpoint("https://example.com/", ours, description="warehouse")
    published(ours, 3)
    hand_over(endpoint, status=410)
    assert (endpoint.state, "410" in endpoint.disabled_reason) == ("disabled", True)
    notice = Notification.objects.get(event="webhook.disabled")
    (mail,) = notice.deliveries.all()
    assert (mail.channel, mail.target) == ("email", "owner@example.org")
    event = AuditEvent.objects.get(action="webhook_endpoint.disabled")
    assert (event.actor, event.workspace) == ("system", ours)
    published(ours)
    assert endpoints.deliveries_of(endpoint).count() == 3, "a disabled one is told nothing"


def test_only_days_of_failures_alone_disable() -> None:
    ours = make_workspace()
    make_user(ours, email="owner@example.org")
    endpoint, _ = make_endpoint("https://example.com/", ours)
    _, _ = after_a_test(endpoint, status=500)
    almost = timezone.now() - GIVE_UP_AFTER + timedelta(hours=1)
    WebhookEndpoint.objects.update(failing_since=almost)
    hand_over(endpoint, status=500)
    assert endpoint.state == "enabled"
    WebhookEndpoint.objects.update(failing_since=almost - timedelta(hours=2))
    hand_over(endpoint, status=500)
    assert endpoint.state == "disabled"
    assert "for 5 days" in endpoint.disabled_reason
    assert Notification.objects.filter(event="webhook.disabled").count() == 1


def test_what_a_disabled_endpoint_missed_is_skipped_and_replayed_under_its_ids() -> None:
    ours = make_workspace()
    endpoint, secret = make_endpoint("https://example.com/", ours)
    published(ours, 3)
    endpoints.disable(endpoint.pk, actor="user:ada", reason="moving house")
    assert hand_over(endpoint).heard == []
    skipped = endpoints.deliveries_of(endpoint)
    assert {d.state for d in skipped} == {D.SKIPPED}
    assert "moving house" in skipped[0].error_text
    with pytest.raises(IllegalTransition):
        endpoints.replay_failed(endpoint, since=ours.created_at, actor="user:ada")
    endpoint = endpoints.enable(endpoint.pk, actor="user:ada")
    replayed = endpoints.replay_failed(endpoint, since=ours.created_at, actor="user:ada")
    receiver = hand_over(endpoint)
    told = {heard.headers["webhook-id"] for heard in receiver.heard}
    assert replayed == 3
    assert told == {str(pk) for pk in Notification.objects.values_list("pk", flat=True)}
    assert {d.state for d in endpoints.deliveries_of(endpoint)} == {D.SENT}
    for heard in receiver.heard:
        Webhook(secret).verify(heard.body, dict(heard.headers))


def test_one_that_arrived_is_repeated_under_its_id() -> None:
    endpoint, _ = make_endpoint("https://example.com/")
    delivery, first = after_a_test(endpoint)
    repeat(delivery.pk, actor="user:ada")
    second = hand_over(endpoint)
    (before,), (after,) = first.heard, second.heard
    assert before.headers["webhook-id"] == after.headers["webhook-id"]
    assert json.loads(before.body) == json.loads(after.body)


def test_what_waits_for_a_deleted_endpoint_says_so() -> None:
    endpoint, _ = make_endpoint("https://example.com/")
    endpoints.send_test(endpoint.pk, actor="user:ada")
    endpoints.delete(endpoint.pk, actor="user:ada", reason="no longer used")
    played(deliver_all())
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error_text) == (
        D.SKIPPED,
        "This webhook endpoint was deleted.",
    )


@pytest.mark.parametrize(
    ("url", "events", "field"),
    [
        ("http://example.com/", (), "url"),
        ("https://10.0.0.1/", (), "url"),
        ("https://user:pw@example.com/", (), "url"),
        ("https://example.com/", ["post.publishd"], "events"),
    ],
)
def test_what_could_never_work_is_refused(
    settings: Any, url: str, events: Sequence[str], field: str
) -> None:
    settings.PRIVATE_HOSTS_ALLOWED = []
    with pytest.raises(endpoints.BadEndpoint) as refused:
        make_endpoint(url, events=events)
    assert refused.value.field == field
    assert not WebhookEndpoint.objects.exists()


def test_every_act_is_audited() -> None:
    endpoint, _ = make_endpoint("https://example.com/")
    endpoints.change(endpoint.pk, {"description": "new"}, actor="user:ada", reason="tidy")
    endpoints.rotate(endpoint.pk, actor="user:ada")
    endpoints.send_test(endpoint.pk, actor="user:ada")
    endpoints.disable(endpoint.pk, actor="user:ada")
    endpoint = endpoints.enable(endpoint.pk, actor="user:ada")
    endpoints.delete(endpoint.pk, actor="user:ada")
    acts = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert [act.removeprefix("webhook_endpoint.") for act in acts] == [
        "created", "changed", "rotated", "tested", "disabled", "enabled", "deleted",
    ]  # fmt: skip
    assert endpoint.version == 5
