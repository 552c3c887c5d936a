"""Every event of a post reaches the program that asked for it: signed, once, in order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from notifications.models import Delivery, DeliveryState
from platforms.models import ConnectionState, SocialConnection
from scheduling import services
from scheduling.callback_log import callbacks_of
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.api.client import keyed
from tests.factories import make_post
from tests.journeys.stage import Stage
from tests.processes import wait_until
from tests.receivers import Receiver, receiving

S = PostState


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def told(receiver: Receiver, post: ScheduledPost, *events: str) -> list[dict[str, Any]]:
    """Wait for these events of a post; assert that there is no other, and none twice."""
    wait_until(
        lambda: len(receiver.of(post.pk)) >= len(events),
        seconds=30,
        what=f"{events}, heard {receiver.types(post.pk)}",
    )
    wait_until(
        lambda: not callbacks_of(post).exclude(state=DeliveryState.SENT).exists(),
        seconds=15,
        what="the end of all deliveries",
    )
    found = sorted(receiver.of(post.pk), key=lambda event: event["data"]["sequence"])
    assert [event["type"] for event in found] == list(events)
    sequences = [event["data"]["sequence"] for event in found]
    assert len(set(sequences)) == len(sequences)
    for event in found:
        data = event["data"]
        assert data["content_id"] == (post.external_id or str(post.pk))
        assert (data["platform"], data["correlation_id"]) == (
            post.platform,
            post.correlation_id or None,
        )
    return found


def test_a_success_and_a_cancellation_are_told(stage: Stage, receiver: Receiver) -> None:
    account = stage.account("sandbox")
    post = stage.post(account, "hello", callback_url=receiver.url, external_id="c-1")
    later = stage.post(account, "later", in_seconds=86400, callback_url=receiver.url)
    stage.cluster()
    _, published = told(receiver, post, "post.scheduled", "post.published")
    post.refresh_from_db()
    data = published["data"]
    assert data["platform_post_id"] == post.remote_ids[0]
    assert data["permalink"] == post.permalink
    assert data["published_at"] is not None
    services.cancel_post(later.pk, actor="user:ada")
    told(receiver, later, "post.scheduled", "post.cancelled")
    assert len(set(receiver.ids)) == len(receiver.ids) == 4


def test_a_refusal_and_attempts_used_up_are_both_failures(
    stage: Stage, receiver: Receiver, settings: Any
) -> None:
    settings.PUBLISHER_MAX_ATTEMPTS = 2
    refused, tired = stage.account("sandbox", 1), stage.account("sandbox", 2)
    stage.judge.be_cruel("sandbox", refused.username, on="create", fail={"status": 422})
    stage.judge.be_cruel(
        "sandbox",
        tired.username,
        on="create",
        fail={"status": 429, "retry_after": 1, "times": None},
    )
    posts = [stage.post(one, "hello", callback_url=receiver.url) for one in (refused, tired)]
    stage.cluster()
    stage.wait_for(posts[0], state=S.FAILED)
    stage.wait_for(posts[1], state=S.DEAD_LETTER, seconds=60)
    for post, category in zip(posts, ("validation_error", "rate_limit"), strict=True):
        *_, failed = told(receiver, post, "post.scheduled", "post.failed")
        assert (failed["data"]["category"], bool(failed["data"]["reason"])) == (category, True)
    assert receiver.of(posts[1].pk)[-1]["data"]["state"] == "dead_letter"


def test_a_lost_answer_is_told_as_unknown_and_then_by_what_became_of_it(
    stage: Stage, receiver: Receiver
) -> None:
    account = stage.account("mastodon")
    stage.judge.be_cruel("mastodon/one", account.username, on="create", accept_then_drop=1)
    post = stage.post(account, "hello", callback_url=receiver.url)
    stage.cluster()
    stage.wait_for(post, state=S.PUBLISHED)
    told(receiver, post, "post.scheduled", "post.outcome_unknown", "post.published")


def test_posts_that_wait_for_a_person_are_told_of(stage: Stage, receiver: Receiver) -> None:
    account, broken = stage.account("sandbox", 1), stage.account("sandbox", 2)
    SocialConnection.objects.filter(pk=broken.pk).update(state=ConnectionState.NEEDS_RECONNECT)
    late = make_post(account, due_at=timezone.now() - timedelta(hours=5), callback_url=receiver.url)
    blocked = stage.post(broken, "hello", callback_url=receiver.url)
    stage.cluster()
    (held,) = told(receiver, late, "post.held")
    assert held["data"]["state"] == "held"
    told(receiver, blocked, "post.scheduled", "post.blocked")
    SocialConnection.objects.filter(pk=broken.pk).update(state=ConnectionState.ACTIVE)
    told(receiver, blocked, "post.scheduled", "post.blocked", "post.published")


def test_a_redirect_is_not_followed_and_a_repeat_is_asked_for_over_the_api(
    stage: Stage, receiver: Receiver
) -> None:
    receiver.status, receiver.location = 307, receiver.url.replace("/hook", "/elsewhere")
    post = stage.post(
        stage.account("sandbox"), "hello", in_seconds=86400, callback_url=receiver.url
    )
    stage.cluster()
    api = keyed(stage.workspace)

    def listed() -> dict[str, Any]:
        (only,) = api.get(f"posts/{post.pk}/callbacks").body["results"]
        return dict(only)

    wait_until(lambda: bool(listed()["message"]), seconds=20, what="the first refusal")
    waiting = listed()
    assert (waiting["state"], waiting["event"]) == ("pending", "post.scheduled")
    assert "no redirects" in waiting["message"]
    assert waiting["next_try_at"] is not None
    receiver.status = 200

    def asked_again() -> bool:
        """Ask for the repeat; 409 while the next try is just under way."""
        again = api.post(f"posts/{post.pk}/callbacks/{waiting['id']}/resend")
        assert again.status in {200, 409}
        return again.status == 200 and bool(again.body["id"] == waiting["id"])

    wait_until(asked_again, seconds=20, what="the repeat to be taken")
    wait_until(lambda: listed()["state"] == "sent", seconds=20, what="the repeat")
    assert set(receiver.ids) == {waiting["webhook_id"]}
    replayed = api.post(f"posts/{post.pk}/callbacks/{waiting['id']}/resend").body
    assert replayed["id"] != waiting["id"]
    wait_until(
        lambda: Delivery.objects.get(pk=replayed["id"]).state == "sent", seconds=20, what="it"
    )
    assert set(receiver.ids) == {waiting["webhook_id"]}
