"""Connected accounts over the API: how each is, and what people can do with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access
from api.base import ApiView
from api.fields import instant
from api.filters import platform_slug
from api.pages import Pages
from api.posts import connection_of
from api.problems import invalid
from api.representations import Json, connection_json
from api.serializers import ReasonInput
from platforms import services
from platforms.health import health_of
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import adapter_for
from scheduling.account_checks import check_account
from scheduling.activity import activity_of
from scheduling.disconnecting import disconnect_account

TONES = {"good": "good", "warn": "warning", "bad": "bad", "muted": "off"}


class ConnectionsView(ApiView):
    """GET lists the workspace's connected accounts."""

    read_scope = "connections:read"

    def get(self, request: Request) -> Response:
        """Return one page, newest first; `platform` and `state` (several with commas) narrow it."""
        access = self.enter()
        connections = SocialConnection.objects.filter(workspace=access.workspace)
        pages = Pages()
        found = pages.paginate_queryset(
            _narrowed(connections, request.query_params), request, view=self
        )
        return pages.get_paginated_response([_with_health(c) for c in found or ()])


class ConnectionView(ApiView):
    """GET shows one account: health, token, limits, what lately became of its posts."""

    read_scope = "connections:read"

    def get(self, request: Request, connection_id: str) -> Response:
        """Return the account in full."""
        return Response(_in_full(connection_of(self.enter(), connection_id, "id")))


class ConnectionAction(ApiView):
    """POST carries out one action on one account and shows it as it then is."""

    write_scope = "connections:write"

    def post(self, request: Request, connection_id: str) -> Response:
        """Do it; 409 when the account's state does not allow it."""
        reason = self.read(ReasonInput)["reason"]
        access = self.enter()
        connection = connection_of(access, connection_id, "id")
        with transaction.atomic():
            self.act(connection, access, reason)
            return self.answer(_in_full(connection))

    def act(self, connection: SocialConnection, access: Access, reason: str) -> None:
        """Call the service."""
        raise NotImplementedError


class PauseConnection(ConnectionAction):
    """Stop sending to an account for now."""

    def act(self, connection: SocialConnection, access: Access, reason: str) -> None:
        """Pause."""
        services.pause(connection, actor=access.actor, reason=reason)


class ResumeConnection(ConnectionAction):
    """Send to a paused account again."""

    def act(self, connection: SocialConnection, access: Access, reason: str) -> None:
        """Resume."""
        services.resume(connection, actor=access.actor, reason=reason)


class DisconnectConnection(ApiView):
    """POST forgets an account's credentials for good, and asks its network to end them."""

    write_scope = "connections:write"

    def post(self, request: Request, connection_id: str) -> Response:
        """Do it (a call of at most 15 s, so outside of any transaction); `note` is what remains."""
        reason = self.read(ReasonInput)["reason"]
        access = self.enter()
        connection = connection_of(access, connection_id, "id")
        note = disconnect_account(connection, actor=access.actor, reason=reason)
        connection.refresh_from_db()
        return self.answer({**_in_full(connection), "note": note or None})


class CheckConnection(ApiView):
    """POST asks the network now whether an account works."""

    write_scope = "connections:write"

    def post(self, request: Request, connection_id: str) -> Response:
        """Ask (at most 15 s); return what was found, and the account as it then is."""
        access = self.enter()
        connection = connection_of(access, connection_id, "id")
        found = check_account(connection, actor=access.actor)
        connection.refresh_from_db()
        check = {
            "finding": found.finding,
            "message": found.sentence,
            "category": found.category or None,
            "ask_again_at": instant(found.again_at),
        }
        return self.answer({**_in_full(connection), "check": check})


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


def _with_health(connection: SocialConnection) -> Json:
    """Return an account with how it is, in words."""
    health = health_of(connection, now=timezone.now())
    return {
        **connection_json(connection),
        "health": {
            "status": TONES[health.tone],
            "word": health.word,
            "message": " ".join(health.sentences),
        },
    }


def _in_full(connection: SocialConnection) -> Json:
    """Return an account with what is known of its posts, its token and its limits."""
    activity = activity_of(connection)
    failure = activity.last_failure
    return {
        **_with_health(connection),
        "token": {
            "expires_at": instant(connection.expires_at),
            "refresh_expires_at": instant(connection.refresh_expires_at),
            "refresh_failing_since": instant(connection.refresh_failing_since),
        },
        "network_limits": _limits(connection),
        "last_success_at": instant(activity.last_success_at),
        "last_failure": failure
        and {
            "at": instant(failure.at),
            "post": str(failure.post_id),
            "category": failure.category,
            "message": failure.message,
        },
        "last_check_at": instant(activity.last_check_at),
        "posts_waiting": activity.posts_waiting,
    }


def _limits(connection: SocialConnection) -> dict[str, int]:
    """Return what a post of this account may hold: the network's limits under its own."""
    limits = asdict(adapter_for(connection.platform).limits)
    numbers = {name: value for name, value in limits.items() if type(value) is int}
    return {**numbers, **connection.limits}
