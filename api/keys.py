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
from api.pages import PAGED, Pages
from api.problems import unknown
from api.schema import Answered, operation
from api.serializers import ReasonInput
from api.shapes import Shape, among, identifier, listed, moment, or_null, page_of, text
from api.workspace_serializers import KeyInput, RotationInput

_KEY = {
    "id": identifier("Its id."),
    "name": text("What it is for.", "newsroom"),
    "prefix": text("How its text begins, after crl_.", "0f3a91c2"),
    "scopes": listed(text("A scope.", "posts:read"), "What it may be used for."),
    "condition": among(["valid", "expired", "revoked"], "Whether it opens anything."),
    "expires_at": or_null(moment("When it ends; null: it does not."), None),
    "previous_valid_until": or_null(moment("Until when the secret before is good too."), None),
    "last_used_at": or_null(moment("When it was last used, to the minute.")),
    "revoked_at": or_null(moment("When it was revoked."), None),
    "created_by": or_null(text("Which person issued it.", "ada")),
    "created_at": moment("When it was issued."),
}
KEY = Shape("ApiKey", "A program's key.", **_KEY)
SHOWN_KEY = Shape(
    "ShownApiKey",
    "A key with its text, which no other answer shows.",
    **_KEY,
    key=or_null(text("The key itself; null when the request was repeated.", "crl_0f3a91c2_Zm9v")),
)


class KeysBase(ApiView):
    """Keys are the owners'; a key with the scope gives on no more than it has."""

    read_scope = "workspace:read"
    write_scope = "workspace:write"
    read_role = write_role = Role.OWNER
    scope_suffices = True


class KeysView(KeysBase):
    """GET lists the keys; POST issues one."""

    @operation(
        "list_api_keys",
        "List API keys, newest first",
        tag="api-keys",
        query=PAGED,
        answers={200: page_of(KEY, "API keys")},
    )
    def get(self, request: Request) -> Response:
        """Return one page, those that are over too; secrets are never shown again."""
        rows = ApiKey.objects.filter(workspace=self.enter().workspace).select_related("created_by")
        pages = Pages()
        found = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response([key_json(key) for key in found or ()])

    @operation(
        "issue_api_key",
        "Issue an API key",
        tag="api-keys",
        body=KeyInput,
        example={"name": "newsroom", "valid_days": 365},
        answers={201: SHOWN_KEY},
    )
    def post(self, request: Request) -> Response:
        """Issue a key; its text is in `key`, this once (a repeated request shows null).

        A key issues none with more scopes than its own, or with a longer life.
        """
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

    @operation("get_api_key", "Look at an API key", tag="api-keys", answers={200: KEY})
    def get(self, request: Request, key_id: str) -> Response:
        """Return the key, without its secret."""
        return Response(key_json(_key_of(self.enter(), key_id)))


class RotateKey(KeysBase):
    """POST gives a key a new secret; the one before stays good for a while."""

    @operation(
        "rotate_api_key",
        "Give an API key a new secret",
        tag="api-keys",
        body=RotationInput,
        example={"overlap_hours": 24, "reason": "Half-yearly."},
        answers={200: SHOWN_KEY},
    )
    def post(self, request: Request, key_id: str) -> Response:
        """Change the secret: the new text is in `key`, this once.

        The secret before is good as well until `previous_valid_until`; one before that ends now.
        """
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

    @operation(
        "revoke_api_key",
        "Revoke an API key",
        tag="api-keys",
        body=ReasonInput,
        example={"reason": "It stood in a public repository."},
        answers={
            200: Answered(KEY, "It opens nothing any more.", KEY.example(condition="revoked"))
        },
    )
    def post(self, request: Request, key_id: str) -> Response:
        """End the key at once and for good; one that is revoked stays so."""
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
        raise unknown("key_id", "API key")
    return found
