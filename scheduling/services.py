"""What people can do with posts: the only door for the API, the admin, the site and imports.

Every change of a row that a slot might hold raises its fencing token, so that the person wins
until the send mark is committed and is refused (IllegalTransition) after it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User, Workspace
from engine import correlation
from engine.clock import database_now
from engine.states import IllegalTransition
from platforms.models import SocialConnection
from scheduling import four_eyes
from scheduling.announcements import PostChange, announce
from scheduling.approval_mails import ask_approvers
from scheduling.approval_rule import (
    ApprovalNeeded,
    forget_approval,
    is_cleared,
    may_publish,
    note_author,
    sign_off,
)
from scheduling.drafts import Attachment, FieldError
from scheduling.four_eyes import Word
from scheduling.leftovers import leave
from scheduling.models import (
    PostGroup,
    ScheduledPost,
)
from scheduling.ownership import noted_ids
from scheduling.questions import Part, next_part
from scheduling.rows import (
    attach,
    attachments_of,
    audit,
    locked,
    move,
    note_move,
    same_external_id,
    start_new_run,
    take_from_slots,
    too_late,
)
from scheduling.rules import Invalid, content_errors, moment_errors, ownership_errors, shape_errors
from scheduling.sightings import seen_remote_id
from scheduling.states import CANCELLABLE, EDITABLE, REQUEUEABLE, PostState

S = PostState
WRITTEN = {
    S.DRAFT: "post.drafted",
    S.AWAITING_APPROVAL: "post.submitted",
    S.SCHEDULED: "post.scheduled",
}  # what writing a post is called in the audit log, by the state it begins in


def schedule_post(
    *,
    workspace: Workspace,
    connection: SocialConnection,
    segments: Sequence[Mapping[str, Any]],
    scheduled_at: datetime,
    actor: str,
    time_zone: str = "UTC",
    attachments: Sequence[Attachment] = (),
    created_by: User | None = None,
    as_draft: bool = False,
    is_first: bool = False,
    **details: Any,
) -> tuple[ScheduledPost, bool]:
    """Schedule one post and return (post, created).

    `details` are further columns: first_comment, options, priority (0-9), external_id,
    callback_url, late_policy, late_limit_minutes, group, correlation_id.
    An `external_id` that the connection already has (not cancelled) returns that post, unchanged,
    or is refused when it has another text; `is_first` says that the caller has looked for it a
    moment ago. Raises Invalid with every error at once.
    """
    external_id = details.get("external_id") or None
    if external_id and not is_first and (known := same_external_id(connection, external_id)):
        require_same_text(known, segments)
        return known, False
    post = build_post(
        workspace=workspace,
        connection=connection,
        segments=segments,
        scheduled_at=scheduled_at,
        time_zone=time_zone,
        attachments=attachments,
        created_by=created_by,
        as_draft=as_draft,
        actor=actor,
        **details,
    )
    try:
        with transaction.atomic():
            post.save(force_insert=True)
            attach(post, attachments)
            audit(post, actor, WRITTEN[PostState(post.state)])
            tell_of_new([post])
    except IntegrityError:
        known = same_external_id(connection, external_id) if external_id else None
        if known is None:
            raise
        require_same_text(known, segments)
        return known, False
    return post, True


def write_promised(wishes: Sequence[Mapping[str, Any]], *, actor: str) -> list[ScheduledPost]:
    """Make posts that a series promised, told together; each wish is what `build_post` takes."""
    posts = [build_post(is_promised=True, actor=actor, **wish) for wish in wishes]
    with transaction.atomic():
        for post, wish in zip(posts, wishes, strict=True):
            post.save(force_insert=True)
            attach(post, wish.get("attachments", ()))
            audit(post, actor, WRITTEN[PostState(post.state)])
        tell_of_new(posts)
    return posts


def build_post(
    *,
    workspace: Workspace,
    connection: SocialConnection,
    segments: Sequence[Mapping[str, Any]],
    scheduled_at: datetime,
    time_zone: str = "UTC",
    attachments: Sequence[Attachment] = (),
    created_by: User | None = None,
    as_draft: bool = False,
    actor: str = "",
    awaits_approval: bool | None = None,
    is_promised: bool = False,
    now: datetime | None = None,
    **details: Any,
) -> ScheduledPost:
    """Return an unsaved post that satisfies every rule, or raise Invalid; touches no row.

    It awaits approval if the workspace's rule asks for it of `actor` (who wrote it); bulk paths,
    which call this for each row and insert the results together, say so in `awaits_approval`.
    A post that a series promised is made whatever the rules say today, so that it is seen, and
    blocked or refused, in its place.
    """
    details.setdefault("late_policy", workspace.late_policy)
    post = ScheduledPost(
        workspace=workspace,
        connection=connection,
        platform=connection.platform,
        segments=[dict(segment) for segment in segments],
        scheduled_at=scheduled_at,
        time_zone=time_zone,
        created_by=created_by,
        media_count=len(attachments),
        state=S.DRAFT if as_draft else S.SCHEDULED,
        due_at=None if as_draft else scheduled_at,
        max_attempts=settings.PUBLISHER_MAX_ATTEMPTS,
        **details,
    )
    post.external_id = post.external_id or None
    post.correlation_id = post.correlation_id or correlation.current() or uuid.uuid4().hex
    errors = [
        *ownership_errors(workspace, connection),
        *moment_errors(post, workspace, now or timezone.now()),
        *shape_errors(post),
    ]
    if is_promised or not errors:
        errors += content_errors(post, attachments)
    if errors and not is_promised:
        raise Invalid(errors)
    note_author(post, actor)
    if awaits_approval is None:
        awaits_approval = not may_publish(workspace, actor)
    if not as_draft:
        if awaits_approval:
            post.state, post.due_at = S.AWAITING_APPROVAL, None
        else:
            sign_off(post, actor)
    return post


def edit_post(
    post_id: uuid.UUID,
    *,
    actor: str,
    expected_version: int | None = None,
    reason: str = "",
    asks: bool = True,
    **changes: Any,
) -> ScheduledPost:
    """Change a post that has not been sent: segments, scheduled_at, options and the like.

    `attachments`, if given, replace the media. Prepared uploads are discarded and made anew. Where
    the workspace's rule asks `actor` for approval, an approved post awaits it anew; approvers are
    asked, unless the caller `asks` them itself, for many posts at once.
    Raises IllegalTransition when it is too late, Invalid when the result breaks a rule.
    """
    attachments: Sequence[Attachment] | None = changes.pop("attachments", None)
    with transaction.atomic():
        post = locked(post_id)
        if post.state not in EDITABLE:
            raise IllegalTransition(f"A post that is {post.get_state_display()} cannot be edited.")
        if expected_version is not None and post.content_version != expected_version:
            raise IllegalTransition(
                f"The post was changed meanwhile (version {post.content_version}, "
                f"you edited version {expected_version}): load it again."
            )
        if post.progress.get("published"):
            raise IllegalTransition("Part of this thread is live already, so it cannot be edited.")
        for name, value in changes.items():
            setattr(post, name, value)
        kept = attachments if attachments is not None else attachments_of(post)
        post.media_count = len(kept)
        errors = [
            *moment_errors(post, post.workspace, timezone.now()),
            *shape_errors(post),
        ] or content_errors(post, kept)
        if errors:
            raise Invalid(errors)
        post.content_version += 1
        leave(post)
        post.progress, post.progress_expires_at = {}, None
        post.late_waived = False
        post.preflight_at = post.warnings = None
        source = post.state
        note_author(post, actor)
        forget_approval(post)
        if source in {S.SCHEDULED, S.QUEUED, S.HELD, S.FAILED}:
            post.state, post.due_at = S.SCHEDULED, post.scheduled_at
        if source not in {S.DRAFT, S.AWAITING_APPROVAL}:
            if may_publish(post.workspace, actor):
                sign_off(post, actor)
            else:
                post.state, post.due_at = S.AWAITING_APPROVAL, None
        take_from_slots(post)
        post.save()
        if attachments is not None:
            post.post_media.all().delete()
            attach(post, attachments)
        if source != post.state:
            note_move(post, source, actor, reason or "edited")
            if asks and post.state == S.AWAITING_APPROVAL:
                ask_approvers([post])
        audit(post, actor, "post.edited", reason, {"fields": sorted(changes)})
    return post


def schedule_draft(post_id: uuid.UUID, *, actor: str, **changes: Any) -> ScheduledPost:
    """Give a draft its moment: `changes` must hold scheduled_at, and may hold other columns.

    `attachments`, if given, replace the media. Raises IllegalTransition when it is no draft (any
    more), Invalid when a rule is broken.
    """
    attachments: Sequence[Attachment] | None = changes.pop("attachments", None)
    with transaction.atomic():
        post = locked(post_id)
        if post.state != S.DRAFT:
            raise IllegalTransition(too_late("scheduled", post))
        for name, value in changes.items():
            setattr(post, name, value)
        kept = attachments if attachments is not None else attachments_of(post)
        post.media_count = len(kept)
        post.state = S.SCHEDULED  # the rules for moments are those of scheduled posts
        errors = [
            *ownership_errors(post.workspace, post.connection),
            *moment_errors(post, post.workspace, timezone.now()),
            *shape_errors(post),
        ] or content_errors(post, kept)
        if errors:
            raise Invalid(errors)
        post.state = S.DRAFT
        post.content_version += 1
        note_author(post, actor)
        if may_publish(post.workspace, actor):
            sign_off(post, actor)
            move(post, S.SCHEDULED, actor, "scheduled", due_at=post.scheduled_at)
        else:
            move(post, S.AWAITING_APPROVAL, actor, "submitted for approval", due_at=None)
        if attachments is not None:
            post.post_media.all().delete()
            attach(post, attachments)
        audit(post, actor, WRITTEN[PostState(post.state)])
        tell_of_new([post])
    return post


def cancel_post(post_id: uuid.UUID, *, actor: str, reason: str = "") -> ScheduledPost:
    """Stop a post for good; raises IllegalTransition when it was sent (or cancelled) already."""
    with transaction.atomic():
        post = locked(post_id)
        if post.state not in CANCELLABLE | {S.FAILED, S.DEAD_LETTER}:
            raise IllegalTransition(too_late("cancelled", post))
        leave(post)
        move(post, S.CANCELLED, actor, reason or "cancelled by a person", due_at=None)
        audit(post, actor, "post.cancelled", reason)
        announce([PostChange.of(post, event="post.cancelled")])
    return post


def requeue_post(
    post_id: uuid.UUID,
    *,
    actor: str,
    reason: str = "",
    confirm_not_live: bool = False,
    asks: bool = True,
) -> ScheduledPost:
    """Put a failed, dead, held, blocked or cancelled post back: a new run, its history stays.

    Segments that are live already are not published again. Never moves a published post, nor a
    cancelled one whose external_id was scheduled again meanwhile. An unknown outcome is requeued
    only by somebody who confirms that it is not live: see `resolve_outcome`, also for FOUR_EYES.
    """
    with transaction.atomic():
        post = locked(post_id)
        if post.state == S.OUTCOME_UNKNOWN:
            if not confirm_not_live:
                raise IllegalTransition(
                    f"{too_late('requeued', post)} Or look at the account and requeue it with "
                    "confirm_not_live: if it is live after all, a second copy appears."
                )
            _require_settled(post)
            detail = {"confirmed_not_live": True}
            if not _is_agreed(post, Word(False, actor, reason=reason), detail):
                return post
            _send_again(post, actor, reason or "requeued by a person: it is not live")
            audit(post, actor, "post.requeued", reason, detail)
            return post
        if post.state not in REQUEUEABLE:
            raise IllegalTransition(too_late("requeued", post))
        if (
            post.state == S.CANCELLED
            and post.external_id
            and same_external_id(post.connection, post.external_id)
        ):
            raise IllegalTransition(
                f"{post.external_id} was scheduled again after this post was cancelled: "
                "requeue or edit that post instead."
            )
        awaits_approval = post.state == S.CANCELLED and not is_cleared(post, actor)
        start_new_run(post)
        if awaits_approval:  # it may have been cancelled before anybody approved it
            move(post, S.AWAITING_APPROVAL, actor, reason or "requeued by a person", due_at=None)
            if asks:
                ask_approvers([post], reason=reason)
            audit(post, actor, "post.requeued", reason)
            return post
        move(
            post,
            S.SCHEDULED,
            actor,
            reason or "requeued by a person",
            due_at=max(database_now(), post.scheduled_at),
        )
        audit(post, actor, "post.requeued", reason)
    return post


def publish_now(post_id: uuid.UUID, *, actor: str, reason: str = "") -> ScheduledPost:
    """Make a waiting post due at once; it leaves within a second."""
    with transaction.atomic():
        post = locked(post_id)
        if post.state not in {S.DRAFT, S.SCHEDULED, S.QUEUED, S.HELD}:
            raise IllegalTransition(too_late("published now", post))
        if post.state == S.DRAFT and (errors := content_errors(post, attachments_of(post))):
            raise Invalid(errors)
        if post.state == S.DRAFT:
            if not is_cleared(post, actor):
                raise ApprovalNeeded(
                    "Here somebody else approves posts before they go out: submit it for approval."
                )
            sign_off(post, actor)
        now = database_now()
        post.scheduled_at = min(post.scheduled_at, now)  # an overdue post stays late
        post.late_waived = True
        move(post, S.SCHEDULED, actor, reason or "published now by a person", due_at=now)
        audit(post, actor, "post.published_now", reason)
    return post


def resolve_outcome(
    post_id: uuid.UUID,
    *,
    actor: str,
    live: bool,
    permalink: str = "",
    remote_id: str = "",
    part: int | None = None,
    reason: str = "",
) -> ScheduledPost:
    """Settle an unknown outcome by a person's word: the part in doubt is live, or it is not.

    The part is the first one not known to be live; `part` (from 1), if given, must be that one.
    "Live" ends the post as published if it was the last part; otherwise the rest goes on below it,
    so its remote id is needed: given, or read from `permalink`, its address. "Not live" sends it
    again at once, in a new run. Raises Invalid for an address that cannot be that part's.
    With FOUR_EYES the first word only waits: the post comes back unchanged, and the same word of
    a second person settles it.
    """
    with transaction.atomic():
        post = locked(post_id)
        if post.state != S.OUTCOME_UNKNOWN:
            raise IllegalTransition(
                f"Only an unknown outcome can be resolved; this post is {post.get_state_display()}."
            )
        if post.lease_slot is not None:
            raise IllegalTransition("Carillon is asking the network about this post right now.")
        doubtful = next_part(post)
        if part is not None and part != doubtful.number:
            raise IllegalTransition(
                f"In doubt is part {doubtful.number} of {doubtful.of}, not part {part}: "
                "load the post again."
            )
        if live:
            seen_remote_id(post, doubtful, permalink, remote_id)
        else:
            _require_settled(post)
        detail = {"live": live, "part": doubtful.number, "parts": doubtful.of}
        if not _is_agreed(post, Word(live, actor, permalink, remote_id, reason), detail):
            return post
        if live:
            _end_doubt(post, doubtful, permalink, remote_id, actor, reason)
        else:
            _send_again(post, actor, reason or f"a person saw that {doubtful.name} is not live")
        audit(post, actor, "post.resolved", reason, detail)
    return post


def confirm_resolution(post_id: uuid.UUID, *, actor: str, reason: str = "") -> ScheduledPost:
    """Say the same as somebody else whose word waits for a second person."""
    proposal = four_eyes.open_proposal(ScheduledPost.objects.get(pk=post_id))
    if proposal is None:
        raise IllegalTransition("Nothing waits for a second person, or the post has changed since.")
    return resolve_outcome(
        post_id,
        actor=actor,
        live=proposal.live,
        permalink=proposal.permalink,
        remote_id=proposal.remote_id,
        reason=reason,
    )


def withdraw_resolution(post_id: uuid.UUID, *, actor: str, reason: str = "") -> ScheduledPost:
    """Take back what waits for a second person, whoever said it; the post stays in doubt."""
    with transaction.atomic():
        post = locked(post_id)
        four_eyes.withdraw(post, actor=actor, reason=reason)
    return post


def _is_agreed(post: ScheduledPost, word: Word, detail: dict[str, Any]) -> bool:
    """Say whether a word about a post in doubt counts now; `detail` then names who said it first.

    Without FOUR_EYES it always does.
    """
    if not settings.FOUR_EYES:
        return True
    confirmed = four_eyes.settle(post, word)
    if confirmed is None:
        return False
    detail["proposed_by"] = confirmed.actor
    return True


def _end_doubt(
    post: ScheduledPost, part: Part, permalink: str, remote_id: str, actor: str, reason: str
) -> None:
    """Take over a part that a person saw: the end of the post, or the rest goes on below it."""
    remote_id = seen_remote_id(post, part, permalink, remote_id)
    now = database_now()
    known = [*post.progress.get("published", ()), *([remote_id] if remote_id else [])]
    first_address = str(post.progress.get("permalink") or "")
    if part.number == 1:
        first_address = permalink
    post.permalink = first_address or post.permalink
    if part.is_last:
        post.progress, post.remote_ids = {"published": known}, known
        post.permalink = post.permalink or permalink  # a reply's address shows its thread
        post.published_at = post.sent_at or now
        post.last_category, post.last_error = "", ""
        move(post, S.PUBLISHED, actor, reason or "a person saw it live", due_at=None)
        announce([PostChange.of(post, event="post.published")])
        return
    post.progress = {"published": known}
    if first_address:
        post.progress["permalink"] = first_address
    start_new_run(post)
    going_on = f"a person saw {part.name} live; going on with part {part.number + 1}"
    move(post, S.SCHEDULED, actor, reason or going_on, due_at=now)


def _require_settled(post: ScheduledPost) -> None:
    """Raise IllegalTransition while "it is not live" cannot be known, or is known to be wrong."""
    if post.lease_slot is not None:
        raise IllegalTransition("Carillon is asking the network about this post right now.")
    if (safe_at := _landed_by(post)) > database_now():
        raise IllegalTransition(
            f"The call may still take effect until {safe_at:%H:%M:%S} UTC: look again then."
        )
    noted = noted_ids(post)
    if len(noted) > len(post.progress.get("published", ())):
        raise IllegalTransition(
            f"Meanwhile Carillon has learnt that it is live, with the id {noted[-1]} at the "
            "network: reconcile it now."
        )


def _send_again(post: ScheduledPost, actor: str, reason: str) -> None:
    start_new_run(post)
    move(post, S.SCHEDULED, actor, reason, due_at=database_now())


def reconcile_now(post_id: uuid.UUID, *, actor: str, reason: str = "") -> ScheduledPost:
    """Ask the network about an unknown outcome as soon as that is safe, instead of at due_at.

    Safe is: after the sent lease and its grace, when a hung call can no longer land.
    """
    with transaction.atomic():
        post = locked(post_id)
        if post.state != S.OUTCOME_UNKNOWN:
            raise IllegalTransition(too_late("reconciled", post))
        if post.lease_slot is not None:
            raise IllegalTransition("Carillon is asking the network about this post right now.")
        now = database_now()
        move(post, S.OUTCOME_UNKNOWN, actor, reason, due_at=max(now, _landed_by(post)))
        audit(post, actor, "post.reconcile_asked", reason)
    return post


def _landed_by(post: ScheduledPost) -> datetime:
    """Return when a call marked at `sent_at` can no longer take effect."""
    wait: timedelta = settings.PUBLISH_LEASE + settings.RECONCILE_GRACE
    return (post.sent_at or post.scheduled_at) + wait


def new_group(workspace: Workspace, created_by: User | None) -> PostGroup:
    """Return a new group for posts written together."""
    return PostGroup.objects.create(workspace=workspace, created_by=created_by)


def tell_of_new(posts: Sequence[ScheduledPost]) -> None:
    """Tell the outside of posts that were just written; drafts are nobody's business."""
    scheduled = [post for post in posts if post.state == S.SCHEDULED]
    announce([PostChange.of(post, event="post.scheduled") for post in scheduled])
    ask_approvers([post for post in posts if post.state == S.AWAITING_APPROVAL])


# --- rows -----------------------------------------------------------------------------------


def require_same_text(known: ScheduledPost, segments: Sequence[Mapping[str, Any]]) -> None:
    """Raise Invalid when a repeat has another text: dropping it silently would be a lie.

    Another moment is no new post: the answer shows the one that holds.
    """
    if [s.get("text", "") for s in segments] == [s.get("text", "") for s in known.segments]:
        return
    raise Invalid(
        [
            FieldError(
                "external_id",
                "external_id_taken",
                f"Post {known.pk} has this id with another text: change or cancel that "
                "post, or use another id.",
            )
        ]
    )
