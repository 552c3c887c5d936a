"""Queue slots over the API: an account's weekly times, and which of the next ones are free."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access
from api.base import ApiView
from api.posts import connection_of
from api.schema import operation
from api.series_answers import QUEUE, queue_json
from api.series_bodies import QueueInput
from platforms.models import SocialConnection
from scheduling.models import PostQueue
from scheduling.queue_slots import services


class QueueView(ApiView):
    """GET shows an account's queue slots; PUT replaces them."""

    read_scope = "connections:read"
    write_scope = "connections:write"

    @operation("get_queue", "Look at an account's queue", tag="connections", answers={200: QUEUE})
    def get(self, request: Request, connection_id: str) -> Response:
        """Return the weekly slots, and the next twelve with the posts that have them."""
        access = self.enter()
        return Response(_shown(connection_of(access, connection_id, "id")))

    @operation(
        "set_queue",
        "Set an account's queue slots",
        tag="connections",
        body=QueueInput,
        example={
            "time_zone": "Europe/Brussels",
            "slots": [{"days": ["MO", "TU", "WE", "TH", "FR"], "times": ["09:00", "17:30"]}],
        },
        answers={200: QUEUE},
    )
    def put(self, request: Request, connection_id: str) -> Response:
        """Replace the weekly slots; posts that are queued keep their moments."""
        wish = self.read(QueueInput)
        access = self.enter()
        connection = connection_of(access, connection_id, "id")
        with transaction.atomic():
            services.set_slots(
                connection,
                slots=[
                    (day, clock)
                    for slots in wish["slots"]
                    for day in slots["days"]
                    for clock in slots["times"]
                ],
                time_zone=wish.get("time_zone") or _zone(access, connection),
                actor=access.actor,
            )
            return self.answer(_shown(connection))


def _zone(access: Access, connection: SocialConnection) -> str:
    queue = PostQueue.objects.filter(connection=connection).first()
    return queue.time_zone if queue else access.workspace.time_zone


def _shown(connection: SocialConnection) -> dict[str, Any]:
    queue = PostQueue.objects.filter(connection=connection).first()
    coming = services.coming_slots(connection, now=timezone.now())
    return queue_json(connection.pk, queue, coming)
