"""`Idempotency-Key`: the same request twice is carried out once and answered twice.

1. `begin` adds a row for (workspace, key) without an answer; a row that is there decides.
2. `keep` stores the answer. Views that create something call it inside the transaction of the
   creation, so that a crash leaves both or neither.
3. `forget` removes the row after a 5xx: nothing is remembered, the caller may try again.
A row without an answer belongs to a process that died once it is older than any request can be;
whoever takes it over gives it a new id, so that a late answer of the first finds no row.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import IdempotencyKey, Workspace
from api.conditions import IF_MATCH
from api.problems import MEDIA_TYPE, Problem, invalid
from engine.sql import add_unless_there
from scheduling.drafts import FieldError

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT = timedelta(hours=24)
LONGEST_REQUEST = timedelta(seconds=60)
MOST_CHARS = 255


class Replay(Exception):
    """This request was answered before; `response` is that answer."""

    def __init__(self, response: Response) -> None:
        super().__init__("replayed")
        self.response = response


@dataclass(slots=True)
class Claim:
    """The right to answer one key, held while the first request runs."""

    pk: uuid.UUID
    is_open: bool = True

    def keep(self, response: Response) -> bool:
        """Store an answer, once; False when another request has taken the key over."""
        if not self.is_open:
            return True
        self.is_open = False
        body = json.loads(JSONRenderer().render(response.data))
        kept = IdempotencyKey.objects.filter(pk=self.pk, status=None)
        return bool(kept.update(status=response.status_code, body=body))

    def forget(self) -> None:
        """Let the key be used again."""
        if self.is_open:
            self.is_open = False
            IdempotencyKey.objects.filter(pk=self.pk, status=None).delete()


def begin(request: Request, workspace: Workspace) -> Claim | None:
    """Claim the request's key, None when it carries none; raises Replay or Problem."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not 1 <= len(key) <= MOST_CHARS or not key.isprintable():
        raise invalid(HEADER, "bad_idempotency_key", f"Use 1 to {MOST_CHARS} printable characters.")
    asked = fingerprint(request)
    for _ in range(3):  # a row may end its life between our two looks at it
        row = IdempotencyKey(workspace=workspace, key=key, fingerprint=asked)
        if add_unless_there(row):
            return Claim(row.pk)
        row_there = IdempotencyKey.objects.filter(workspace=workspace, key=key).first()
        claim = row_there and _met(row_there, asked)
        if claim:
            return claim
    raise _still_running()


def fingerprint(request: Request) -> str:
    """Return the SHA-256 of what was asked: method, path with query, If-Match if sent, body."""
    condition = request.headers.get(IF_MATCH)
    head = f"{request.method} {request.get_full_path()}\n"
    asked = head if condition is None else f"{head}{IF_MATCH}: {condition}\n"
    return hashlib.sha256(asked.encode() + request.body).hexdigest()


def _met(row: IdempotencyKey, asked: str) -> Claim | None:
    """Return a claim on a key that is there already, None to look again; raises what it means."""
    age = timezone.now() - row.created_at
    if age > KEPT:
        IdempotencyKey.objects.filter(pk=row.pk).delete()
        return None
    if row.fingerprint != asked:
        message = "This key came with another request before: use a new key for a new request."
        raise Problem(
            422,
            "idempotency_key_reused",
            message,
            errors=[FieldError(HEADER, "idempotency_key_reused", message)],
        )
    if row.status is not None:
        raise Replay(_stored(row.status, row.body))
    if age < LONGEST_REQUEST:
        raise _still_running()
    taken = Claim(uuid.uuid4())
    won = IdempotencyKey.objects.filter(pk=row.pk, status=None, created_at=row.created_at).update(
        id=taken.pk, created_at=timezone.now()
    )
    return taken if won else None


def _stored(status: int, body: object) -> Response:
    content_type = MEDIA_TYPE if status >= 400 else None
    return Response(body, status=status, headers={REPLAYED: "true"}, content_type=content_type)


def _still_running() -> Problem:
    return Problem(
        409,
        "idempotency_key_in_use",
        "The first request with this key is still running: ask again in a moment.",
        headers={"Retry-After": "1"},
    )
