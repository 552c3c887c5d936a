"""Many slots claim, steal and open at once: every row is held by one of them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from engine import slots, sql
from engine.gate import Gate
from engine.jobs import Deal
from engine.models import RateLimitState, WorkerSlot
from platforms.models import SocialConnection
from scheduling import outage, services, sweeper
from scheduling.look_ahead import queue_due_posts
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.concurrency.threads import together
from tests.factories import make_connection

S = PostState
SECOND = timedelta(seconds=1)
LEASE = timedelta(seconds=120)
Held = tuple[uuid.UUID, int]


def make_posts(
    count: int, account: SocialConnection | None = None, **fields: object
) -> list[uuid.UUID]:
    """Save `count` due posts of one account (a new one, if not given) in one statement."""
    account = account or make_connection()
    now = timezone.now()
    posts = [
        ScheduledPost(
            **{
                "workspace_id": account.workspace_id,
                "connection": account,
                "platform": "sandbox",
                "state": S.SCHEDULED,
                "due_at": now,
                "scheduled_at": now,
                "segments": [{"text": "hello"}],
                **fields,
            }
        )
        for _ in range(count)
    ]
    return [post.pk for post in ScheduledPost.objects.bulk_create(posts)]


def claim(slot: int, limit: int, *, fair: bool = False) -> list[Held]:
    return ScheduledPost.claim(  # type: ignore[return-value]
        slot,
        limit=limit,
        horizon=5 * SECOND,
        lease=LEASE,
        columns=("id", "fencing_token"),
        deal=Deal(lane_most=limit) if fair else None,
    )


def claim_all(slot: int, *, fair: bool) -> list[Held]:
    """Claim in small portions until nothing is left (or far too much was claimed)."""
    held: list[Held] = []
    while len(held) <= 500 and (got := claim(slot, 40, fair=fair)):
        held += got
    return held


@pytest.mark.parametrize("fair", [False, True])
def test_eight_slots_claim_five_hundred_rows_and_each_row_once(fair: bool) -> None:
    posts = make_posts(500)
    held = together([lambda slot=n: claim_all(slot, fair=fair) for n in range(1, 9)])
    assert sorted(pk for pk, _ in chain(*held)) == sorted(posts)
    assert {token for _, token in chain(*held)} == {1}
    for slot, rows in enumerate(held, start=1):
        theirs = set(ScheduledPost.objects.filter(lease_slot=slot).values_list("pk", flat=True))
        assert {pk for pk, _ in rows} == theirs


@pytest.mark.parametrize("fair", [False, True])
def test_a_claim_passes_by_rows_that_another_is_just_claiming(fair: bool) -> None:
    posts = make_posts(10)

    def claim_without_waiting() -> list[Held]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")  # waiting for a row would be an error
            return claim(2, 10, fair=fair)

    with transaction.atomic():
        first = claim(1, 4, fair=fair)
        (second,) = together([claim_without_waiting])
    assert len(first) == 4
    assert sorted(pk for pk, _ in first + second) == sorted(posts)


def test_one_due_post_of_a_small_workspace_gets_past_two_thousand_of_another() -> None:
    make_posts(2000, due_at=timezone.now() - 60 * SECOND)
    (alone,) = make_posts(1)
    held = claim(1, 100, fair=True)
    assert len(held) == 100
    assert alone in {pk for pk, _ in held}


def test_a_claim_reads_what_is_due_and_not_the_whole_future() -> None:
    make_posts(2000, due_at=timezone.now() + timedelta(days=1))
    due = make_posts(5)
    plan = plan_of(lambda: claim(1, 200))
    assert "using post_due on" in plan, plan
    assert "Rows Removed by Filter" not in plan, plan
    assert f"rows={len(due)} " in plan


def test_a_dealt_claim_reads_little_of_a_long_backlog() -> None:
    make_posts(2000, due_at=timezone.now() - 60 * SECOND)
    for _ in range(3):
        make_posts(1)
    make_posts(100, due_at=timezone.now() + timedelta(days=1))
    plan = plan_of(lambda: claim(1, 20, fair=True))
    reads = re.findall(r"using post_due_by_connection on .*actual rows=([0-9.]+)", plan)
    assert len(reads) == 3, plan  # the first lane, the next ones, the earliest rows of each
    assert max(float(rows) for rows in reads) <= 20, plan


def test_a_dealt_claim_reads_nothing_of_what_an_account_has_sent_before() -> None:
    sent = make_connection()
    for account in [sent, *(make_connection() for _ in range(20))]:
        make_posts(100 if account == sent else 5, account, due_at=None, state=S.PUBLISHED)
        make_posts(2, account)
    make_posts(2000, sent, due_at=None, state=S.PUBLISHED)
    plan = plan_of(lambda: claim(1, 20, fair=True))
    assert set(re.findall(r"using (post_\w+) on", plan)) == {"post_due_by_connection"}, plan
    assert "_connection_id_" not in plan, plan


def test_a_dealt_claim_reads_by_lane_though_the_planner_believes_that_nothing_is_due() -> None:
    for _ in range(20):
        make_posts(100, due_at=timezone.now() + timedelta(days=1))
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {sql.table_of(ScheduledPost)}")
    ScheduledPost.objects.update(due_at=timezone.now())
    plan = plan_of(lambda: claim(1, 20, fair=True), analyze=False)
    assert "using post_due on" not in plan, plan
    assert "Seq Scan" not in plan, plan


@pytest.mark.parametrize("look", [sweeper.sweep, queue_due_posts, outage.beat, Gate().db_read])
def test_what_runs_again_and_again_reads_neither_the_future_nor_the_past(
    look: Callable[[], object],
) -> None:
    now = timezone.now()
    make_posts(2000, due_at=now + timedelta(days=1))
    make_posts(2000, due_at=None, state=S.PUBLISHED)
    make_posts(5)
    RateLimitState.objects.bulk_create(
        RateLimitState(scope="connection", key=str(n), updated_at=now - timedelta(days=1))
        for n in range(2000)
    )
    look()  # the gate's first look is at everything
    plan = plan_of(look)
    assert not re.search("Seq Scan on (scheduling|engine_rate)", plan), plan


def plan_of(work: Callable[[], object], *, analyze: bool = True) -> str:
    """Return how all selects and updates of `work` are executed; `analyze`: statistics first."""
    plans = []

    def explained(execute: Any, statement: str, *rest: Any) -> Any:
        if statement.startswith(("SELECT", "UPDATE", "WITH")):
            with transaction.atomic():
                execute(f"EXPLAIN (ANALYZE, TIMING OFF) {statement}", *rest)
                plans.extend(line for (line,) in rest[-1]["cursor"].fetchall())
                transaction.set_rollback(True)
        return execute(statement, *rest)

    with connection.cursor() as cursor:
        if analyze:
            cursor.execute("ANALYZE")
    with connection.execute_wrapper(explained):
        work()
    return "\n".join(plans)


def test_two_slots_steal_each_row_once() -> None:
    posts = make_posts(200, lease_slot=999_999, lease_expires_at=timezone.now() + LEASE)

    def steal() -> int:
        return ScheduledPost.steal(silent_after=3 * SECOND)

    assert sum(together([steal] * 4)) == len(posts)
    assert set(ScheduledPost.objects.values_list("fencing_token", "lease_slot")) == {(1, None)}
    held = together([lambda slot=n: claim_all(slot, fair=False) for n in (1, 2)])
    assert sorted(pk for pk, _ in chain(*held)) == sorted(posts)


def test_eight_processes_that_ask_at_once_open_no_more_slots_than_wanted() -> None:
    opened = together([lambda: slots.open_slot("publish")] * 8)
    assert len([slot for slot in opened if slot]) == settings.PUBLISHER_SLOTS
    assert WorkerSlot.objects.count() == settings.PUBLISHER_SLOTS


def test_one_external_id_scheduled_by_six_at_once_is_one_post() -> None:
    account = make_connection()

    def schedule() -> tuple[uuid.UUID, bool]:
        post, created = services.schedule_post(
            workspace=account.workspace,
            connection=account,
            segments=[{"text": "hello"}],
            scheduled_at=timezone.now() + timedelta(hours=1),
            actor="user:test",
            external_id="ours-1",
        )
        return post.pk, created

    answers = together([schedule] * 6)
    assert [created for _, created in answers].count(True) == 1
    assert {pk for pk, _ in answers} == {ScheduledPost.objects.get().pk}
