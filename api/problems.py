"""Every error of the API is a problem document (RFC 9457), whatever went wrong and wherever."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, RequestDataTooBig
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from accounts.access import NoAccess, UnknownWorkspace, WorkspaceNotNamed
from accounts.members import LastOwner
from accounts.services import AccountError, BeyondOwnRights
from api.field_errors import flatten, is_malformed
from api.shapes import Shape, listed, text, whole
from engine.states import IllegalTransition
from scheduling.drafts import FieldError
from scheduling.rules import Invalid

MEDIA_TYPE = "application/problem+json"
FIELD_ERROR = Shape(
    "FieldError",
    "What is wrong with one field of the request.",
    field=text("Where: `segments[0].text`, a header, or empty for the whole.", "scheduled_at"),
    code=text("A stable word for programs.", "naive_datetime"),
    message=text("What is wrong and what to do, for people.", "Give the moment with its offset."),
)
PROBLEM = Shape(
    "Problem",
    "Every error (RFC 9457).",
    type=text("The code as a URN.", "urn:carillon:problem:invalid"),
    title=text("The status in words.", "Unprocessable Entity"),
    status=whole("The HTTP status.", 422),
    detail=text("What is wrong and what to do, for people.", "Give the moment with its offset."),
    code=text("A stable word for programs.", "invalid"),
    errors=listed(FIELD_ERROR, "What is wrong field by field; may be empty."),
    instance=text("The path that was asked.", "/api/v1/posts"),
)
log = logging.getLogger(__name__)


class Problem(Exception):
    """An error a view raises on purpose: HTTP status, stable code, sentence with the remedy."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def body(self, instance: str) -> dict[str, Any]:
        """Return the document; `instance` is the path that was asked."""
        return {
            "type": f"urn:carillon:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "errors": [
                {"field": e.field, "code": e.code, "message": e.message} for e in self.errors
            ],
            "instance": instance,
        }


def unknown(field: str, what: str, remedy: str = "") -> Problem:
    """Return 404 for an id in the request that leads to nothing this caller may see."""
    message = f"There is no such {what} in this workspace" + (f": {remedy}." if remedy else ".")
    return Problem(404, "not_found", message, errors=[FieldError(field, "unknown", message)])


def invalid(field: str, code: str, message: str) -> Problem:
    """Return 422 for one field."""
    return Problem(422, "invalid", message, errors=[FieldError(field, code, message)])


@contextmanager
def naming(names: Mapping[str, str]) -> Iterator[None]:
    """Call fields by the caller's names in errors of the services: {beginning: what to say}."""
    try:
        yield
    except Invalid as error:
        raise Invalid([_renamed(found, names) for found in error.errors]) from None


def _renamed(error: FieldError, names: Mapping[str, str]) -> FieldError:
    for ours, theirs in names.items():
        if error.field.startswith(ours):
            return replace(error, field=theirs + error.field.removeprefix(ours))
    return error


def problem_response(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Answer any exception of an API view (REST_FRAMEWORK's EXCEPTION_HANDLER)."""
    found = as_problem(exc)
    if found is None:
        log.error("api.failed", exc_info=exc)
        found = Problem(
            500, "internal_error", "Something went wrong here; it was logged. Try again later."
        )
    set_rollback()
    request = context.get("request")
    path = request.path if request is not None else ""
    return Response(
        found.body(path), status=found.status, headers=found.headers, content_type=MEDIA_TYPE
    )


def as_problem(exc: Exception) -> Problem | None:
    """Return what an exception means to the caller, or None when it is our fault."""
    match exc:
        case Problem():
            return exc
        case Invalid():
            return Problem(422, "invalid", str(exc), errors=exc.errors)
        case IllegalTransition():
            return Problem(409, getattr(exc, "code", "illegal_transition"), str(exc))
        case AccountError():
            return _of_account(exc)
        case NoAccess() | WorkspaceNotNamed() | UnknownWorkspace():
            return _of_access(exc)
        case RequestDataTooBig():
            return Problem(413, "too_large", "The body is too large.")
        case Http404() | ObjectDoesNotExist():
            return Problem(404, "not_found", "There is nothing at this address.")
        case DjangoPermissionDenied():
            return Problem(403, "forbidden", "You may not do this.")
        case exceptions.ValidationError():
            return _of_validation(exc)
        case exceptions.APIException():
            return _of_framework(exc)
    return None


def _of_account(exc: AccountError) -> Problem:
    status, code = 422, "invalid"
    if isinstance(exc, BeyondOwnRights):
        status, code = 403, "beyond_own_rights"
    elif isinstance(exc, LastOwner):
        status, code = 409, "last_owner"
    where = [FieldError(exc.field, code, str(exc))] if exc.field else []
    return Problem(status, code, str(exc), errors=where)


def _of_access(exc: NoAccess | WorkspaceNotNamed | UnknownWorkspace) -> Problem:
    match exc:
        case NoAccess():
            where = FieldError(exc.field, exc.code, str(exc))
            return Problem(403, exc.code, str(exc), errors=[where])
        case WorkspaceNotNamed():
            return Problem(
                400,
                "workspace_not_named",
                "Say which workspace: send X-Workspace with its slug or id.",
            )
        case UnknownWorkspace():
            return Problem(404, "not_found", "There is no such workspace, or you are not in it.")


def _of_validation(exc: exceptions.ValidationError) -> Problem:
    errors = flatten(exc.detail)
    detail = "; ".join(f"{e.field}: {e.message}" if e.field else e.message for e in errors)
    if is_malformed(errors):
        return Problem(400, "malformed", detail, errors=errors)
    return Problem(422, "invalid", detail, errors=errors)


def _of_framework(exc: exceptions.APIException) -> Problem:
    headers = {}
    if header := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = header
    code = exc.get_codes()
    detail = str(exc.detail)
    match exc:
        case exceptions.ParseError():
            code = "malformed"
        case exceptions.NotAuthenticated():
            detail = (
                "Prove who you are: send `Authorization: Bearer <API key or token>` or `X-API-Key`."
            )
        case exceptions.UnsupportedMediaType():
            code, detail = "unsupported_media_type", "Send JSON, as Content-Type: application/json."
        case exceptions.NotAcceptable():
            code, detail = "not_acceptable", "Answers are JSON: accept application/json."
    return Problem(exc.status_code, str(code), detail, headers=headers)


# --- outside of API views -------------------------------------------------------------------


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer Django's own 404: a problem under /api/, the usual page elsewhere."""
    if not is_api(request):
        return defaults.page_not_found(request, exception)
    return _plain(request, Problem(404, "not_found", "There is nothing at this address."))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer Django's own 500: a problem under /api/, the usual page elsewhere."""
    if not is_api(request):
        return defaults.server_error(request)
    return _plain(request, Problem(500, "internal_error", "Something went wrong here."))


def is_api(request: HttpRequest) -> bool:
    """Say whether this address belongs to the API."""
    return request.path.startswith("/api/")


def _plain(request: HttpRequest, found: Problem) -> HttpResponse:
    return JsonResponse(found.body(request.path), status=found.status, content_type=MEDIA_TYPE)
