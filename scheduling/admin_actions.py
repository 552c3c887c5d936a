"""What staff can do to posts: each action asks first, then calls one service per post."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings

from engine import rights
from engine.admin_actions import ConfirmedAction, Proposed, ReasonForm, Refused
from engine.states import IllegalTransition
from scheduling import approvals, four_eyes, services
from scheduling.explanations import ALLOWED, refusal
from scheduling.models import ScheduledPost
from scheduling.rules import Invalid
from scheduling.states import PostState

DOUBLE_POST = (
    "If the post is live after all, its followers will see it twice, and Carillon cannot take "
    "the second copy back. Look at the account itself before you go on."
)


class LiveForm(ReasonForm):
    permalink = forms.URLField(
        required=False,
        max_length=1000,
        assume_scheme="https",
        label="Address",
        help_text="The public address of the part in doubt. Needed when more parts follow it.",
    )
    remote_id = forms.CharField(
        required=False,
        max_length=255,
        label="Id at the network",
        help_text="Only where the address does not tell it.",
    )
    field_order = ("permalink", "remote_id", "reason")


class RejectionForm(ReasonForm):
    reason = forms.CharField(
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Its author reads this, and it stands in the audit log.",
        error_messages={"required": "Say why: its author needs to know what to change."},
    )


class SecondForm(ReasonForm):
    looked = forms.BooleanField(
        label="I looked at the account myself, and it is as the other person says.",
        error_messages={"required": "Look at the account first: a wrong answer posts twice."},
    )
    field_order = ("looked", "reason")


class NotLiveForm(ReasonForm):
    looked = forms.BooleanField(
        label="I looked at the account, and the post is not there.",
        error_messages={"required": "Look at the account first: a wrong answer posts twice."},
    )
    field_order = ("looked", "reason")


def _never_approved(post: ScheduledPost) -> str:
    return "" if post.approved_version else "nobody had to approve it"


def _two_are_needed() -> str:
    if not settings.FOUR_EYES:
        return ""
    return "It takes effect when a second person has confirmed it; until then nothing changes."


def _refusal(rule: str) -> Callable[[ScheduledPost], str]:
    """Return what tells why a post does not allow an action, `rule` being its key in ALLOWED."""

    def why(post: ScheduledPost) -> str:
        if found := refusal(post.state, rule):
            return found
        waits = rule == "resolve" and four_eyes.open_proposal(post)
        return "it waits for a second person" if waits else ""

    return why


def _nothing_waits(post: ScheduledPost) -> str:
    return "" if four_eyes.open_proposal(post) else "nothing waits for a second person"


def _action(
    name: str,
    service: Callable[..., object],
    *,
    rule: str = "",
    objection: Callable[[ScheduledPost], str] = lambda _: "",
    refused_when: Callable[[ScheduledPost], str] | None = None,
    **rest: Any,
) -> ConfirmedAction:
    """Return the action that calls `service` for each post; `rule` is its key in ALLOWED.

    `objection` says why it is not offered although the service would do it.
    """
    rule = rule or name

    def run(pk: UUID, actor: str, answers: Mapping[str, Any]) -> object:
        given = {key: value for key, value in answers.items() if key != "looked"}
        try:
            post = service(pk, actor=actor, **given)
        except Invalid as invalid:
            raise Refused("; ".join(error.message for error in invalid.errors)) from None
        except IllegalTransition:
            state = ScheduledPost.objects.values_list("state", flat=True).get(pk=pk)
            if rule in ALLOWED and (why := refusal(state, rule)):
                raise Refused(why) from None
            raise
        if rule == "resolve" and getattr(post, "state", "") == PostState.OUTCOME_UNKNOWN:
            raise Proposed
        return post

    if rule == "resolve":
        rest.setdefault("remark", _two_are_needed)
    found = refused_when or _refusal(rule)
    return ConfirmedAction(
        name=name, run=run, refusal=lambda post: found(post) or objection(post), **rest
    )


POST_ACTIONS = (
    _action(
        "approve",
        approvals.approve_post,
        pins="content_version",
        permission=rights.APPROVE,
        label="Approve",
        button="Approve",
        done="approved",
        consequence="It goes out at its moment; if that has passed, its late policy decides.",
    ),
    _action(
        "reject",
        approvals.reject_post,
        pins="content_version",
        permission=rights.APPROVE,
        label="Reject",
        button="Reject",
        done="sent back as drafts",
        consequence="It becomes a draft again, and its author is told why.",
        form_class=RejectionForm,
    ),
    _action(
        "publish_now",
        services.publish_now,
        permission=rights.PUBLISH_NOW,
        label="Publish now",
        button="Publish now",
        done="to be published now",
        consequence="Due at once: out within a second, however late.",
    ),
    _action(
        "requeue",
        services.requeue_post,
        permission=rights.REQUEUE,
        label="Requeue",
        button="Requeue",
        done="requeued",
        consequence=(
            "A new run with a full set of attempts, at the planned moment or at once if that has "
            "passed. The history stays; parts that are live are not published again."
        ),
    ),
    _action(
        "cancel",
        services.cancel_post,
        permission=rights.CANCEL,
        label="Cancel",
        button="Cancel post",
        done="cancelled",
        consequence="Nothing is sent. A cancelled post can be requeued.",
    ),
    _action(
        "reconcile_now",
        services.reconcile_now,
        permission=rights.RECONCILE,
        label="Reconcile now",
        button="Ask the network now",
        done="to be asked about now",
        consequence="Carillon asks the network what became of it, as soon as that is safe.",
    ),
    _action(
        "resolve_live",
        partial(services.resolve_outcome, live=True),
        rule="resolve",
        permission=rights.RESOLVE,
        label="Resolve: it is live",
        button="It is live",
        done="resolved as published",
        consequence=(
            "If it was the last part, the post ends as published. Otherwise the next part is "
            "published below it, at once. The part itself is not sent again."
        ),
        form_class=LiveForm,
        bulk=False,  # each has its own address
    ),
    _action(
        "resolve_not_live",
        partial(services.resolve_outcome, live=False),
        rule="resolve",
        permission=rights.RESOLVE,
        label="Resolve: it is not live",
        button="It is not live",
        done="to be sent again",
        consequence=(
            "A new run starts: the part in doubt is sent again at once; parts that are live are "
            "not."
        ),
        warning=DOUBLE_POST,
        form_class=NotLiveForm,
    ),
    _action(
        "requeue_in_doubt",
        partial(services.requeue_post, confirm_not_live=True),
        rule="resolve",
        permission=rights.RESOLVE,
        label="Requeue although the outcome is unknown",
        button="Requeue",
        done="requeued",
        consequence=(
            "A new run with a full set of attempts, at once, beginning with the part in doubt. It "
            "is the same as saying that this part is not live."
        ),
        warning=DOUBLE_POST,
        form_class=NotLiveForm,
        bulk=False,  # each account has to be looked at
    ),
    _action(
        "withdraw_approval",
        approvals.withdraw_approval,
        permission=rights.APPROVE,
        objection=_never_approved,
        label="Withdraw approval",
        button="Withdraw approval",
        done="sent back for approval",
        consequence="Nothing is sent until somebody approves it anew.",
    ),
    _action(
        "confirm_resolution",
        services.confirm_resolution,
        rule="resolve",
        refused_when=_nothing_waits,
        permission=rights.RESOLVE,
        remark=str,
        label="Confirm what was said",
        button="Confirm what was said",
        done="resolved by two people",
        consequence=(
            "What the other person said of the part in doubt takes effect. Look at the account "
            "yourself first: that is what the second pair of eyes is for."
        ),
        warning="A wrong answer posts twice, or loses the post.",
        form_class=SecondForm,
        bulk=False,
    ),
    _action(
        "withdraw_resolution",
        services.withdraw_resolution,
        rule="withdraw",
        refused_when=_nothing_waits,
        permission=rights.RESOLVE,
        label="Withdraw what was said",
        button="Withdraw what was said",
        done="in doubt as before",
        consequence="What was said is dropped; the post stays in doubt, and anybody may say anew.",
        bulk=False,
    ),
)
