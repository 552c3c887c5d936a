"""Pausing a platform or a workspace, draining a host, and what is paused, in words.

A pause wins until a post's send mark is committed: the row of the pause is committed first, from
when on no claim takes and no mark admits such a post; then what slots hold unsent is taken from
them. When `pause` returns, only calls whose mark is committed are still made.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q, QuerySet, UUIDField, Value
from django.db.models.functions import Cast, Replace
from django.utils import timezone

from accounts.audit import record
from accounts.models import Workspace
from engine import sql
from engine.lookups import at_most_one
from engine.models import Installation, Pause
from engine.states import IllegalTransition
from engine.words import moment
from platforms.registry import ADAPTERS
from scheduling.models import ScheduledPost
from scheduling.states import WAITING, PostState

log = logging.getLogger("carillon.pauses")

S = PostState
Scope = Pause.Scope
UNSENT = WAITING | {S.OUTCOME_UNKNOWN}  # a slot may come to mark these


class UnknownKey(Exception):
    """There is nothing of this name to pause; the message says what there is."""


def pause(scope: Pause.Scope, key: str, *, actor: str, reason: str) -> Pause:
    """Stop a platform, a workspace or a host (it drains); raises UnknownKey, IllegalTransition.

    Not to be called inside a transaction: the pause must be committed before slots lose their rows.
    """
    key, workspace = known(scope, key)
    try:
        with transaction.atomic():
            made = Pause.objects.create(scope=scope, key=key, reason=reason[:255], by=actor)
            record(
                workspace=workspace,
                actor=actor,
                action=_action(scope, "drained" if scope == Scope.HOST else "paused"),
                target=f"{scope.value}:{key}",
                reason=reason,
            )
    except IntegrityError:
        raise IllegalTransition(f"{name_of(scope, key)} is stopped already.") from None
    if scope != Scope.HOST:
        taken = take_from_slots("platform" if scope == Scope.PLATFORM else "workspace_id", key)
        log.warning(
            "sending.paused", extra={"scope": scope.value, "key": key, "taken_from_slots": taken}
        )
    return made


def resume(scope: Pause.Scope, key: str, *, actor: str, reason: str = "") -> None:
    """Let it go on, even what is no longer there; raises IllegalTransition if it is not stopped.

    Posts go on by their late policy: the time they could not go out counts like an outage.
    """
    workspace = workspace_of(key) if scope == Scope.WORKSPACE else None
    key = str(workspace.pk) if workspace else key
    with transaction.atomic():
        found = Pause.objects.select_for_update().filter(scope=scope, key=key).first()
        if found is None:
            raise IllegalTransition(f"{name_of(scope, key)} is not stopped.")
        record(
            workspace=workspace,
            actor=actor,
            action=_action(scope, "resumed"),
            target=f"{scope.value}:{key}",
            reason=reason,
            detail={"stopped_by": found.by, "since": found.since.isoformat(), "why": found.reason},
        )
        found.delete()
    log.warning("sending.resumed", extra={"scope": scope.value, "key": key})


def take_from_slots(column: str = "", key: str = "") -> int:
    """Take every unsent post that a slot holds from it, of one `column` value or all.

    The token rises, as with a cancellation: whoever held the row is refused at the send mark.
    Reads only what is leased. Returns how many.
    """
    states = ", ".join(f"'{state}'" for state in sorted(UNSENT))
    narrowed = f" AND {column} = %s" if column else ""
    statement = (
        f"UPDATE {sql.table_of(ScheduledPost)} SET lease_slot = NULL, lease_expires_at = NULL, "  # noqa: S608
        f"fencing_token = fencing_token + 1 WHERE lease_slot IS NOT NULL AND state IN ({states})"
        f"{narrowed}"
    )
    value = uuid.UUID(key) if column == "workspace_id" else key
    if isinstance(value, uuid.UUID) and not sql.is_postgresql():
        value = value.hex
    with connection.cursor() as cursor:
        cursor.execute(statement, [value] if column else [])
        return int(cursor.rowcount)


def known(scope: Pause.Scope, key: str) -> tuple[str, Workspace | None]:
    """Return the key as it is kept, and the workspace if it is one; raises UnknownKey."""
    if scope == Scope.PLATFORM:
        if key not in ADAPTERS:
            raise UnknownKey(f"There is no platform {key!r}: choose one of {', '.join(ADAPTERS)}.")
        return key, None
    if scope == Scope.WORKSPACE:
        found = workspace_of(key)
        if found is None:
            raise UnknownKey(f"There is no workspace {key!r}: give its slug or its id.")
        return str(found.pk), found
    if not key.strip():
        raise UnknownKey("Name the host, or * for all of them.")
    return key.strip(), None


def workspace_of(key: str) -> Workspace | None:
    """Return the workspace with this id or slug."""
    try:
        return Workspace.objects.filter(pk=uuid.UUID(key)).first()
    except ValueError:
        return Workspace.objects.filter(slug=key.strip()).first()


def _action(scope: Pause.Scope, done: str) -> str:
    return f"{scope.value}.{done}"


def not_paused(posts: QuerySet[ScheduledPost]) -> QuerySet[ScheduledPost]:
    """Return those of `posts` whose platform and workspace go on: the others may be overdue."""
    return posts.filter(going_on())


def going_on() -> Q:
    """Return the rule of posts whose platform and workspace are not paused.

    The database looks at the pauses itself, so that lists and counts need no query more.
    """
    platforms = Pause.objects.filter(scope=Scope.PLATFORM).values("key")
    as_uuid = F("key") if sql.is_postgresql() else Replace("key", Value("-"))
    workspaces = Pause.objects.filter(scope=Scope.WORKSPACE).values(
        workspace=Cast(as_uuid, UUIDField())
    )
    return ~Q(platform__in=platforms) & ~Q(workspace__in=workspaces)


# --- what is paused, in words ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pauses:
    """Everything that keeps posts from going out at this moment, read once for many posts."""

    everything: str = ""  # a sentence, or "" while sending is on
    platforms: Mapping[str, str] = field(default_factory=dict)  # slug: sentence
    workspaces: Mapping[str, str] = field(default_factory=dict)  # id: sentence

    def of(self, post: ScheduledPost) -> str:
        """Return why nothing is done with this post now, or ""."""
        return (
            self.everything
            or self.platforms.get(post.platform, "")
            or self.workspaces.get(str(post.workspace_id), "")
        )


def present(*, now: datetime | None = None) -> Pauses:
    """Return what is paused now (two small queries)."""
    now = now or timezone.now()
    here = at_most_one(Installation.objects.filter(paused=True))
    found = list(Pause.objects.exclude(scope=Scope.HOST))
    return Pauses(
        everything=_all_paused(here, now) if here else "",
        platforms={p.key: sentence(p, now) for p in found if p.scope == Scope.PLATFORM},
        workspaces={p.key: sentence(p, now) for p in found if p.scope == Scope.WORKSPACE},
    )


def sentence(pause: Pause, now: datetime) -> str:
    """Return "TikTok is paused by ada since 03:10:00 UTC: maintenance."."""
    what = "This workspace" if pause.scope == Scope.WORKSPACE else name_of(pause.scope, pause.key)
    state = "drained" if pause.scope == Scope.HOST else "paused"
    return _sentence(f"{what} is {state}", pause.by, pause.since, pause.reason, now)


def _all_paused(here: Installation, now: datetime) -> str:
    what = "Sending is paused for the whole installation"
    return _sentence(what, here.paused_by, here.paused_since, here.pause_reason, now)


def _sentence(what: str, by: str, since: datetime | None, reason: str, now: datetime) -> str:
    who = f" by {person(by)}" if by else ""
    when = f" since {moment(since, now=now)}" if since else ""
    why = f": {reason.strip().rstrip('.')}" if reason.strip() else ""
    return f"{what}{who}{when}{why}."


def person(actor: str) -> str:
    """Return how sentences name an actor of the audit log: "user:ada" is ada."""
    return "Carillon itself" if actor == "system" else actor.removeprefix("user:")


def name_of(scope: str, key: str) -> str:
    """Return how people call it."""
    if scope == Scope.PLATFORM:
        adapter = ADAPTERS.get(key)
        return adapter.name if adapter else key
    if scope == Scope.WORKSPACE:
        found = workspace_of(key)
        return f"Workspace {found.slug if found else key}"
    return "Every host" if key == Pause.ALL_HOSTS else f"Host {key}"
