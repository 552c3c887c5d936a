"""Taking the next free slot of an account: race-free, because whoever takes one locks its queue.

A slot is taken while a post of the account that is not cancelled (and no draft) is set for its
instant, however it came there. So cancelling or moving a post frees its slot by itself. Behind the
lock stands a unique constraint over account and slot.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, pairwise
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F

from accounts.audit import record
from engine.clock import database_now
from platforms.models import SocialConnection
from scheduling import services
from scheduling.drafts import FieldError
from scheduling.models import PostQueue, QueuePlace, ScheduledPost
from scheduling.moments import reschedule_post
from scheduling.queue_slots.weekly import CLOCK, SLOTS_MOST, Day, Slot, WeeklySlots, sorted_slots
from scheduling.rules import Invalid
from scheduling.series.wall_clock import Moment, UnknownZone, zone_named
from scheduling.states import PostState

S = PostState
SEARCHED = timedelta(days=2 * 366)
SHOWN = 12
FREEING = (S.CANCELLED, S.DRAFT)  # posts in these states take no slot


class Place(models.TextChoices):
    """Where in the queue a post wants to be."""

    NEXT = "next", "the next free slot"
    BOTTOM = "bottom", "behind all that are queued"
    TOP = "top", "the first slot to be had"  # queued posts move down, up to the first gap


@dataclass(frozen=True, slots=True)
class SlotView:
    """One slot to come and the post that has it, if any; `is_queued`: it came by the queue."""

    moment: Moment
    post: ScheduledPost | None = None
    is_queued: bool = False


def set_slots(
    connection: SocialConnection, *, slots: Sequence[Slot], time_zone: str, actor: str
) -> PostQueue:
    """Replace the weekly slots of an account; posts that are queued keep their moments.

    Raises Invalid.
    """
    errors = _slot_errors(slots)
    try:
        zone_named(time_zone)
    except UnknownZone as refused:
        errors.append(FieldError("time_zone", "unknown_zone", str(refused)))
    if errors:
        raise Invalid(errors)
    wanted = [list(slot) for slot in sorted_slots(slots)]
    with transaction.atomic():
        queue, _ = PostQueue.objects.update_or_create(
            connection=connection, defaults={"slots": wanted, "time_zone": time_zone}
        )
        record(
            workspace=connection.workspace,
            actor=actor,
            action="queue.slots_set",
            target=f"connection:{connection.pk}",
            detail={"slots": len(wanted), "time_zone": time_zone},
        )
    return queue


def schedule_in_slot(
    *, connection: SocialConnection, place: Place, actor: str, **details: Any
) -> tuple[ScheduledPost, bool]:
    """Schedule a post in a slot of the account's queue and return (post, created).

    `details` are those of `services.schedule_post` but for its moment and zone. A post whose
    external_id is known already takes no slot. Raises Invalid when there is no slot to be had.
    """
    with transaction.atomic():
        queue = PostQueue.objects.select_for_update().filter(connection=connection).first()
        if queue is None or not queue.slots:
            raise _refused(
                "no_slots", "This account has no queue slots: set them first, or say when."
            )
        chain = _chain(queue, place)
        post, created = services.schedule_post(
            connection=connection,
            scheduled_at=chain[0][0],
            time_zone=queue.time_zone,
            actor=actor,
            **details,
        )
        if created:
            _move_down(chain, actor)
            QueuePlace.objects.create(post=post, connection=connection, at=chain[0][0])
    return post, created


def coming_slots(
    connection: SocialConnection, *, now: datetime, count: int = SHOWN
) -> list[SlotView]:
    """Return the next slots of an account, free and taken."""
    queue = PostQueue.objects.filter(connection=connection).first()
    if queue is None:
        return []
    moments = list(islice(_moments(queue, now), count))
    holders = _holders(connection, [moment.at for moment in moments])
    queued = set(
        QueuePlace.objects.filter(connection=connection, at__in=holders).values_list(
            "post_id", flat=True
        )
    )
    return [
        SlotView(moment, holder, holder is not None and holder.pk in queued)
        for moment in moments
        for holder in [holders.get(moment.at)]
    ]


# --- inside -----------------------------------------------------------------------------------

# Slots with the post that is to leave each for the next one; the last was free.
Chain = list[tuple[datetime, QueuePlace | None]]


def _moments(queue: PostQueue, after: datetime) -> Iterable[Moment]:
    weekly = WeeklySlots(
        tuple((day, clock) for day, clock in queue.slots), zone_named(queue.time_zone)
    )
    return weekly.moments(after=after, within=SEARCHED)


def _holders(
    connection: SocialConnection, moments: Sequence[datetime]
) -> dict[datetime, ScheduledPost]:
    """Return the posts set for exactly these instants (served by the calendar's index)."""
    posts = ScheduledPost.objects.filter(
        workspace=connection.workspace_id, connection=connection, scheduled_at__in=moments
    )
    return {post.scheduled_at: post for post in posts.exclude(state__in=FREEING).order_by("-pk")}


def _chain(queue: PostQueue, place: Place) -> Chain:
    """Return the slot to take, and for Place.TOP the taken ones that move down, to the free one."""
    now = database_now()
    connection = queue.connection
    _forget_left_places(connection.pk)
    places = {row.at: row for row in QueuePlace.objects.filter(connection=connection, at__gt=now)}
    after = max(places, default=now) if place == Place.BOTTOM else now
    chain: Chain = []
    moments = iter(_moments(queue, after))
    while batch := list(islice(moments, 100)):
        holders = _holders(connection, [moment.at for moment in batch])
        for moment in batch:
            holder = holders.get(moment.at)
            if holder is None:
                return [*chain, (moment.at, None)]
            if place == Place.TOP and _may_move(holder, places.get(moment.at), now):
                chain.append((moment.at, places[moment.at]))
    raise _refused("queue_full", "Every slot of the coming two years is taken: add slots.")


def _forget_left_places(connection_id: uuid.UUID) -> None:
    """Remove the places of posts that were cancelled, or moved by hand."""
    places = QueuePlace.objects.filter(connection=connection_id)
    places.exclude(post__scheduled_at=F("at")).delete()
    places.filter(post__state__in=FREEING).delete()


def _may_move(post: ScheduledPost, place: QueuePlace | None, now: datetime) -> bool:
    """Say whether the queue may move a post: it came by the queue, and is not being prepared."""
    return (
        place is not None
        and place.post_id == post.pk
        and post.state in {S.SCHEDULED, S.AWAITING_APPROVAL}
        and post.scheduled_at > now + settings.LOOK_AHEAD
    )


def _move_down(chain: Chain, actor: str) -> None:
    """Move each post of the chain to the slot after its own, the last one first."""
    for (_, place), (to, _) in reversed(list(pairwise(chain))):
        if place is not None:
            reschedule_post(place.post_id, actor=actor, scheduled_at=to)
            place.at = to
            place.save(update_fields=["at"])


def _slot_errors(slots: Sequence[Slot]) -> list[FieldError]:
    if len(slots) > SLOTS_MOST:
        return [FieldError("slots", "too_many", f"A week has at most {SLOTS_MOST} slots.")]
    errors = []
    for number, (day, clock) in enumerate(slots):
        if day not in Day.values:
            text = f"Days are {', '.join(Day.values)}."
            errors.append(FieldError(f"slots[{number}].day", "unknown", text))
        if not CLOCK.fullmatch(clock):
            text = "Give the time of day as 09:00."
            errors.append(FieldError(f"slots[{number}].time", "bad_time", text))
    return errors


def _refused(code: str, message: str) -> Invalid:
    return Invalid([FieldError("queue", code, message)])
