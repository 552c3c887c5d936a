"""Leased jobs on the database of this run: who may claim, give back and take over which row."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from engine import sql
from engine.ids import uuid7
from engine.jobs import Deal
from engine.models import WorkerSlot
from platforms.models import SocialConnection
from scheduling.bulk import insert_posts
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.factories import make_connection, make_post

pytestmark = pytest.mark.django_db

S = PostState
LEASE = timedelta(seconds=120)
COLUMNS = ("id", "fencing_token")
SECOND = timedelta(seconds=1)


def make_slot(*, silent_for: timedelta = timedelta(), **fields: object) -> int:
    now = timezone.now()
    slot = WorkerSlot.objects.create(
        kind="publish", host="here", pid=1, started_at=now, heartbeat_at=now, **fields
    )
    WorkerSlot.objects.filter(pk=slot.pk).update(heartbeat_at=Now() - silent_for)
    return slot.pk


def claim(slot: int = 1, *, limit: int = 100, **options: object) -> list[tuple[uuid.UUID, int]]:
    rows = ScheduledPost.claim(
        slot,
        limit=limit,
        **{"horizon": 5 * SECOND, "lease": LEASE, "columns": COLUMNS, **options},
    )
    return [(sql.as_uuid(pk), token) for pk, token in rows]


def test_a_claim_takes_what_is_due_within_the_horizon_and_leases_it(
    connection: SocialConnection,
) -> None:
    now = timezone.now()
    due = make_post(connection, due_at=now + 3 * SECOND)
    make_post(connection, due_at=now + 60 * SECOND)
    make_post(connection, state=S.DRAFT)
    assert claim(7) == [(due.pk, 1)]
    due.refresh_from_db()
    assert (due.lease_slot, due.fencing_token, due.state) == (7, 1, S.SCHEDULED)
    assert LEASE - 5 * SECOND < due.lease_expires_at - now < LEASE + 5 * SECOND
    assert claim(8) == []


def test_a_claim_takes_the_earliest_when_more_is_due_than_it_may_hold(
    connection: SocialConnection,
) -> None:
    now = timezone.now()
    posts = [make_post(connection, due_at=now - n * SECOND) for n in range(4)]
    assert {pk for pk, _ in claim(limit=2)} == {posts[3].pk, posts[2].pk}


def test_a_narrowed_claim_leaves_the_rest(connection: SocialConnection) -> None:
    make_post(connection)
    wanted = make_post(connection, state=S.QUEUED, needs_preparation=True)
    rows = claim(extra_where="state = %s AND needs_preparation", parameters=[S.QUEUED])
    assert rows == [(wanted.pk, 1)]


def test_a_fair_claim_gives_every_workspace_its_share() -> None:
    crowded, lonely = make_connection(), make_connection()
    now = timezone.now()
    for number in range(30):
        make_post(crowded, due_at=now - (40 - number) * SECOND)
    alone = make_post(lonely, due_at=now)
    assert alone.pk not in {pk for pk, _ in claim(limit=10)}
    assert alone.pk in {pk for pk, _ in claim(limit=10, deal=Deal(lane_most=50))}


def test_a_dealt_claim_takes_no_more_of_a_lane_than_said_and_nothing_of_full_ones() -> None:
    crowded, busy = make_connection(), make_connection()
    beside = make_connection(workspace=crowded.workspace)
    for account in (crowded, beside, busy):
        for _ in range(8):
            make_post(account)
    held = {pk for pk, _ in claim(deal=Deal(3, full=[busy.workspace_id]))}
    theirs = Counter(ScheduledPost.objects.filter(pk__in=held).values_list("connection", flat=True))
    assert theirs == {crowded.pk: 3, beside.pk: 3}
    held = {pk for pk, _ in claim(deal=Deal(3, full=[crowded.pk]))}
    theirs = Counter(ScheduledPost.objects.filter(pk__in=held).values_list("connection", flat=True))
    assert theirs == {beside.pk: 3, busy.pk: 3}


def test_a_dealt_claim_finds_the_single_post_behind_twenty_thousand_of_one_connection() -> None:
    crowded = make_connection()
    long_ago = timezone.now() - 60 * SECOND
    crowd = ScheduledPost(
        workspace_id=crowded.workspace_id,
        connection=crowded,
        platform=crowded.platform,
        state=S.SCHEDULED,
        segments=[{"text": "one of many"}],
        scheduled_at=long_ago,
        due_at=long_ago,
    )

    def copies() -> Iterator[ScheduledPost]:
        for _ in range(20_000):
            crowd.pk = uuid7()
            yield crowd

    insert_posts(copies())
    beside = make_post(make_connection(workspace=crowded.workspace))
    alone = make_post(make_connection())
    held = {pk for pk, _ in claim(limit=50, deal=Deal(lane_most=40))}
    assert {beside.pk, alone.pk} < held
    assert len(held) == 42
    held = {pk for pk, _ in claim(2, limit=50, deal=Deal(lane_most=40, full=[crowded.pk]))}
    assert held == set()


def test_lanes_of_an_owner_take_turns_in_a_dealt_claim(connection: SocialConnection) -> None:
    now = timezone.now()
    for number in range(30):
        make_post(connection, due_at=now - (40 - number) * SECOND)
    alone = make_post(make_connection(workspace=connection.workspace), due_at=now)
    assert alone.pk in {pk for pk, _ in claim(limit=2, deal=Deal(lane_most=50))}


def test_a_fair_claim_takes_higher_priority_first(connection: SocialConnection) -> None:
    now = timezone.now()
    for number in range(5):
        make_post(connection, due_at=now - (10 - number) * SECOND)
    urgent = make_post(connection, due_at=now, priority=9)
    other = make_post(make_connection(), due_at=now)
    taken = {pk for pk, _ in claim(limit=6, deal=Deal(lane_most=50))}
    assert len(taken) == 6
    assert {urgent.pk, other.pk} <= taken


def test_a_fair_claim_takes_all_when_all_fits(connection: SocialConnection) -> None:
    posts = [make_post(connection) for _ in range(3)]
    posts.append(make_post(make_connection(), due_at=timezone.now() + 60 * SECOND))
    assert {pk for pk, _ in claim(deal=Deal(lane_most=50))} == {post.pk for post in posts[:3]}


def test_released_claims_are_free_again_and_only_under_their_token(
    connection: SocialConnection,
) -> None:
    kept, lost = make_post(connection), make_post(connection)
    claim()
    assert ScheduledPost.release([(kept.pk, 1), (lost.pk, 0)]) == 1
    assert claim(2) == [(kept.pk, 2)]
    assert ScheduledPost.release([]) == 0


def test_the_unsent_claims_of_a_silent_slot_are_stolen_and_its_token_no_longer_fits(
    connection: SocialConnection,
) -> None:
    live, silent, ended = (
        make_slot(),
        make_slot(silent_for=10 * SECOND),
        make_slot(stopped_at=timezone.now()),
    )
    held = {slot: make_post(connection) for slot in (live, silent, ended)}
    for slot, post in held.items():
        ScheduledPost.objects.filter(pk=post.pk).update(
            lease_slot=slot, lease_expires_at=timezone.now() + LEASE, fencing_token=5
        )
    sent = make_post(
        connection,
        state=S.PUBLISHING,
        lease_slot=silent,
        lease_expires_at=timezone.now() - LEASE,
    )
    assert ScheduledPost.steal(silent_after=3 * SECOND) == 2
    assert {pk for pk, _ in claim(live)} == {held[silent].pk, held[ended].pk}
    assert ScheduledPost.release([(held[silent].pk, 5)]) == 0
    sent.refresh_from_db()
    assert (sent.state, sent.lease_slot) == (S.PUBLISHING, silent)


def test_a_claim_held_longer_than_its_own_lease_is_freed_though_its_slot_lives(
    connection: SocialConnection,
) -> None:
    post = make_post(
        connection, lease_slot=make_slot(), lease_expires_at=timezone.now() - 5 * SECOND
    )
    assert ScheduledPost.steal(silent_after=3 * SECOND) == 1
    post.refresh_from_db()
    assert (post.lease_slot, post.fencing_token) == (None, 1)


def test_a_fenced_update_writes_only_rows_whose_token_fits(connection: SocialConnection) -> None:
    mine, lost = make_post(connection, fencing_token=3), make_post(connection, fencing_token=4)
    rows = [{"id": post.pk, "token": 3, "text": "noted"} for post in (mine, lost)]
    written = sql.fenced_update(
        ScheduledPost, rows, {"text": sql.TEXT}, set_sql="last_error = v.v_text"
    )
    assert [sql.as_uuid(pk) for (pk,) in written] == [mine.pk]
    assert list(ScheduledPost.objects.filter(last_error="noted")) == [mine]


def test_every_kind_of_value_arrives_as_it_was_sent(connection: SocialConnection) -> None:
    post = make_post(connection)
    at = timezone.now() + timedelta(hours=2)
    value = {
        "id": post.pk,
        "progress": {"published": ["1"], "text": 'ü "quoted" \\ \n', "deep": [{"n": 1}, None]},
        "at": at,
        "text": "100 % of it's here",
        "flag": True,
        "number": 2**31 - 1,
    }
    columns = {
        "progress": sql.JSONB,
        "at": sql.INSTANT,
        "text": sql.TEXT,
        "flag": sql.BOOLEAN,
        "number": sql.INT,
    }
    sql.update_rows(
        ScheduledPost,
        [value],
        columns,
        set_sql="progress = v.v_progress, published_at = v.v_at, last_error = v.v_text, "
        "needs_preparation = v.v_flag, attempts = v.v_number",
    )
    post.refresh_from_db()
    assert post.progress == value["progress"]
    assert post.published_at == at
    assert post.last_error == value["text"]
    assert post.needs_preparation is True
    assert post.attempts == value["number"]


def test_an_empty_batch_asks_nothing(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert sql.fenced_update(ScheduledPost, [], {}, set_sql="priority = 1") == []
        assert sql.update_rows(ScheduledPost, [], {}, set_sql="priority = 1") == []
        sql.insert_rows(ScheduledPost, [], {})


def test_a_value_no_database_knows_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot send bytes"):
        sql.encode([{"secret": b"\0"}])
