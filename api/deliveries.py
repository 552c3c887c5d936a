"""What was told to whom in a workspace, by every channel, over the API; and telling it again."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access
from accounts.models import Role
from api.base import ApiView, as_uuid
from api.delivery_answers import (
    DELIVERIES,
    DELIVERY,
    DELIVERY_FULL,
    delivery_full_json,
    delivery_json,
)
from api.fields import instant_of
from api.pages import PAGED, Pages
from api.problems import invalid, unknown
from api.schema import Answered, Parameter, operation
from api.serializers import ReasonInput
from api.shapes import among, listed, moment, text
from notifications.models import Channel, Delivery, DeliveryState
from notifications.repeating import repeat

DELIVERY_FILTERS = (
    Parameter("channel", among(Channel.values, "By this way.")),
    Parameter(
        "state",
        listed(among(DeliveryState.values, "A state."), "In any of these states.", ["failed"]),
    ),
    Parameter("event", text("Of this event.", "post.failed")),
    Parameter("from", moment("Written at this instant or later.")),
    Parameter("to", moment("Written before this instant.")),
)


class DeliveriesBase(ApiView):
    """Deliveries are for those who work on posts: they say where customers' systems are."""

    read_scope = "notifications:read"
    write_scope = "notifications:write"
    read_role = write_role = Role.EDITOR
    scope_suffices = True


class DeliveriesView(DeliveriesBase):
    """GET lists deliveries."""

    @operation(
        "list_deliveries",
        "List deliveries of notifications, newest first",
        tag="notifications",
        query=[*DELIVERY_FILTERS, *PAGED],
        answers={200: DELIVERIES},
    )
    def get(self, request: Request) -> Response:
        """Return one page of what was told in this workspace, narrowed by what the query says."""
        rows = narrowed(_deliveries(self.enter()), request.query_params)
        return paged(self, request, rows)


class DeliveryView(DeliveriesBase):
    """GET shows one delivery."""

    @operation(
        "get_delivery",
        "Look at a delivery",
        tag="notifications",
        answers={200: DELIVERY_FULL},
    )
    def get(self, request: Request, delivery_id: str) -> Response:
        """Return it with its tries, what was last answered, and what a webhook says."""
        return Response(delivery_full_json(_delivery_of(self.enter(), delivery_id)))


class ReplayDelivery(DeliveriesBase):
    """POST tells it again."""

    @operation(
        "replay_delivery",
        "Make a delivery again",
        tag="notifications",
        body=ReasonInput,
        example={"reason": "The receiver was down."},
        answers={
            200: Answered(
                DELIVERY,
                "It is made at once.",
                DELIVERY.example(state="pending", sent_at=None, delivered_at=None, attempts=0),
            )
        },
        problems={409: "It is being sent right now, or is on its way already."},
    )
    def post(self, request: Request, delivery_id: str) -> Response:
        """Make it at once, whatever became of it; a webhook keeps its webhook-id.

        One that waits is tried now, a failed or skipped one gets a full set of tries, of one that
        arrived a further delivery is made. A text message in doubt may then arrive twice.
        """
        reason = self.read(ReasonInput)["reason"]
        access = self.enter()
        delivery = _delivery_of(access, delivery_id)
        with transaction.atomic():
            again = repeat(delivery.pk, actor=access.actor, reason=reason)
            return self.answer(delivery_json(again))


def paged(view: ApiView, request: Request, rows: QuerySet[Delivery]) -> Response:
    """Answer one page of deliveries."""
    pages = Pages()
    found = pages.paginate_queryset(rows, request, view=view)
    return pages.get_paginated_response([delivery_json(one) for one in found or ()])


def narrowed(rows: QuerySet[Delivery], query: Mapping[str, str]) -> QuerySet[Delivery]:
    """Return the deliveries that the query asks for; raises Problem 422."""
    if channel := query.get("channel"):
        if channel not in Channel.values:
            raise invalid("channel", "unknown", f"Channels are {', '.join(Channel.values)}.")
        rows = rows.filter(channel=channel)
    if states := query.get("state"):
        names = [name.strip() for name in states.split(",")]
        if set(names) - set(DeliveryState.values):
            raise invalid("state", "unknown", f"States are {', '.join(DeliveryState.values)}.")
        rows = rows.filter(state__in=names)
    if event := query.get("event"):
        if "\x00" in event:
            raise invalid("event", "invalid", "Texts must not contain the NUL character.")
        rows = rows.filter(notification__event=event)
    if since := query.get("from"):
        rows = rows.filter(created_at__gte=instant_of("from", since))
    if until := query.get("to"):
        rows = rows.filter(created_at__lt=instant_of("to", until))
    return rows


def _deliveries(access: Access) -> QuerySet[Delivery]:
    rows = Delivery.objects.filter(notification__workspace=access.workspace)
    return rows.select_related("notification")


def _delivery_of(access: Access, delivery_id: str) -> Delivery:
    key = as_uuid(delivery_id)
    found = _deliveries(access).filter(pk=key).first() if key else None
    if found is None:
        raise unknown("delivery_id", "delivery")
    return found
