"""What the networks allow right now, over the API: the workspace's accounts and what they share."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Role
from api.base import ApiView
from api.fields import instant
from api.pages import PAGED, Pages
from api.problems import Problem, unknown
from api.representations import Json
from api.schema import operation
from api.serializers import ReasonInput
from api.shapes import Shape, flag, identifier, moment, one_of, or_null, page_of, text, whole
from engine.models import RateLimitState
from scheduling.limits import account_names, limits_of, own_limit
from scheduling.operations import clear_limit

Scope = RateLimitState.Scope
MOST_DIGITS = 18  # of an id that the database can compare

LIMIT = Shape(
    "RateLimit",
    "What one bucket of calls still allows.",
    id=whole("Its id.", 17),
    scope=one_of(Scope, "Whose it is: an account's, the application's, or a host's.", "connection"),
    connection=or_null(identifier("Which account, if it is one's.")),
    account=or_null(text("What that account is called.", "acme")),
    platform=or_null(text("Of which network.", "x")),
    host=or_null(text("Of which host, if it is a host's.", "mastodon.example"), None),
    bucket=text("Which kind of calls; all: every kind.", "publish"),
    limit=or_null(whole("How many calls a window has.", 100)),
    remaining=or_null(whole("How many are left; null: not known.", 12)),
    resets_at=or_null(moment("When the window ends.")),
    blocked_until=or_null(moment("No call starts before."), None),
    reason=or_null(text("Why, in the network's words; own accounts only.", "Slow down."), None),
    breaker=one_of(RateLimitState.Breaker, "The circuit breaker."),
    open_until=or_null(moment("When one call tries whether it is well again."), None),
    spacing_ms=whole("Kept between the starts of two calls, in milliseconds.", 0),
    is_holding=flag("Whether calls wait because of it now."),
    updated_at=moment("When this was last learnt."),
)


class LimitsView(ApiView):
    """GET lists the rate limits that concern the workspace."""

    read_scope = "limits:read"

    @operation(
        "list_rate_limits",
        "List rate limits in force, latest first",
        tag="rate-limits",
        query=PAGED,
        answers={200: page_of(LIMIT, "rate limits")},
    )
    def get(self, request: Request) -> Response:
        """Return one page: the workspace's accounts, and the apps and hosts that these use."""
        access = self.enter()
        pages = Pages()
        found = pages.paginate_queryset(limits_of(access.workspace), request, view=self) or []
        names = account_names(found, access.workspace)
        return pages.get_paginated_response(
            [limit_json(state, names.get(state.key)) for state in found]
        )


class ClearLimit(ApiView):
    """POST forgets what an account's bucket was refused."""

    write_scope = "workspace:write"
    write_role = Role.OWNER
    scope_suffices = True

    @operation(
        "clear_rate_limit",
        "Forget an account's rate limit",
        tag="rate-limits",
        body=ReasonInput,
        example={"reason": "The network lifted it by hand."},
        answers={200: LIMIT},
    )
    def post(self, request: Request, limit_id: str) -> Response:
        """Forget block, breaker and spacing of an account's bucket; slots notice within a second.

        If the network still refuses, the next call's answer writes the block anew. Limits of apps
        and hosts concern other workspaces too: staff clear those.
        """
        reason = self.read(ReasonInput)["reason"]
        access = self.enter()
        known = limit_id.isascii() and limit_id.isdigit() and len(limit_id) <= MOST_DIGITS
        state = own_limit(access.workspace, int(limit_id)) if known else None
        if state is None:
            raise unknown("limit_id", "rate limit")
        if state.scope != Scope.CONNECTION:
            raise Problem(
                403,
                "staff_only",
                "This limit is shared with other workspaces: ask the installation's staff.",
            )
        with transaction.atomic():
            clear_limit(state.pk, actor=access.actor, reason=reason, workspace=access.workspace)
            state.refresh_from_db()
            names = account_names([state], access.workspace)
            return self.answer(limit_json(state, names.get(state.key)))


def limit_json(state: RateLimitState, account: str | None) -> Json:
    """Return a state; what is shared carries no reason, for it may speak of another's account."""
    is_own = state.scope == Scope.CONNECTION
    now = timezone.now()
    used_up = state.remaining is not None and state.remaining <= 0
    until = (state.blocked_until, state.open_until, state.resets_at if used_up else None)
    return {
        "id": state.pk,
        "scope": state.scope,
        "connection": state.key if is_own else None,
        "account": account,
        "platform": state.platform or (state.key if state.scope == Scope.APP else None),
        "host": state.key if state.scope == Scope.HOST else None,
        "bucket": state.bucket,
        "limit": state.limit,
        "remaining": state.remaining,
        "resets_at": instant(state.resets_at),
        "blocked_until": instant(state.blocked_until),
        "reason": (state.reason or None) if is_own else None,
        "breaker": state.breaker,
        "open_until": instant(state.open_until),
        "spacing_ms": state.spacing_ms,
        "is_holding": any(at is not None and at > now for at in until),
        "updated_at": instant(state.updated_at),
    }
