"""A day ahead: every waiting post is looked at once, and its owner warned while there is time.

Read-only towards networks, files and states: it writes what it found (`warnings`), when it looked
(`preflight_at`), its own memory (`AccountCheck`), and outbox rows. Each round:

1. Take accounts with posts that were not looked at: a lease each, so that rounds may overlap. An
   account that its owner changed (reconnected, resumed) has all its posts looked at again; so has
   an edited post, for the edit clears `preflight_at`.
2. Ask: each account at most once in ASK_AGAIN, each address once; nothing is held meanwhile.
3. Judge each post, and the account's whole plan against its allowances.
4. Write and tell in one transaction, fenced: a post that was claimed or edited meanwhile is left.
   What could not be found out leaves `preflight_at` empty and is looked at again.
"""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Min, Q, QuerySet
from django.db.models.functions import Now

from engine import sql, wall_clock
from engine.models import Installation, Pause
from media.models import Asset
from platforms.models import ConnectionState
from scheduling.accounts import AccountCache, ConnectedAccount
from scheduling.announcements import PostChange, announce
from scheduling.drafts import Attachment
from scheduling.models import AccountCheck, ScheduledPost
from scheduling.preflight_calls import Answer, Calls, look_in_storage
from scheduling.preflight_checks import (
    OF_THE_ACCOUNT,
    PASSING,
    PlannedPost,
    PreflightWarning,
    calls_of,
    quota_warnings,
    state_warnings,
    token_warnings,
)
from scheduling.rules import content_errors
from scheduling.states import WAITING

log = logging.getLogger("carillon.preflight")

EVENT = "post.preflight_warning"
ASK_AGAIN = timedelta(hours=6)
LOOK_AGAIN = timedelta(minutes=15)  # after a look that could not finish
LEASE = timedelta(minutes=5)  # longer than a round can take
ACCOUNTS_PER_ROUND = 20
POSTS_PER_ACCOUNT = 500
PLANNED_MOST = 20_000  # posts of one account that are weighed against its allowances
RUN_SECONDS = 20.0  # then the processors are the publishers' again
TOLD_ONE_BY_ONE = 5  # posts of one person with the same warnings; more are one mail
STILL_GOOD = timedelta(minutes=1)  # an access token that lasts this long can be asked with


_Told = tuple[ScheduledPost, list[PreflightWarning]]


@dataclass(slots=True)
class Look:
    """One account under our lease, with the posts to look at and what was learnt about it."""

    account: ConnectedAccount
    check: AccountCheck
    posts: list[ScheduledPost]
    attachments: dict[uuid.UUID, list[Attachment]]
    answer: Answer = field(default_factory=Answer)
    is_complete: bool = True


def look_a_day_ahead() -> int:
    """Look at posts due within PREFLIGHT_HOURS until none is left or RUN_SECONDS are over.

    Returns how many were looked at; none while it is switched off or sending is paused.
    """
    started, total = time.monotonic(), 0
    if not settings.PREFLIGHT_AHEAD or Installation.objects.filter(paused=True).exists():
        return 0
    while time.monotonic() - started < RUN_SECONDS:
        looked = look_once()
        total += looked
        if not looked:
            break
    if total:
        log.info("preflight.looked", extra={"count": total})
    return total


def look_once() -> int:
    """Do one round; returns how many posts were looked at."""
    calls = Calls()
    calls.open()
    looks = _take()
    if not looks:
        return 0
    in_storage, to_fetch = _files_of(looks)
    asked = [look for look in looks if _is_to_be_asked(look, calls.clock.instant())]
    of_accounts, of_assets = calls.make([look.account for look in asked], to_fetch)
    calls.close()
    for asset in in_storage:
        of_assets[asset.pk] = look_in_storage(asset)
    unheard = Answer(is_final=False)
    asked_of = {look.account.connection.pk for look in asked}
    for look in looks:
        pk = look.account.connection.pk
        answer = of_accounts.get(pk, unheard) if pk in asked_of else None
        _keep_answer(look, answer, calls.clock.instant())
        _finish(look, of_assets)
    return sum(len(look.posts) for look in looks)


# --- 1. take --------------------------------------------------------------------------------


def _unseen() -> QuerySet[ScheduledPost]:
    """Return the waiting posts of the coming day that nobody holds (along the index `post_due`).

    A paused platform is left alone.
    """
    paused = Pause.objects.filter(scope=Pause.Scope.PLATFORM)
    return ScheduledPost.objects.exclude(platform__in=paused.values("key")).filter(
        lease_slot__isnull=True,
        state__in=sorted(WAITING),
        due_at__gt=Now(),
        due_at__lte=Now() + settings.PREFLIGHT_AHEAD,
    )


