"""Who may publish without another person's approval, and what an approval covers.

In a workspace with an approval rule a post goes out only if its present content is approved:
`approved_version` equals `content_version`. Whoever needs no approval approves by writing. The
moment is not part of it: an approved post may be given another one.
"""

from __future__ import annotations

from django.utils import timezone

from accounts.models import ApprovalRule, Membership, Role, Workspace
from engine.states import IllegalTransition
from scheduling.models import ScheduledPost


class OwnPost(IllegalTransition):
    """Somebody wanted to approve what they have written."""

    code = "own_post"


class ApprovalNeeded(IllegalTransition):
    """What was asked for would publish content that nobody has approved."""

    code = "approval_needed"


def may_publish(workspace: Workspace, actor: str) -> bool:
    """Say whether what `actor` ("user:ada", "key:crl_...") writes here needs no approval."""
    match workspace.approval_rule:
        case ApprovalRule.NOBODY:
            return True
        case ApprovalRule.EVERYBODY:
            return False
    kind, _, username = actor.partition(":")
    return (
        kind == "user"
        and Membership.objects.filter(
            workspace=workspace, role=Role.OWNER, user__username=username
        ).exists()
    )


def is_cleared(post: ScheduledPost, actor: str) -> bool:
    """Say whether `actor` may let the post's present content go out."""
    return post.approved_version == post.content_version or may_publish(post.workspace, actor)


def sign_off(post: ScheduledPost, actor: str) -> None:
    """Note that the present content may go out; where no rule asks for it, nothing is noted."""
    if post.workspace.approval_rule == ApprovalRule.NOBODY:
        return
    note_approval(post, actor)


def note_approval(post: ScheduledPost, actor: str) -> None:
    """Note who approved the present content, and when."""
    post.approved_version = post.content_version
    post.approved_by, post.approved_at = actor, timezone.now()


def forget_approval(post: ScheduledPost) -> None:
    """Take back what was approved."""
    post.approved_version = post.approved_at = None
    post.approved_by = ""


def note_author(post: ScheduledPost, actor: str) -> None:
    """Note that `actor` has written in this post."""
    if actor and actor not in post.authors:
        post.authors = [*post.authors, actor]


def is_author(post: ScheduledPost, actor: str) -> bool:
    """Say whether `actor` has written in this post."""
    creator = post.created_by
    return actor in post.authors or (creator is not None and actor == f"user:{creator.username}")
