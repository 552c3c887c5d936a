"""A post goes out at its moment, once, with its story told: the main job on real parts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.models import WorkerSlot
from scheduling import services
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.journeys.stage import Stage
from tests.processes import wait_until

S = PostState


def test_posts_reach_every_network_not_before_their_moment_and_once(stage: Stage) -> None:
    stage.cluster()
    accounts = [stage.account(platform) for platform in ("sandbox", "x", "mastodon")]
    posts = [stage.post(account, f"hello from {stage.tag}", in_seconds=2) for account in accounts]
    stage.wait_for(*posts, state=S.PUBLISHED)
    for account, post in zip(accounts, posts, strict=True):
        network = "mastodon/one" if account.platform == "mastodon" else account.platform
        (live,) = stage.judge.posts(network, account.username)
        post.refresh_from_db()
        assert live["received_at"] >= post.scheduled_at.timestamp()
        assert post.remote_ids == [live["id"]]
        assert post.permalink.startswith("http")
        assert post.first_sent_at >= post.scheduled_at
        assert post.due_at is None
        assert post.lease_slot is None
        (attempt,) = post.attempt_log.all()
        assert (attempt.number, attempt.outcome, attempt.remote_ids) == (
            1,
            "published",
            [live["id"]],
        )
        moves = list(post.transitions.order_by("id").values_list("target", flat=True))
        assert moves[-2:] == [S.PUBLISHING, S.PUBLISHED]


@pytest.mark.parametrize("platform", ["sandbox", "x", "mastodon"])
def test_a_thread_is_published_in_order_as_one_chain(stage: Stage, platform: str) -> None:
    account = stage.account(platform)
    post = stage.post(account, "one", "two", "three", first_comment="and a comment")
    stage.cluster()
    stage.wait_for(post, state=S.PUBLISHED)
    network = "mastodon/one" if platform == "mastodon" else platform
    live = sorted(stage.judge.posts(network, account.username), key=lambda p: p["received_at"])
    assert [p["text"] for p in live] == ["one", "two", "three", "and a comment"]
    assert [p["reply_to"] for p in live] == [None, *[p["id"] for p in live[:-1]]]
    post.refresh_from_db()
    assert post.remote_ids == [p["id"] for p in live]


def test_publish_now_leaves_at_once_while_the_cluster_runs(stage: Stage) -> None:
    account = stage.account("sandbox")
    later = stage.post(account, "for tomorrow", in_seconds=86400)
    stage.cluster()
    first = stage.post(account, "first")
    stage.wait_for(first, state=S.PUBLISHED)
    asked = services.publish_now(later.pk, actor="user:test").scheduled_at
    stage.wait_for(later, state=S.PUBLISHED)
    later.refresh_from_db()
    assert timedelta() <= later.first_sent_at - asked < timedelta(seconds=5)


def test_a_cancelled_or_edited_claim_never_reaches_the_network(stage: Stage) -> None:
    account = stage.account("sandbox")
    stage.cluster()
    wait_until(lambda: WorkerSlot.objects.filter(kind="publish").exists(), what="a slot")
    stopped = stage.post(account, "stopped", in_seconds=4)
    changed = stage.post(account, "before", in_seconds=4)

    def claimed() -> bool:
        held = ScheduledPost.objects.filter(pk__in=[stopped.pk, changed.pk])
        return held.filter(lease_slot__isnull=False).count() == 2

    wait_until(claimed, what="the claim")
    services.cancel_post(stopped.pk, actor="user:test")
    services.edit_post(changed.pk, actor="user:test", segments=[{"text": "after"}])
    stage.wait_for(changed, state=S.PUBLISHED)
    assert [p["text"] for p in stage.judge.posts("sandbox", account.username)] == ["after"]
    stopped.refresh_from_db()
    assert stopped.state == S.CANCELLED


def test_a_slow_network_is_polled_until_it_is_done(stage: Stage) -> None:
    account = stage.account("sandbox")
    post = stage.post(account, "a film #slow")
    stage.cluster()
    stage.wait_for(post, state=S.PROCESSING)
    stage.wait_for(post, state=S.PUBLISHED)
    assert len(stage.judge.posts("sandbox", account.username)) == 1


def test_during_retry_after_nothing_is_called_and_the_post_tells_when(stage: Stage) -> None:
    account = stage.account("x")
    stage.judge.be_cruel(
        "x", account.username, on="create", fail=[{"status": 429, "retry_after": 3, "times": 1}]
    )
    posts = [stage.post(account, f"number {n}", in_seconds=0.5 * n) for n in range(4)]
    stage.cluster()
    stage.wait_for(*posts, state=S.PUBLISHED, seconds=40)
    calls = [c["at"] for c in stage.judge.calls("x", account.username) if c["method"] == "POST"]
    assert len(calls) == 5
    assert not [at for at in calls if calls[0] + 0.25 < at < calls[0] + 3.0]
    refused = posts[0].attempt_log.filter(category="rate_limit").get()
    assert refused.retry_after_seconds == pytest.approx(3.0)
    assert refused.decision == "retry"


def test_a_refused_text_fails_with_the_network_s_reason_and_a_next_step(stage: Stage) -> None:
    account = stage.account("x")
    stage.judge.be_cruel(
        "x",
        account.username,
        on="create",
        fail=[
            {
                "status": 403,
                "body": {
                    "title": "Forbidden",
                    "status": 403,
                    "type": "about:blank",
                    "detail": "You are not allowed to create a Tweet with duplicate content.",
                },
            }
        ],
    )
    post = stage.post(account, "said before")
    stage.cluster()
    stage.wait_for(post, state=S.FAILED)
    post.refresh_from_db()
    assert post.last_category == "duplicate"
    assert "duplicate" in post.last_error


def test_a_slot_hands_over_to_its_successor_without_a_gap(stage: Stage) -> None:
    account = stage.account("sandbox")
    posts = [stage.post(account, f"number {n}", in_seconds=0.2 * n) for n in range(40)]
    stage.cluster(PUBLISHER_SLOTS="1", SLOT_RUN_SECONDS="2", PUBLISH_LEASE_SECONDS="1.8")
    stage.wait_for(*posts, state=S.PUBLISHED)
    wait_until(lambda: WorkerSlot.objects.filter(kind="publish").count() >= 3, what="hand-overs")
    assert len(stage.judge.posts("sandbox", account.username)) == 40
