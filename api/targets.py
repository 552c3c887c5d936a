"""Which account a POST /schedule means: an existing connection, or the one a bare token opens."""

from __future__ import annotations

import math
from datetime import timedelta

from django.utils.crypto import salted_hmac

from accounts.access import Access
from api import memory
from api.posts import connection_of
from api.problems import Problem, invalid
from engine.errors import ErrorCategory, ServiceError
from platforms.models import ConnectionState, SocialConnection
from platforms.services import connect
from platforms.verification import verify_credentials

VERIFIED_FOR = timedelta(minutes=10)  # the same token for the next post costs no further call
ASK_AGAIN_SECONDS = 30
THEIR_FAULT = frozenset(
    {
        ErrorCategory.AUTH_ERROR,
        ErrorCategory.TOKEN_EXPIRED,
        ErrorCategory.PERMISSION,
        ErrorCategory.VALIDATION_ERROR,
    }
)


def target_of(
    access: Access, slug: str, *, connection_id: str = "", access_token: str = ""
) -> SocialConnection:
    """Return the connection to publish with; raises Problem.

    By id, by token, or the workspace's only active connection to that platform. A token is
    verified with its network (a call of at most 15 s, so never inside a transaction).
    """
    if connection_id:
        connection = connection_of(access, connection_id, "connection_id")
        if connection.platform != slug:
            raise invalid(
                "connection_id",
                "wrong_platform",
                f"This connection is an account of {connection.platform}, not {slug}.",
            )
        return connection
    if access_token:
        return _of_token(access, slug, access_token)
    return _only_one(access, slug)


def _only_one(access: Access, slug: str) -> SocialConnection:
    connections = SocialConnection.objects.filter(
        workspace=access.workspace, platform=slug, state=ConnectionState.ACTIVE
    )
    match list(connections[:2]):
        case [only]:
            return only
        case []:
            raise invalid(
                "connection_id",
                "required",
                f"No {slug} account is connected here: send its access_token, or connect it and "
                "send its connection_id.",
            )
        case _:
            raise invalid(
                "connection_id",
                "ambiguous",
                f"Several {slug} accounts are connected: say which (GET /api/v1/connections).",
            )


def _of_token(access: Access, slug: str, token: str) -> SocialConnection:
    seen_as = (
        "token:"
        + salted_hmac(
            "api.targets", f"{access.workspace.pk} {slug} {token}", algorithm="sha256"
        ).hexdigest()
    )
    known = memory.recall(seen_as)
    if known is not None:
        still_good = SocialConnection.objects.filter(
            pk=known[0], version=known[1], state=ConnectionState.ACTIVE
        ).first()
        if still_good is not None:
            return still_good
    try:
        account, credentials = verify_credentials(slug, {"access_token": token})
    except ServiceError as error:
        raise _refused(error) from None
    connection = connect(
        access.workspace, slug, credentials, account, access.user, actor=access.actor
    )
    memory.remember(seen_as, (connection.pk, connection.version), VERIFIED_FOR.total_seconds())
    return connection


def _refused(error: ServiceError) -> Problem:
    if error.category in THEIR_FAULT:
        return invalid(
            "access_token",
            f"token_{error.category}",
            f"The token was not accepted: {error.detail} Obtain a new one, or use a connection_id.",
        )
    wait = max(timedelta(seconds=1), error.retry_after or timedelta(seconds=ASK_AGAIN_SECONDS))
    return Problem(
        503,
        "platform_unavailable",
        f"The token could not be verified now: {error.detail} Try again later.",
        headers={"Retry-After": str(math.ceil(wait.total_seconds()))},
    )
