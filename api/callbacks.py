"""A post's callbacks over the API: what was told to whom, and telling it again."""

from __future__ import annotations

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import ApiView, as_uuid, post_of
from api.fields import instant
from api.pages import PAGED, Pages
from api.problems import unknown
from api.representations import Json
from api.schema import Answered, operation
from api.serializers import ReasonInput
from api.shapes import Shape, address, identifier, moment, one_of, or_null, page_of, text, whole
from notifications.models import Delivery, DeliveryState
from notifications.repeating import repeat
from scheduling.callback_log import callbacks_of

CALLBACK = Shape(
    "Callback",
    "One event on its way to the address that a post names.",
    id=identifier("The delivery's id."),
    event=text("What happened.", "post.published"),
    webhook_id=identifier("The header webhook-id: the same on every attempt and repeat."),
    url=address("Where to.", "https://example.com/hook"),
    state=one_of(DeliveryState, "How far it is.", "sent"),
    attempts=whole("How often it was tried.", 1),
    max_attempts=whole("How often it is tried at most.", 10),
    next_try_at=or_null(moment("When it is tried next; null: it is not."), None),
    sent_at=or_null(moment("When it was last tried.")),
    delivered_at=or_null(moment("When the receiver took it.")),
    category=or_null(text("What went wrong, as a stable word.", "server_error"), None),
    message=or_null(text("The same for people.", "The receiver answered 503."), None),
    happened_at=moment("When it happened."),
    created_at=moment("When this delivery was written."),
)


class CallbacksView(ApiView):
    """GET lists what was told of a post."""

    @operation(
        "list_callbacks",
        "List a post's callbacks, newest first",
        tag="callbacks",
        query=PAGED,
        answers={200: page_of(CALLBACK, "callbacks")},
    )
    def get(self, request: Request, post_id: str) -> Response:
        """Return one page of the events told to the post's callback_url, and what became of them.

        Empty for a post without one.
        """
        post = post_of(self.enter(), post_id)
        pages = Pages()
        found = pages.paginate_queryset(callbacks_of(post), request, view=self)
        return pages.get_paginated_response([callback_json(one) for one in found or ()])


class ResendCallback(ApiView):
    """POST tells an event again."""

    @operation(
        "resend_callback",
        "Tell an event of a post again",
        tag="callbacks",
        body=ReasonInput,
        example={"reason": "The receiver was down."},
        answers={
            200: Answered(
                CALLBACK,
                "It is sent at once.",
                CALLBACK.example(state="pending", sent_at=None, delivered_at=None, attempts=0),
            )
        },
        problems={409: "It is being sent right now, or is on its way already."},
    )
    def post(self, request: Request, post_id: str, delivery_id: str) -> Response:
        """Send it at once under the same webhook-id, whatever became of it.

        One that waits for its next try is tried now, a failed one gets a full set of tries, of one
        that arrived a further delivery is made.
        """
        reason = self.read(ReasonInput)["reason"]
        access = self.enter()
        post = post_of(access, post_id)
        key = as_uuid(delivery_id)
        delivery = callbacks_of(post).filter(pk=key).first() if key else None
        if delivery is None:
            raise unknown("delivery_id", "callback of this post")
        with transaction.atomic():
            again = repeat(delivery.pk, actor=access.actor, reason=reason)
            return self.answer(callback_json(again))


def callback_json(delivery: Delivery) -> Json:
    """Return one delivery with its event."""
    event = delivery.notification
    return {
        "id": str(delivery.pk),
        "event": event.event,
        "webhook_id": str(event.pk),
        "url": delivery.target,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "max_attempts": delivery.max_attempts,
        "next_try_at": instant(delivery.due_at),
        "sent_at": instant(delivery.sent_at),
        "delivered_at": instant(delivery.delivered_at),
        "category": delivery.error_category or None,
        "message": delivery.error_text or None,
        "happened_at": instant(event.created_at),
        "created_at": instant(delivery.created_at),
    }
