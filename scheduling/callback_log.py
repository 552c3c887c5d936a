"""What was told of one post to the program that asked for it: the outbox, read by post."""

from __future__ import annotations

from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet

from notifications.models import Channel, Delivery
from scheduling.announcements import CALLED_BACK
from scheduling.models import ScheduledPost


def callbacks_of(post: ScheduledPost) -> QuerySet[Delivery]:
    """Return the deliveries of a post's callbacks, with their events.

    Events are found by their dedupe keys, which begin with event and post (a unique index).
    """
    keys = (Q(notification__dedupe_key__startswith=f"{e}:{post.pk}:") for e in sorted(CALLED_BACK))
    return Delivery.objects.filter(
        reduce(or_, keys), channel=Channel.WEBHOOK, notification__workspace=post.workspace_id
    ).select_related("notification")
