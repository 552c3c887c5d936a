"""A workspace's webhook endpoints over the API; a secret stands in one answer and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access
from accounts.models import Role
from api.base import ApiView, as_uuid
from api.conditions import tag_of
from api.deliveries import DELIVERY_FILTERS, narrowed, paged
from api.delivery_answers import DELIVERIES, DELIVERY, delivery_json
from api.endpoint_bodies import EndpointChanges, EndpointInput, ReplayInput
from api.fields import instant
from api.pages import PAGED, Pages
from api.problems import invalid, unknown
from api.schema import Answered, operation
from api.serializers import ReasonInput
from api.shapes import (
    Shape,
    address,
    flag,
    identifier,
    listed,
    moment,
    one_of,
    or_null,
    page_of,
    text,
    whole,
)
from notifications import endpoints
from notifications.models import WebhookEndpoint

_ENDPOINT = {
    "id": identifier("Its id."),
    "url": address("Where events are sent.", "https://example.com/hooks"),
    "description": text("What it is for.", "warehouse"),
    "events": listed(text("A type of event.", "post.published"), "What it is told; []: all."),
    "state": one_of(WebhookEndpoint.State, "Whether it is told anything."),
    "disabled_at": or_null(moment("Since when it is not."), None),
    "disabled_reason": or_null(text("Why it is not.", "It answered 410."), None),
    "failing_since": or_null(moment("Since when all attempts have failed."), None),
    "last_success_at": or_null(moment("When it last took an event, to the minute.")),
    "last_failure_at": or_null(moment("When an attempt last failed."), None),
    "last_failure": or_null(text("How.", "The receiver answered 503."), None),
    "previous_secret_valid_until": or_null(
        moment("Until when the secret before signs as well."), None
    ),
    "created_by": or_null(text("Which person made it.", "ada")),
    "created_at": moment("When it was made."),
}
ENDPOINT = Shape("WebhookEndpoint", "An address that takes the workspace's events.", **_ENDPOINT)
SHOWN_ENDPOINT = Shape(
    "ShownWebhookEndpoint",
    "An endpoint with its new secret, which no other answer shows.",
    **_ENDPOINT,
    secret=or_null(
        text(
            "What events are signed with; null when the request was repeated.",
            "whsec_bm90IGEgc2VjcmV0LCBqdXN0IGFuIGV4YW1wbGU=",
        )
    ),
)
DELETED = Shape(
    "DeletedWebhookEndpoint",
    "An endpoint that is no more.",
    id=identifier("Its id."),
    deleted=flag("It is deleted.", example=True),
)
REPLAYED = Shape(
    "ReplayedDeliveries",
    "What is made again.",
    replayed=whole("How many deliveries became due at once.", 12),
)
DISABLED = {409: "The endpoint is disabled: enable it first."}


class EndpointsBase(ApiView):
    """Endpoints are the owners' to change, and editors' to look at."""

    read_scope = "notifications:read"
    write_scope = "notifications:write"
    read_role = Role.EDITOR
    write_role = Role.OWNER
    scope_suffices = True

    def shown(self, endpoint: WebhookEndpoint) -> Response:
        """Answer an endpoint with its ETag."""
        return self.answer(endpoint_json(endpoint), tag=endpoint_tag(endpoint))

    def carry_out(self, endpoint_id: str, service: Callable[..., WebhookEndpoint]) -> Response:
        """Call `service` and show the endpoint as it then is."""
        reason = self.read(ReasonInput)["reason"]
        access = self.enter()
        endpoint = _endpoint_of(access, endpoint_id)
        with transaction.atomic():
            changed = service(endpoint.pk, actor=access.actor, reason=reason)
            return self.answer(endpoint_json(changed))


class EndpointsView(EndpointsBase):
    """GET lists endpoints; POST makes one."""

    @operation(
        "list_webhook_endpoints",
        "List webhook endpoints, newest first",
        tag="webhook-endpoints",
        query=PAGED,
        answers={200: page_of(ENDPOINT, "webhook endpoints")},
    )
    def get(self, request: Request) -> Response:
        """Return one page of endpoints, with how each is; secrets are never shown again."""
        rows = WebhookEndpoint.objects.filter(workspace=self.enter().workspace)
        pages = Pages()
        found = pages.paginate_queryset(rows.select_related("created_by"), request, view=self)
        return pages.get_paginated_response([endpoint_json(one) for one in found or ()])

    @operation(
        "create_webhook_endpoint",
        "Make a webhook endpoint",
        tag="webhook-endpoints",
        body=EndpointInput,
        example={
            "url": "https://example.com/hooks",
            "description": "warehouse",
            "events": ["post.published", "post.failed"],
        },
        answers={201: SHOWN_ENDPOINT},
    )
    def post(self, request: Request) -> Response:
        """Make an endpoint; its secret is in `secret`, this once (a repeated request shows null).

        It is told of what happens from now on, as Standard Webhooks asks. A workspace has at most
        50.
        """
        wish = self.read(EndpointInput)
        access = self.enter()
        with transaction.atomic(), _told_as_problems():
            endpoint, secret = endpoints.create(
                access.workspace, **wish, actor=access.actor, created_by=access.user
            )
            return _answered_once(self, endpoint, secret, 201)


class EndpointView(EndpointsBase):
    """GET shows, PATCH changes, DELETE forgets an endpoint."""

    @operation(
        "get_webhook_endpoint",
        "Look at a webhook endpoint",
        tag="webhook-endpoints",
        answers={200: ENDPOINT},
        conditional=True,
    )
    def get(self, request: Request, endpoint_id: str) -> Response:
        """Return the endpoint, without its secret."""
        endpoint = _endpoint_of(self.enter(), endpoint_id)
        return self.unchanged(endpoint_tag(endpoint)) or self.shown(endpoint)

    @operation(
        "change_webhook_endpoint",
        "Change a webhook endpoint",
        tag="webhook-endpoints",
        body=EndpointChanges,
        example={"events": ["post.failed"]},
        answers={200: ENDPOINT},
        conditional=True,
    )
    def patch(self, request: Request, endpoint_id: str) -> Response:
        """Change address, description or events; what waits goes to the new address."""
        changes = self.read(EndpointChanges)
        access = self.enter()
        endpoint = _endpoint_of(access, endpoint_id)
        with transaction.atomic(), _told_as_problems():
            self.require_match(endpoint, endpoint_tag)
            return self.shown(endpoints.change(endpoint.pk, changes, actor=access.actor))

    @operation(
        "delete_webhook_endpoint",
        "Delete a webhook endpoint",
        tag="webhook-endpoints",
        answers={200: DELETED},
        conditional=True,
    )
    def delete(self, request: Request, endpoint_id: str) -> Response:
        """Forget it and its secrets; what waits for it is skipped."""
        access = self.enter()
        endpoint = _endpoint_of(access, endpoint_id)
        tag = endpoint_tag(endpoint)
        with transaction.atomic():
            self.require_match(endpoint, endpoint_tag)
            endpoints.delete(endpoint.pk, actor=access.actor)
            return self.answer({"id": str(endpoint.pk), "deleted": True}, tag=tag)


class RotateEndpoint(EndpointsBase):
    """POST gives an endpoint a new secret."""

    @operation(
        "rotate_webhook_secret",
        "Give a webhook endpoint a new secret",
        tag="webhook-endpoints",
        body=ReasonInput,
        example={"reason": "Half-yearly."},
        answers={200: SHOWN_ENDPOINT},
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Change the secret: the new one is in `secret`, this once.

        For 24 hours events carry a signature by each of the two; one before that ends now.
        """
        reason = self.read(ReasonInput)["reason"]
        access = self.enter()
        endpoint = _endpoint_of(access, endpoint_id)
        with transaction.atomic():
            changed, secret = endpoints.rotate(endpoint.pk, actor=access.actor, reason=reason)
            return _answered_once(self, changed, secret, 200)


