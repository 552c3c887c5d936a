"""The audit log over the API: who did what to what, and why; only ever read."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import AuditEvent, Role
from api.base import ApiView
from api.fields import instant, instant_of
from api.pages import PAGED, Pages
from api.problems import invalid
from api.representations import Json
from api.schema import Parameter, operation
from api.shapes import Shape, anything, identifier, moment, or_null, page_of, text

AUDIT_EVENT = Shape(
    "AuditEvent",
    "One thing that somebody did.",
    id=identifier("Its id."),
    at=moment("When."),
    actor=text("Who: a person, a key, the service or the system.", "user:ada"),
    action=text("What.", "post.cancelled"),
    target=text("To what.", "post:0199b7c2-6b1e-7c0a-9d5e-3f0a4c1b2d6e"),
    reason=or_null(text("Why, if they said.", "Postponed to next week.")),
    detail=anything("What else is known of it; never a secret.", {"role": "editor"}),
)
AUDIT_FILTERS = (
    Parameter("actor", text("By this actor.", "user:ada")),
    Parameter(
        "action", text("This action; `api_key.` with its dot: all of that noun.", "api_key.")
    ),
    Parameter("target", text("To this target.", "post:0199b7c2-6b1e-7c0a-9d5e-3f0a4c1b2d6e")),
    Parameter("from", moment("At this instant or later.")),
    Parameter("to", moment("Before this instant.")),
)


class AuditEventsView(ApiView):
    """GET lists what was done in the workspace."""

    read_scope = "audit:read"
    read_role = Role.OWNER
    scope_suffices = True

    @operation(
        "list_audit_events",
        "List audit events, newest first",
        tag="audit",
        query=[*AUDIT_FILTERS, *PAGED],
        answers={200: page_of(AUDIT_EVENT, "audit events")},
    )
    def get(self, request: Request) -> Response:
        """Return one page of the workspace's audit log, narrowed by what the query says."""
        events = AuditEvent.objects.filter(workspace=self.enter().workspace)
        pages = Pages()
        found = pages.paginate_queryset(_narrowed(events, request.query_params), request, view=self)
        return pages.get_paginated_response([event_json(event) for event in found or ()])


def event_json(event: AuditEvent) -> Json:
    """Return one event."""
    return {
        "id": str(event.pk),
        "at": instant(event.at),
        "actor": event.actor,
        "action": event.action,
        "target": event.target,
        "reason": event.reason or None,
        "detail": event.detail,
    }


def _narrowed(events: QuerySet[AuditEvent], query: Mapping[str, str]) -> QuerySet[AuditEvent]:
    for name in ("actor", "action", "target"):
        if "\x00" in query.get(name, ""):
            raise invalid(name, "invalid", "Texts must not contain the NUL character.")
    if actor := query.get("actor"):
        events = events.filter(actor=actor)
    if action := query.get("action"):
        is_noun = action.endswith(".")
        events = events.filter(**{"action__startswith" if is_noun else "action": action})
    if target := query.get("target"):
        events = events.filter(target=target)
    if since := query.get("from"):
        events = events.filter(at__gte=instant_of("from", since))
    if until := query.get("to"):
        events = events.filter(at__lt=instant_of("to", until))
    return events