def _take() -> list[Look]:
    """Lease the accounts whose posts come first and load what is to be looked at."""
    changed = ~Q(connection__account_check__connection_changed_at=F("connection__updated_at"))
    free = Q(connection__account_check__look_after=None) | Q(
        connection__account_check__look_after__lte=Now()
    )
    wanted = (
        _unseen()
        .filter(free, Q(preflight_at=None) | changed)
        .values("connection_id")
        .annotate(first=Min("due_at"))
        .order_by("first")[:ACCOUNTS_PER_ROUND]
    )
    taken = [row["connection_id"] for row in wanted if _lease(row["connection_id"])]
    if not taken:
        return []
    accounts = AccountCache()
    accounts.load(taken)
    checks = AccountCheck.objects.in_bulk(taken)
    return [_load(accounts.get(pk), checks[pk]) for pk in taken]


def _lease(connection_id: uuid.UUID) -> bool:
    """Become the only one who looks at this account's posts."""
    AccountCheck.objects.get_or_create(connection_id=connection_id)
    free = Q(look_after=None) | Q(look_after__lte=Now())
    return bool(
        AccountCheck.objects.filter(free, pk=connection_id).update(look_after=Now() + LEASE)
    )


def _load(account: ConnectedAccount, check: AccountCheck) -> Look:
    connection = account.connection
    unseen = _unseen().filter(connection=connection)
    if check.connection_changed_at != connection.updated_at:
        with transaction.atomic():
            unseen.filter(preflight_at__isnull=False).update(preflight_at=None)
            check.connection_changed_at = connection.updated_at
            check.asked_at, check.warnings, check.limits = None, [], {}
            check.save(update_fields=["connection_changed_at", "asked_at", "warnings", "limits"])
    rows = unseen.filter(preflight_at=None).order_by("due_at")
    posts = list(rows.prefetch_related("post_media__asset")[:POSTS_PER_ACCOUNT])
    attachments = {
        post.pk: [Attachment(row.asset, row.segment, row.alt_text) for row in post.post_media.all()]
        for post in posts
        if post.media_count
    }
    return Look(account, check, posts, attachments)


def _files_of(looks: Iterable[Look]) -> tuple[list[Asset], list[Asset]]:
    """Return the files in the storage and those that are still to be fetched, each once."""
    assets = {
        item.asset.pk: item.asset
        for look in looks
        for items in look.attachments.values()
        for item in items
    }
    stored = [asset for asset in assets.values() if asset.file]
    return stored, [asset for asset in assets.values() if not asset.file]


# --- 2. ask ---------------------------------------------------------------------------------


def _is_to_be_asked(look: Look, now: datetime) -> bool:
    """Say whether the network is asked about this account now."""
    account, asked_at = look.account, look.check.asked_at
    if account.problem or account.state != ConnectionState.ACTIVE or not look.posts:
        return False
    ends = account.expires_at
    if ends is not None and ends <= now + STILL_GOOD and account.is_renewable:
        return False  # the publisher refreshes it; an outworn token tells nothing
    return asked_at is None or asked_at <= now - ASK_AGAIN


def _keep_answer(look: Look, answer: Answer | None, now: datetime) -> None:
    """Remember what the account answered just now, or recall what it answered before (None)."""
    check = look.check
    if answer is None:
        usable = not look.account.problem
        waits_for_refresh = usable and look.account.state == ConnectionState.ACTIVE
        look.is_complete = usable and (check.asked_at is not None or not waits_for_refresh)
        known = [PreflightWarning(**warning) for warning in check.warnings]
        look.answer = Answer(known[0] if known else None, limits=check.limits)
        return
    look.answer, look.is_complete = answer, answer.is_final
    if answer.is_final:
        check.asked_at = now
        check.warnings = [answer.warning.as_json()] if answer.warning else []
        check.limits = dict(answer.limits)
        check.save(update_fields=["asked_at", "warnings", "limits"])


# --- 3. judge -------------------------------------------------------------------------------


def _judge(look: Look, of_assets: Mapping[object, Answer]) -> list[tuple[ScheduledPost, _Verdict]]:
    account = look.account
    connection = account.connection
    shared = list(state_warnings(account))
    if look.answer.warning:
        shared.append(look.answer.warning)
    if look.answer.limits:
        connection.limits = dict(look.answer.limits)  # as of today; the row keeps its own
    crowded = quota_warnings(_plan(account), account.adapter.buckets)
    verdicts = []
    for post in look.posts:
        post.connection = connection
        found = [*shared, *token_warnings(account, post.due_at or post.scheduled_at)]
        if post.pk in crowded:
            found.append(crowded[post.pk])
        of_files, is_complete = _files(look.attachments.get(post.pk, ()), of_assets)
        found += of_files
        found += [
            PreflightWarning(error.code, error.message)
            for error in content_errors(post, look.attachments.get(post.pk, ()))
        ]
        verdicts.append((post, _Verdict(found, is_complete and look.is_complete)))
    return verdicts


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What was found about one post; `is_complete` is False when something is still to be asked."""

    warnings: list[PreflightWarning]
    is_complete: bool


def _files(
    attachments: Sequence[Attachment], of_assets: Mapping[object, Answer]
) -> tuple[list[PreflightWarning], bool]:
    """Return what is wrong with a post's files; what was learnt of them counts for the limits."""
    found: list[PreflightWarning] = []
    is_complete = True
    for item in attachments:
        answer = of_assets.get(item.asset.pk, Answer(is_final=False))
        is_complete = is_complete and answer.is_final
        if answer.warning:
            found.append(answer.warning)
        item.asset.mime_type = answer.mime_type or item.asset.mime_type
        item.asset.size_bytes = answer.size_bytes or item.asset.size_bytes
    return found, is_complete


