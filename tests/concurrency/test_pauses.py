"""A pause and a send mark meet on one row; claims do not read what is paused."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from engine.models import Pause
from scheduling import outage, pauses
from scheduling.models import ScheduledPost
from scheduling.publisher import PostWorkload
from scheduling.records import mark_sent
from scheduling.states import PostState
from tests.concurrency.test_claims import make_posts, plan_of
from tests.concurrency.threads import behind, together
from tests.factories import make_connection, make_post
from tests.scheduling.claimed import WORKER, claim

S = PostState
Act = Callable[[ScheduledPost], object]


def pause_platform(post: ScheduledPost) -> object:
    return pauses.pause(Pause.Scope.PLATFORM, post.platform, actor="user:test", reason="")


def pause_workspace(post: ScheduledPost) -> object:
    key = str(post.workspace_id)
    return pauses.pause(Pause.Scope.WORKSPACE, key, actor="user:test", reason="")


def pause_everything(post: ScheduledPost) -> object:
    outage.pause(actor="user:test", reason="")
    return None


ALL = pytest.mark.parametrize("act", [pause_platform, pause_workspace, pause_everything])


@ALL
def test_a_pause_that_comes_after_the_mark_lets_the_call_run(act: Act) -> None:
    post = make_post(make_connection())
    held = claim(post)
    with behind(lambda: mark_sent(held, worker=WORKER), lambda: act(post)) as late:
        assert late.exception() is None
    post.refresh_from_db()
    assert (post.state, post.lease_slot) == (S.PUBLISHING, 1)


@ALL
def test_a_mark_that_comes_after_a_pause_is_refused(act: Act) -> None:
    post = make_post(make_connection())
    held = claim(post)
    with behind(lambda: act(post), lambda: mark_sent(held, worker=WORKER)) as late:
        assert late.result() == set()
    post.refresh_from_db()
    assert (post.state, post.lease_slot) == (S.SCHEDULED, None)


@ALL
def test_when_a_pause_has_returned_no_mark_is_committed_any_more(act: Act) -> None:
    account = make_connection()
    posts = [make_post(account) for _ in range(40)]
    held = claim(*posts)

    def stop() -> set[uuid.UUID]:
        act(posts[0])
        marked = ScheduledPost.objects.filter(state=S.PUBLISHING)
        return set(marked.values_list("pk", flat=True))

    def slot() -> set[uuid.UUID]:
        won: set[uuid.UUID] = set()
        for post in held:
            won |= mark_sent([post], worker=WORKER)
        return won

    seen, won = together([stop, slot])
    assert seen == won
    assert ScheduledPost.objects.filter(state=S.PUBLISHING).count() == len(won)


@pytest.mark.parametrize("act", [pause_platform, pause_workspace])
def test_a_claim_reads_nothing_of_the_backlog_that_is_paused(act: Act) -> None:
    make_posts(2000, due_at=timezone.now() - timedelta(hours=1))
    act(ScheduledPost.objects.first() or pytest.fail("no post"))
    going = make_post(make_connection(platform="mastodon"))
    workload = PostWorkload()
    workload.db_start(1, WORKER)
    jobs = workload.db_claim(100, ahead=0)
    assert [job.id for job in jobs] == [going.pk]
    workload.db_release(jobs)
    plan = plan_of(lambda: workload.db_claim(10, ahead=0))
    reads = re.findall(r"using post_due_by_connection on .*actual rows=([0-9.]+)", plan)
    assert len(reads) == 3, plan
    assert max(float(rows) for rows in reads) <= 2, plan
    assert "Seq Scan on scheduling_scheduledpost" not in plan, plan


def test_pausing_reads_only_what_slots_hold() -> None:
    make_posts(2000)
    make_posts(5, lease_slot=1, lease_expires_at=timezone.now() + timedelta(minutes=1))
    plan = plan_of(lambda: pauses.take_from_slots("platform", "sandbox"))
    assert "using post_leased on" in plan, plan
    assert ScheduledPost.objects.filter(fencing_token=1).count() == 5