class TestEndpoint(EndpointsBase):
    """POST sends a test."""

    @operation(
        "test_webhook_endpoint",
        "Send a webhook endpoint a test",
        tag="webhook-endpoints",
        body=ReasonInput,
        example={"reason": "Is the new receiver up?"},
        answers={
            202: Answered(
                DELIVERY,
                "A webhook.test is on its way.",
                DELIVERY.example(
                    event="webhook.test", state="pending", sent_at=None, delivered_at=None
                ),
            )
        },
        problems=DISABLED,
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Send a `webhook.test` at once, whatever it subscribes to; look at the delivery after."""
        reason = self.read(ReasonInput)["reason"]
        access = self.enter()
        endpoint = _endpoint_of(access, endpoint_id)
        with transaction.atomic():
            sent = endpoints.send_test(endpoint.pk, actor=access.actor, reason=reason)
            return self.answer(delivery_json(sent), 202)


class EnableEndpoint(EndpointsBase):
    """POST tells an endpoint again."""

    @operation(
        "enable_webhook_endpoint",
        "Enable a webhook endpoint",
        tag="webhook-endpoints",
        body=ReasonInput,
        example={"reason": "The receiver is repaired."},
        answers={200: ENDPOINT},
        problems={409: "It is enabled already."},
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Tell it of what happens from now on; what it missed can be replayed."""
        return self.carry_out(endpoint_id, endpoints.enable)


class DisableEndpoint(EndpointsBase):
    """POST tells an endpoint nothing for now."""

    @operation(
        "disable_webhook_endpoint",
        "Disable a webhook endpoint",
        tag="webhook-endpoints",
        body=ReasonInput,
        example={"reason": "The receiver moves house."},
        answers={200: Answered(ENDPOINT, "It is disabled.", ENDPOINT.example(state="disabled"))},
        problems={409: "It is disabled already."},
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Tell it nothing until it is enabled; what waits for it is skipped."""
        return self.carry_out(endpoint_id, endpoints.disable)


class EndpointDeliveries(EndpointsBase):
    """GET lists what an endpoint was told."""

    @operation(
        "list_webhook_deliveries",
        "List a webhook endpoint's deliveries, newest first",
        tag="webhook-endpoints",
        query=[*(one for one in DELIVERY_FILTERS if one.name != "channel"), *PAGED],
        answers={200: DELIVERIES},
    )
    def get(self, request: Request, endpoint_id: str) -> Response:
        """Return one page, narrowed by what the query says."""
        endpoint = _endpoint_of(self.enter(), endpoint_id)
        return paged(
            self, request, narrowed(endpoints.deliveries_of(endpoint), request.query_params)
        )


class ReplayEndpoint(EndpointsBase):
    """POST makes lost deliveries again."""

    @operation(
        "replay_webhook_deliveries",
        "Make a webhook endpoint's lost deliveries again",
        tag="webhook-endpoints",
        body=ReplayInput,
        example={"since": "2026-11-25T00:00:00Z", "reason": "The receiver was down."},
        answers={200: REPLAYED},
        problems=DISABLED,
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Make all that failed or was skipped since an instant due at once, under its webhook-id.

        The oldest 10,000 at once: repeat it when there were more.
        """
        wish = self.read(ReplayInput)
        access = self.enter()
        endpoint = _endpoint_of(access, endpoint_id)
        with transaction.atomic():
            count = endpoints.replay_failed(
                endpoint, since=wish["since"], actor=access.actor, reason=wish["reason"]
            )
            return self.answer({"replayed": count})


def endpoint_json(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Return an endpoint without anything secret."""
    until = endpoint.previous_until
    return {
        "id": str(endpoint.pk),
        "url": endpoint.url,
        "description": endpoint.description,
        "events": endpoint.events,
        "state": endpoint.state,
        "disabled_at": instant(endpoint.disabled_at),
        "disabled_reason": endpoint.disabled_reason or None,
        "failing_since": instant(endpoint.failing_since),
        "last_success_at": instant(endpoint.last_success_at),
        "last_failure_at": instant(endpoint.last_failure_at),
        "last_failure": endpoint.last_failure or None,
        "previous_secret_valid_until": instant(until if until and until > timezone.now() else None),
        "created_by": endpoint.created_by.get_username() if endpoint.created_by else None,
        "created_at": instant(endpoint.created_at),
    }


def endpoint_tag(endpoint: WebhookEndpoint) -> str:
    """Return an endpoint's ETag; how its deliveries fare is part of what is shown."""
    return tag_of(
        endpoint.pk,
        endpoint.version,
        endpoint.failing_since,
        endpoint.last_success_at,
        endpoint.last_failure_at,
    )


@contextmanager
def _told_as_problems() -> Iterator[None]:
    try:
        yield
    except endpoints.BadEndpoint as error:
        raise invalid(error.field, "invalid", str(error)) from None


def _answered_once(view: ApiView, endpoint: WebhookEndpoint, secret: str, status: int) -> Response:
    """Return the answer with the secret; the one that is kept for repeats lacks it."""
    response = view.answer({**endpoint_json(endpoint), "secret": None}, status)
    response.data = {**endpoint_json(endpoint), "secret": secret}
    return response


def _endpoint_of(access: Access, endpoint_id: str) -> WebhookEndpoint:
    key = as_uuid(endpoint_id)
    rows = WebhookEndpoint.objects.filter(workspace=access.workspace).select_related("created_by")
    found = rows.filter(pk=key).first() if key else None
    if found is None:
        raise unknown("endpoint_id", "webhook endpoint")
    return found
