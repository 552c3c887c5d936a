"""What all views of the API share: who calls, where they may act, problems, idempotency."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, cast

from django.db.models import Model
from rest_framework.exceptions import APIException, NotAuthenticated
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts.access import Access, Caller, resolve
from accounts.authentication import BrowserAuthentication, TokenAuthentication
from accounts.models import Role
from api import idempotency, throttles
from api.conditions import ETAG, IF_MATCH, IF_NONE_MATCH, is_known, matches
from api.parsers import StrictJSONParser
from api.problems import Problem, unknown
from api.schema import operation_of
from engine.lookups import at_most_one
from scheduling.drafts import FieldError
from scheduling.models import ScheduledPost

Row = TypeVar("Row", bound=Model)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
WORKSPACE_HEADER = "X-Workspace"


class ApiView(APIView):
    """Subclasses read the body, `enter` the workspace, call a service, and `answer`."""

    authentication_classes = (TokenAuthentication, BrowserAuthentication)
    permission_classes = ()
    parser_classes: ClassVar[tuple[type[BaseParser], ...]] = (StrictJSONParser,)  # type: ignore[misc]
    renderer_classes: ClassVar[tuple[type[BaseRenderer], ...]] = (JSONRenderer,)  # type: ignore[misc]
    read_scope = "posts:read"  # "" lets every key in
    write_scope = "posts:write"
    read_role = Role.VIEWER
    write_role = Role.EDITOR
    scope_suffices = False  # whether a key with the scope needs no role: owners gave it that scope
    claim: idempotency.Claim | None = None
    budget: throttles.Budget | None = None

    @property
    def caller(self) -> Caller:
        """Return who calls."""
        return cast("Caller", self.request.auth)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, count and compare scopes before anything else is looked at."""
        self._spend(request)
        _ = request.body  # kept for the fingerprint; also refuses bodies that are too large
        super().initial(request, *args, **kwargs)
        scope = self.read_scope if request.method in SAFE else self.write_scope
        if scope and not self.caller.has_scope(scope):
            raise Problem(403, "scope_missing", f"This API key lacks the scope {scope}.")
        self._check_query(request)

    def _spend(self, request: Request) -> None:
        """Find out who calls and take this request from their budget."""
        try:
            self.perform_authentication(request)
            if not isinstance(request.auth, Caller):
                raise NotAuthenticated
        except APIException:
            self.budget = throttles.spend(request, None)
            if self.budget:
                self.budget.require()
            raise
        self.budget = throttles.spend(request, request.auth)
        if self.budget:
            self.budget.require()

    def _check_query(self, request: Request) -> None:
        """Refuse parameters that the operation does not know, and those without a value.

        A filter that is misspelt, or whose value got lost, would filter nothing.
        """
        told = operation_of(getattr(self, str(request.method).lower(), None))
        if told is None or not (query := request.query_params):
            return
        known = ", ".join(sorted(told.query_names)) or "none"
        unknown_name = f"There is no such query parameter here; there are: {known}."
        errors = [
            FieldError(name, "unknown_parameter", unknown_name)
            for name in sorted(set(query) - told.query_names)
        ]
        errors += [
            FieldError(name, "empty", f"Give {name} a value, or leave it out.")
            for name in sorted(told.query_names & set(query))
            if not query[name]
        ]
        if errors:
            raise Problem(422, "invalid", errors[0].message, errors=errors)

    @property
    def names_workspace(self) -> bool:
        """Say whether the request's header names a workspace."""
        return bool(self.request.headers.get(WORKSPACE_HEADER))

    def enter(self, *, org_id: str = "", user_id: str = "", named: str = "") -> Access:
        """Return where this request acts, its role checked, and claim its Idempotency-Key."""
        named = named or self.request.headers.get(WORKSPACE_HEADER, "")
        access = resolve(self.caller, org_id=org_id, user_id=user_id, named=named)
        needed = self.read_role if self.request.method in SAFE else self.write_role
        if not access.may(needed) and not (self.scope_suffices and self.caller.is_key):
            raise Problem(
                403, "role_missing", f"Your role here is {access.role}; this takes {needed.value}."
            )
        if self.request.method == "POST":
            self.claim = idempotency.begin(self.request, access.workspace)
        return access

    def read(self, serializer: type[Serializer[Any]]) -> dict[str, Any]:
        """Return the validated body; raises ValidationError."""
        data = self.request.data
        body = serializer(data=data if data or not isinstance(data, Mapping) else {})
        body.is_valid(raise_exception=True)
        validated: dict[str, Any] = body.validated_data
        return validated

    def answer(self, body: Any, status: int = 200, *, tag: str = "") -> Response:
        """Return the answer, kept under the request's Idempotency-Key in the open transaction.

        `tag` is the ETag of what is shown; see `conditions`.
        """
        response = Response(body, status=status, headers={ETAG: tag} if tag else None)
        if self.claim is not None and not self.claim.keep(response):
            raise Problem(409, "idempotency_key_lost", "Another request took this key over.")
        return response

    def unchanged(self, tag: str) -> Response | None:
        """Return 304 when If-None-Match names `tag`, else None: the caller shows the rest."""
        if is_known(self.request.headers.get(IF_NONE_MATCH, ""), tag):
            return Response(status=304, headers={ETAG: tag})
        return None

    def require_match(self, row: Row, tag_of_row: Callable[[Row], str]) -> None:
        """Raise Problem 412 unless the row, locked, is as If-Match (if sent) says.

        Call it in the transaction of the change: nobody can change the row in between.
        """
        wanted = self.request.headers.get(IF_MATCH)
        if wanted is None:
            return
        rows = type(row)._default_manager  # noqa: SLF001 - Django's own name
        tag = tag_of_row(rows.select_for_update(of=("self",)).get(pk=row.pk))
        if not matches(wanted, tag):
            raise Problem(
                412,
                "precondition_failed",
                "It has changed since you read it (If-Match): read it again and decide anew.",
                headers={ETAG: tag},
            )

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Tell what is left of the caller's budget, whatever the answer is."""
        final = super().finalize_response(request, response, *args, **kwargs)
        if self.budget is not None:
            for name, value in self.budget.headers().items():
                final[name] = value
        return final

    def handle_exception(self, exc: Exception) -> Response:
        """Answer a replay with what was said before, everything else with a problem."""
        if isinstance(exc, idempotency.Replay):
            return exc.response
        response = super().handle_exception(exc)
        if self.claim is not None:
            if response.status_code >= 500:
                self.claim.forget()
            else:
                self.claim.keep(response)
        return response


def post_of(access: Access, post_id: str) -> ScheduledPost:
    """Return a post of the workspace with its account; raises Problem 404."""
    return found_post(ScheduledPost.objects.filter(workspace=access.workspace), post_id)


def found_post(posts: Any, post_id: str) -> ScheduledPost:
    """Return the post with this id among `posts`; raises Problem 404."""
    key = as_uuid(post_id)
    whole = posts.select_related("connection", "workspace", "created_by")
    post: ScheduledPost | None = at_most_one(whole.filter(pk=key)) if key else None
    if post is None:
        raise unknown("id", "post")
    return post


def as_uuid(text: str) -> uuid.UUID | None:
    """Return `text` as a UUID, or None when it is none."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
