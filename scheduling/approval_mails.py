"""Asking for approval: the caller's callback, and a mail to each of the workspace's approvers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from accounts.models import Membership, Role
from notifications.models import Channel
from notifications.outbox import OutboxEvent, write
from scheduling.announcements import Addressee, PostChange, announce, excerpt_of, mail_of
from scheduling.approval_rule import is_author
from scheduling.models import ScheduledPost

REQUESTED = "post.approval_requested"


def ask_approvers(posts: Sequence[ScheduledPost], *, reason: str = "") -> None:
    """Write the outbox rows for `posts`, which begin to await approval together.

    Each is called back; mailed is only the first: hundreds at once are one thing to look at.
    """
    if not posts:
        return
    changes = [PostChange.of(post, event=REQUESTED, reason=reason) for post in posts]
    announce(changes)
    first, change = posts[0], changes[0]
    write([_mail(change, who) for who in _approvers(first)])


def _mail(change: PostChange, who: Addressee) -> OutboxEvent:
    version = f"{change.publish_run}:{change.content_version}:{change.sequence}"
    return OutboxEvent(
        event=change.event,
        workspace_id=change.workspace_id,
        context={"mail": mail_of(change, who)},
        dedupe_key=f"{change.event}:{change.post_id}:{version}:{who.user_id}",
        deliveries=((Channel.EMAIL, who.email),),
        user_id=who.user_id,
    )


def _approvers(post: ScheduledPost) -> Iterable[Addressee]:
    """Yield the members with the role approver, or the owners where there is none; not authors."""
    members = Membership.objects.select_related("user").filter(
        workspace=post.workspace, role__in=(Role.APPROVER, Role.OWNER), user__is_active=True
    )
    others = [m for m in members if m.user.email and not is_author(post, f"user:{m.user.username}")]
    approvers = [m for m in others if m.role == Role.APPROVER] or others
    for member in approvers:
        yield Addressee(
            user_id=member.user_id,
            email=member.user.email,
            account=post.connection.username or post.connection.external_id,
            connection_version=post.connection.version,
            excerpt=excerpt_of(post.segments),
            time_zone=post.time_zone,
        )