def _plan(account: ConnectedAccount) -> list[PlannedPost]:
    """Return the account's posts of the coming day and the window after it."""
    buckets = [b for b in account.adapter.buckets if b.operation == "publish"]
    if not buckets:
        return []
    connection = account.connection
    rows = ScheduledPost.objects.filter(
        workspace_id=connection.workspace_id,  # along the index `post_due_by_workspace`
        connection=connection,
        lease_slot__isnull=True,
        state__in=sorted(WAITING),
        due_at__lte=Now() + settings.PREFLIGHT_AHEAD,
    ).values_list("pk", "due_at", "priority", "segments", "first_comment")
    return [
        PlannedPost(pk, due_at, priority, calls_of(segments, first_comment))
        for pk, due_at, priority, segments, first_comment in rows.order_by("due_at")[:PLANNED_MOST]
        if due_at is not None
    ]


# --- 4. write and tell ----------------------------------------------------------------------


def _finish(look: Look, of_assets: Mapping[object, Answer]) -> None:
    """Write the verdicts, tell, and end the lease."""
    verdicts = _judge(look, of_assets)
    now = wall_clock.instant()
    rows = [
        {
            "id": post.pk,
            "token": post.fencing_token,
            "warnings": [warning.as_json() for warning in verdict.warnings] or None,
            "complete": verdict.is_complete,
        }
        for post, verdict in verdicts
    ]
    states = ", ".join(f"'{state}'" for state in sorted(WAITING))
    complete = all(verdict.is_complete for _, verdict in verdicts)
    with transaction.atomic():
        written = sql.fenced_update(
            ScheduledPost,
            rows,
            {"warnings": sql.JSONB, "complete": sql.BOOLEAN},
            set_sql=(
                "warnings = v.v_warnings, "
                f"preflight_at = CASE WHEN v.v_complete THEN {sql.now_plus()} END"
            ),
            where_sql=f"t.lease_slot IS NULL AND t.state IN ({states})",
        )
        ours = {sql.as_uuid(pk) for (pk,) in written}
        _tell([(post, v.warnings) for post, v in verdicts if post.pk in ours], look, now)
        AccountCheck.objects.filter(pk=look.check.pk).update(
            look_after=Now() if complete else Now() + LOOK_AGAIN
        )


def _tell(
    found: Sequence[tuple[ScheduledPost, list[PreflightWarning]]], look: Look, now: datetime
) -> None:
    """Mail the creators: of the account's warnings once, of a post's own for each version of it.

    Many posts of one person that all have the same in their way are one mail too.
    """
    changed = f"{look.account.connection.updated_at.timestamp():.3f}"
    of_account: dict[tuple[int | None, str], _Told] = {}
    of_posts: dict[tuple[int | None, str], list[_Told]] = {}
    for post, warnings in found:
        lasting = [warning for warning in warnings if warning.code not in PASSING]
        shared = [warning for warning in lasting if warning.code in OF_THE_ACCOUNT]
        own = [warning for warning in lasting if warning.code not in OF_THE_ACCOUNT]
        if shared:
            of_account.setdefault((post.created_by_id, _digest(shared)), (post, shared))
        if own:
            of_posts.setdefault((post.created_by_id, _digest(own)), []).append((post, own))
    changes = [
        _change(told, f"{changed}:{now:%Y-%m-%d}:{digest}")
        for (_, digest), told in of_account.items()
    ]
    for (_, digest), many in of_posts.items():
        if len(many) > TOLD_ONE_BY_ONE:
            more = f" The same goes for {len(many) - 1} more posts of this account."
            changes.append(_change(many[0], f"{now:%Y-%m-%d}:{digest}", more))
        else:
            changes += [
                _change((post, own), f"{post.pk}:{post.content_version}:{digest}")
                for post, own in many
            ]
    announce(changes)


def _change(told: _Told, incident: str, more: str = "") -> PostChange:
    post, warnings = told
    reason = " ".join(dict.fromkeys(warning.message for warning in warnings)) + more
    return replace(PostChange.of(post, event=EVENT, reason=reason), incident=incident)


def _digest(warnings: Sequence[PreflightWarning]) -> str:
    """Return what names a set of warnings, whatever their order and number."""
    codes = ",".join(sorted({warning.code for warning in warnings}))
    return hashlib.sha256(codes.encode()).hexdigest()[:16]
