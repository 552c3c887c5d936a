"""What staff can do to posts: each action asks first, then calls one service per post."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django import forms

from engine.admin_actions import ConfirmedAction, ReasonForm, Refused
from engine.states import IllegalTransition
from scheduling import services
from scheduling.explanations import refusal
from scheduling.models import ScheduledPost
from scheduling.rules import Invalid

DOUBLE_POST = (
    "If the post is live after all, its followers will see it twice, and Carillon cannot take "
    "the second copy back. Look at the account itself before you go on."
)


class LiveForm(ReasonForm):
    permalink = forms.URLField(
        required=False,
        max_length=1000,
        assume_scheme="https",
        help_text="The post's public address at the network, if you have it.",
    )
    field_order = ("permalink", "reason")


class NotLiveForm(ReasonForm):
    looked = forms.BooleanField(
        label="I looked at the account, and the post is not there.",
        error_messages={"required": "Look at the account first: a wrong answer posts twice."},
    )
    field_order = ("looked", "reason")


def _action(
    name: str, service: Callable[..., object], *, rule: str = "", **rest: Any
) -> ConfirmedAction:
    """Return the action that calls `service` for each post; `rule` is its key in ALLOWED."""
    rule = rule or name

    def run(pk: UUID, actor: str, answers: Mapping[str, Any]) -> object:
        given = {key: value for key, value in answers.items() if key != "looked"}
        try:
            return service(pk, actor=actor, **given)
        except Invalid as invalid:
            raise Refused("; ".join(error.message for error in invalid.errors)) from None
        except IllegalTransition:
            state = ScheduledPost.objects.values_list("state", flat=True).get(pk=pk)
            if why := refusal(state, rule):
                raise Refused(why) from None
            raise

    return ConfirmedAction(
        name=name, run=run, refusal=lambda post: refusal(post.state, rule), **rest
    )


POST_ACTIONS = (
    _action(
        "publish_now",
        services.publish_now,
        label="Publish now",
        button="Publish now",
        done="to be published now",
        consequence="Due at once: out within a second, however late.",
    ),
    _action(
        "requeue",
        services.requeue_post,
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
        label="Cancel",
        button="Cancel post",
        done="cancelled",
        consequence="Nothing is sent. A cancelled post can be requeued.",
    ),
    _action(
        "reconcile_now",
        services.reconcile_now,
        label="Reconcile now",
        button="Ask the network now",
        done="to be asked about now",
        consequence="Carillon asks the network what became of it, as soon as that is safe.",
    ),
    _action(
        "resolve_live",
        partial(services.resolve_outcome, live=True),
        rule="resolve",
        label="Resolve: it is live",
        button="It is live",
        done="resolved as published",
        consequence="The post ends as published. Nothing is sent again.",
        form_class=LiveForm,
        bulk=False,  # each has its own address
    ),
    _action(
        "resolve_not_live",
        partial(services.resolve_outcome, live=False),
        rule="resolve",
        label="Resolve: it is not live",
        button="It is not live",
        done="to be sent again",
        consequence="A new run starts: it is sent again at once.",
        warning=DOUBLE_POST,
        form_class=NotLiveForm,
    ),
)
