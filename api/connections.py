"""Connected accounts over the API: how each is, and what people can do with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import ApiView
from api.connection_answers import (
    CHECKED,
    CONNECTION_FULL,
    CONNECTION_LINE,
    DISCONNECTED,
    check_json,
    connection_full_json,
    connection_line_json,
)
from api.filters import platform_slug
from api.pages import PAGED, Pages
from api.posts import connection_of
from api.problems import invalid
from api.schema import Answered, Parameter, operation
from api.serializers import ReasonInput
from api.shapes import among, listed, page_of, text
from platforms import services
from platforms.models import ConnectionState, SocialConnection
from scheduling.account_checks import check_account
from scheduling.disconnecting import disconnect_account

WRONG_STATE = {409: "The account's state does not allow it: `detail` says why."}
CONNECTION_FILTERS = (
    Parameter("platform", text("Of this network, by any of its names.", "mastodon")),
    Parameter(
        "state",
        listed(
            among(ConnectionState.values, "A state."),
            "In any of these states.",
            ["needs_reconnect"],
        ),
    ),
)


def _shown(state: str) -> Any:
    return CONNECTION_FULL.example(state=state)


class ConnectionsView(ApiView):
    """GET lists the workspace's connected accounts."""

    read_scope = "connections:read"

    @operation(
        "list_connections",
        "List connected accounts, newest first",
        tag="connections",
        query=[*CONNECTION_FILTERS, *PAGED],
        answers={200: page_of(CONNECTION_LINE, "connections")},
    )
    def get(self, request: Request) -> Response:
        """Return one page of the workspace's accounts, never with their credentials."""
        access = self.enter()
        connections = SocialConnection.objects.filter(workspace=access.workspace)
        pages = Pages()
        found = pages.paginate_queryset(
            _narrowed(connections, request.query_params), request, view=self
        )
        return pages.get_paginated_response([connection_line_json(c) for c in found or ()])


class ConnectionView(ApiView):
    """GET shows one account: health, token, limits, what lately became of its posts."""

    read_scope = "connections:read"

    @operation(
        "get_connection",
        "Look at a connected account",
        tag="connections",
        answers={200: CONNECTION_FULL},
    )
    def get(self, request: Request, connection_id: str) -> Response:
        """Return how the account is, in words, and what lately became of its posts."""
        return Response(
            connection_full_json(connection_of(self.enter(), connection_id, "connection_id"))
        )


class ConnectionAction(ApiView):
    """POST carries out one action on one account and shows it as it then is."""

    write_scope = "connections:write"

    def carry_out(self, connection_id: str, service: Callable[..., SocialConnection]) -> Response:
        """Call `service`; 409 when the account's state does not allow it."""
        reason = self.read(ReasonInput)["reason"]
        access = self.enter()
        connection = connection_of(access, connection_id, "connection_id")
        with transaction.atomic():
            changed = service(connection, actor=access.actor, reason=reason)
            return self.answer(connection_full_json(changed))


class PauseConnection(ConnectionAction):
    """Stop sending to an account for now."""

    @operation(
        "pause_connection",
        "Stop sending to an account for now",
        tag="connections",
        body=ReasonInput,
        example={"reason": "The campaign rests over the holidays."},
        answers={200: Answered(CONNECTION_FULL, "It is paused.", _shown("paused"))},
        problems=WRONG_STATE,
    )
    def post(self, request: Request, connection_id: str) -> Response:
        """Pause an active account: its posts wait until it is resumed."""
        return self.carry_out(connection_id, services.pause)


class ResumeConnection(ConnectionAction):
    """Send to a paused account again."""

    @operation(
        "resume_connection",
        "Send to a paused account again",
        tag="connections",
        body=ReasonInput,
        example={"reason": "Back to work."},
        answers={200: Answered(CONNECTION_FULL, "It is active.")},
        problems=WRONG_STATE,
    )
    def post(self, request: Request, connection_id: str) -> Response:
        """Resume a paused account; what waited goes out, unless it is too late by its policy."""
        return self.carry_out(connection_id, services.resume)


class DisconnectConnection(ApiView):
    """POST forgets an account's credentials for good, and asks its network to end them."""

    write_scope = "connections:write"

    @operation(
        "disconnect_connection",
        "Disconnect an account",
        tag="connections",
        body=ReasonInput,
        example={"reason": "The account was sold."},
        answers={200: Answered(DISCONNECTED, "Its credentials are deleted here.")},
        problems=WRONG_STATE,
    )
    def post(self, request: Request, connection_id: str) -> Response:
        """Forget the account's credentials, then ask its network to end them (at most 15 s).

        `note` tells what the owner may still do there. Its posts wait; connecting the account
        again lets them go on.
        """
        reason = self.read(ReasonInput)["reason"]
        access = self.enter()
        connection = connection_of(access, connection_id, "connection_id")
        note = disconnect_account(connection, actor=access.actor, reason=reason)
        connection.refresh_from_db()
        return self.answer({**connection_full_json(connection), "note": note or None})


class CheckConnection(ApiView):
    """POST asks the network now whether an account works."""

    write_scope = "connections:write"

    @operation(
        "check_connection",
        "Ask the network whether an account works",
        tag="connections",
        body=ReasonInput,
        example={"reason": "A reader says that posts are missing."},
        answers={200: CHECKED},
        problems=WRONG_STATE,
    )
    def post(self, request: Request, connection_id: str) -> Response:
        """Make one read-only call now (at most 15 s), unless a limit forbids it.

        A refused token is renewed where that is possible, else the account waits for its owner,
        as if a post had been refused.
        """
        reason = self.read(ReasonInput)["reason"]
        access = self.enter()
        connection = connection_of(access, connection_id, "connection_id")
        found = check_account(connection, actor=access.actor, reason=reason)
        connection.refresh_from_db()
        return self.answer({**connection_full_json(connection), "check": check_json(found)})


def _narrowed(
    connections: QuerySet[SocialConnection], query: Mapping[str, str]
) -> QuerySet[SocialConnection]:
    if platform := query.get("platform"):
        connections = connections.filter(platform=platform_slug(platform))
    if states := query.get("state"):
        names = [name.strip() for name in states.split(",")]
        if set(names) - set(ConnectionState.values):
            raise invalid("state", "unknown", f"States are {', '.join(ConnectionState.values)}.")
        connections = connections.filter(state__in=names)
    return connections
