"""A workspace's API keys over the API; a key's text stands in one answer and nowhere else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.access import Access
from accounts.keys import SCOPES
from accounts.models import ApiKey, Role
from api.base import ApiView, as_uuid
from api.fields import instant
from api.pages import Pages
from api.problems import unknown
from api.serializers import ReasonInput
from api.workspace_serializers import KeyInput, RotationInput


class KeysBase(ApiView):
    """Keys are the owners'; a key with the scope gives on no more than it has."""

    read_scope = "workspace:read"
    write_scope = "workspace:write"
    read_role = write_role = Role.OWNER
    scope_suffices = True


class KeysView(KeysBase):
    """GET lists the keys; POST issues one."""

    def get(self, request: Request) -> Response:
        """Return one page, newest first, those that are over too."""
        rows = ApiKey.objects.filter(workspace=self.enter().workspace).select_related("created_by")
        pages = Pages()
        found = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response([key_json(key) for key in found or ()])

    def post(self, request: Request) -> Response:
        """Issue a key: 201 with its text in `key`, shown this once."""
        wish = self.read(KeyInput)
        access = self.enter()
        days = wish.get("valid_days")
        with transaction.atomic():
            key, text = services.issue_api_key(
                workspace=access.workspace,
                name=wish["name"],
                scopes=wish["scopes"],
                valid_for=None if days is None else timedelta(days=days),
                actor=access.actor,
                created_by=access.user,
                issuer=self.caller.key,
            )
            return _answered_once(self, key, text, 201)


class KeyView(KeysBase):
    """GET shows one key."""

    def get(self, request: Request, key_id: str) -> Response:
        """Return the key, without its secret."""
        return Response(key_json(_key_of(self.enter(), key_id)))


class RotateKey(KeysBase):
    """POST gives a key a new secret; the one before stays good for a while."""

    def post(self, request: Request, key_id: str) -> Response:
        """Rotate: the new text in `key`, shown this once; `previous_valid_until` for the old."""
        wish = self.read(RotationInput)
        access = self.enter()
        key = _key_of(access, key_id)
        with transaction.atomic():
            key, text = services.rotate_api_key(
                key,
                overlap=timedelta(hours=wish["overlap_hours"]),
                actor=access.actor,
                reason=wish["reason"],
                issuer=self.caller.key,
            )
            return _answered_once(self, key, text, 200)


class RevokeKey(KeysBase):
    """POST ends a key at once."""

    def post(self, request: Request, key_id: str) -> Response:
        """Revoke it; one that is revoked stays so."""
        reason = self.read(ReasonInput)["reason"]
        access = self.enter()
        key = _key_of(access, key_id)
        with transaction.atomic():
            revoked = services.revoke_api_key(
                key, actor=access.actor, reason=reason, issuer=self.caller.key
            )
            return self.answer(key_json(revoked))


def key_json(key: ApiKey) -> dict[str, Any]:
    """Return a key without anything secret; `scopes` are spelt out."""
    now = timezone.now()
    is_over = key.expires_at is not None and key.expires_at <= now
    overlaps = key.previous_until is not None and key.previous_until > now
    return {
        "id": str(key.pk),
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes or SCOPES),
        "condition": "revoked" if key.revoked_at else "expired" if is_over else "valid",
        "expires_at": instant(key.expires_at),
        "previous_valid_until": instant(key.previous_until) if overlaps else None,
        "last_used_at": instant(key.last_used_at),
        "revoked_at": instant(key.revoked_at),
        "created_by": key.created_by.get_username() if key.created_by else None,
        "created_at": instant(key.created_at),
    }


def _answered_once(view: ApiView, key: ApiKey, text: str, status: int) -> Response:
    """Return the answer with the key's text; the one that is kept for repeats lacks it."""
    response = view.answer({**key_json(key), "key": None}, status)
    response.data = {**key_json(key), "key": text}
    return response


def _key_of(access: Access, key_id: str) -> ApiKey:
    pk = as_uuid(key_id)
    rows = ApiKey.objects.select_related("created_by", "workspace")
    found = rows.filter(workspace=access.workspace, pk=pk).first() if pk else None
    if found is None:
        raise unknown("id", "API key")
    return found
