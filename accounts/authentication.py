"""How requests to the API prove who they are: API key, JSON Web Token, or a browser session."""

from __future__ import annotations

from typing import Any, NoReturn, cast

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.access import Caller
from accounts.keys import KeyRefused, authenticate_key, looks_like_key
from accounts.models import User
from accounts.second_factor import has_second_factor
from accounts.services import provision_member, provision_user, provision_workspace
from accounts.tokens import Claims, TokenRefused, is_service_token, read_token

REALM = 'Bearer realm="carillon"'


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key or JWT>`, `X-API-Key: <key>`; `X-Service-Token` beside a JWT."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Caller] | None:
        """Return the caller, None when nothing was presented; raises AuthenticationFailed."""
        service_token = request.headers.get("X-Service-Token")
        if service_token is not None and not is_service_token(service_token):
            _refuse("service_token_invalid", "X-Service-Token is not this service's SERVICE_TOKEN.")
        token = _presented(request)
        if not token:
            if service_token is not None:
                _refuse(
                    "token_missing",
                    "X-Service-Token needs a JSON Web Token beside it (Authorization: Bearer ...).",
                )
            return None
        caller = _caller(token, is_service=service_token is not None)
        return caller.user or AnonymousUser(), caller

    def authenticate_header(self, request: Request) -> str:
        """Return what 401 answers put into WWW-Authenticate."""
        return REALM


class BrowserAuthentication(SessionAuthentication):
    """People logged in to the admin or the site; unsafe methods need the CSRF token as usual."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Return the session's user as a caller, or None."""
        found = super().authenticate(request)
        if found is None:
            return None
        user = cast("User", found[0])
        if not user.is_verified() and has_second_factor(user):  # type: ignore[attr-defined]
            _refuse("second_factor_needed", "Finish logging in on the site: your code is missing.")
        return user, Caller(actor=f"user:{user.username}", user=user, is_browser=True)


def _presented(request: Request) -> str:
    """Return the key or token of the request, or ""."""
    if key := request.headers.get("X-API-Key", "").strip():
        if not looks_like_key(key):
            _refuse("key_unknown", "X-API-Key takes keys of the form crl_<prefix>_<secret>.")
        return key
    header = request.headers.get("Authorization", "")
    if not header:
        return ""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        _refuse("token_invalid", "Write it as `Authorization: Bearer <API key or token>`.")
    return token.strip()


def _caller(token: str, *, is_service: bool) -> Caller:
    try:
        if looks_like_key(token):
            key = authenticate_key(token)
            return Caller(
                actor=f"key:crl_{key.prefix}",
                workspace=key.workspace,
                scopes=frozenset(key.scopes),
                key=key,
            )
        claims = read_token(token)
    except (KeyRefused, TokenRefused) as refusal:
        _refuse(refusal.code, str(refusal))
    return _token_caller(claims, is_service=is_service)


def _token_caller(claims: Claims, *, is_service: bool) -> Caller:
    if not claims.user_id and not is_service:
        _refuse("token_invalid", "The token names nobody: issue it with sub or user_id.")
    user = provision_user(claims.user_id) if claims.user_id else None
    if user is not None and not user.is_active:
        _refuse("user_inactive", "This user was deactivated here: ask an administrator.")
    workspace = provision_workspace(claims.org_id) if claims.org_id else None
    if workspace is not None and user is not None:
        provision_member(workspace, user)
    actor = f"user:{user.username}" if user else "service"
    return Caller(actor=actor, user=user, workspace=workspace, is_service=is_service)


def _refuse(code: str, message: str) -> NoReturn:
    raise AuthenticationFailed(message, code=code)
