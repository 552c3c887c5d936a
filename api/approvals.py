"""Approval of posts by somebody else, another moment for a post, and copies of it."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Role
from api.base import post_of
from api.bulk_inputs import ZONE_CHARS, MomentInput
from api.fields import Identifier, Instant, Text, WholeNumber
from api.posts import TOO_LATE, PostAction, connection_of, shown_post
from api.problems import Problem
from api.representations import POST
from api.schema import Answered, operation
from api.serializers import ReasonInput, StrictBody
from scheduling import approvals, moments
from scheduling.copies import duplicate_post


class SubmissionInput(ReasonInput):
    """A draft to be approved; it may get its moment at the same time."""

    scheduled_at = Instant(required=False, help_text="When to send it, with its offset.")
    time_zone = Text(
        required=False,
        max_length=ZONE_CHARS,
        default="",
        allow_blank=True,
        help_text="The zone it is planned in from now on; empty: as before.",
    )


class ApprovalInput(ReasonInput):
    """A yes; why, if there is more to say."""

    content_version = WholeNumber(
        required=False, help_text="The version that was read: another one is not decided about."
    )


class RejectionInput(ApprovalInput):
    """A no, and why."""

    reason = Text(max_length=1000, help_text="Why; its author is told.")


class CopyInput(StrictBody):
    """What is different in the copy."""

    connection = Text(required=False, help_text="Another account for it.")
    scheduled_at = Instant(required=False, help_text="When to send it; else it is a draft.")
    time_zone = Text(
        required=False,
        max_length=ZONE_CHARS,
        default="",
        allow_blank=True,
        help_text="The zone it is planned in; empty: as the original.",
    )
    external_id = Identifier(required=False, max_length=255, help_text="Your id of the copy.")


class ReschedulePost(PostAction):
    """Give a post another moment."""

    @operation(
        "reschedule_post",
        "Give a post another moment",
        tag="posts",
        body=MomentInput,
        example={"scheduled_at": "2026-11-27T10:00:00+01:00"},
        answers={200: Answered(POST, "It has its new moment.")},
        problems=TOO_LATE,
        conditional=True,
    )
    def post(self, request: Request, post_id: str) -> Response:
        """Move a post that was not sent; its content, prepared uploads and approval stay.

        Its lateness is judged by the new moment. A held or failed post goes on.
        """
        return self.carry_out(post_id, MomentInput, moments.reschedule_post)


class SubmitPost(PostAction):
    """Ask for approval."""

    @operation(
        "submit_post",
        "Submit a draft for approval",
        tag="approval",
        body=SubmissionInput,
        example={"scheduled_at": "2026-11-27T10:00:00+01:00"},
        answers={
            200: Answered(POST, "It awaits approval.", POST.example(state="awaiting_approval"))
        },
        problems=TOO_LATE,
        conditional=True,
    )
    def post(self, request: Request, post_id: str) -> Response:
        """Ask the workspace's approvers to let a draft go out, at the moment it has or gets now."""
        return self.carry_out(post_id, SubmissionInput, approvals.submit_post)


class Decision(PostAction):
    """What an approver does; to stop a post, a key will do."""

    write_role = Role.APPROVER


class ApprovePost(Decision):
    """Let a post go out; a key is nobody's word, so it takes a person."""

    @operation(
        "approve_post",
        "Approve a post",
        tag="approval",
        body=ApprovalInput,
        example={"content_version": 1},
        answers={200: Answered(POST, "It goes out at its moment.")},
        problems={
            409: "It does not await approval (any more); it is another version than the one that "
            "was read; or the caller has written in it (`own_post`)."
        },
        conditional=True,
    )
    def post(self, request: Request, post_id: str) -> Response:
        """Let a post that somebody else wrote go out at its moment.

        If that has passed, its late policy decides. With `content_version` only that version.
        """
        if self.caller.user is None:
            raise Problem(
                403,
                "person_needed",
                "A person approves: send a token of theirs, or use their browser session.",
            )
        return self.carry_out(post_id, ApprovalInput, approvals.approve_post)


class RejectPost(Decision):
    """Send a post back to its author."""

    @operation(
        "reject_post",
        "Reject a post",
        tag="approval",
        body=RejectionInput,
        example={"reason": "The date is wrong."},
        answers={200: Answered(POST, "It is a draft again.", POST.example(state="draft"))},
        problems=TOO_LATE,
        conditional=True,
    )
    def post(self, request: Request, post_id: str) -> Response:
        """Send a post that awaits approval back to its author as a draft, saying why."""
        return self.carry_out(post_id, RejectionInput, approvals.reject_post)


class WithdrawApproval(Decision):
    """Stop an approved post."""

    @operation(
        "withdraw_approval",
        "Take an approval back",
        tag="approval",
        body=ReasonInput,
        example={"reason": "The date is wrong."},
        answers={
            200: Answered(POST, "It awaits approval.", POST.example(state="awaiting_approval"))
        },
        problems=TOO_LATE,
        conditional=True,
    )
    def post(self, request: Request, post_id: str) -> Response:
        """Stop a post until somebody approves it anew: it wins until the post is being sent."""
        return self.carry_out(post_id, ReasonInput, approvals.withdraw_approval)


class DuplicatePost(PostAction):
    """Copy a post."""

    @operation(
        "duplicate_post",
        "Copy a post",
        tag="posts",
        body=CopyInput,
        example={"scheduled_at": "2026-12-24T10:00:00+01:00"},
        answers={
            201: Answered(POST, "The copy.", POST.example(state="draft")),
            200: Answered(POST, "A post with this external_id was there already: here it is."),
        },
    )
    def post(self, request: Request, post_id: str) -> Response:
        """Make a new post of a post's content, for its account or another: a draft, unless it says
        when.
        """
        wish: dict[str, Any] = self.read(CopyInput)
        access = self.enter()
        post = post_of(access, post_id)
        if "connection" in wish:
            wish["connection"] = connection_of(access, wish["connection"], "connection")
        with transaction.atomic():
            copy, is_new = duplicate_post(post, actor=access.actor, created_by=access.user, **wish)
            return self.answer(shown_post(copy), 201 if is_new else 200)
