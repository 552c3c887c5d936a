"""With FOUR_EYES one person's word about a post in doubt waits for another's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, Workspace
from accounts.services import issue_api_key
from engine.states import IllegalTransition
from platforms.models import SocialConnection
from scheduling import services
from scheduling.explanations import explain
from scheduling.four_eyes import open_proposal
from scheduling.models import ResolutionProposal, ScheduledPost
from scheduling.rules import Invalid
from scheduling.states import PostState
from tests.api.client import Api
from tests.factories import make_post, make_user

pytestmark = pytest.mark.django_db

S = PostState
ADA, BOB = "user:ada", "user:bob"
ADDRESS = "http://127.0.0.1:8010/#sandbox-17"


@pytest.fixture(autouse=True)
def four_eyes(settings: Any) -> None:
    """Switch it on."""
    settings.FOUR_EYES = True


@pytest.fixture
def post(connection: SocialConnection) -> ScheduledPost:
    """Give a post in doubt whose call can no longer land."""
    sent_at = timezone.now() - timedelta(minutes=10)
    return make_post(connection, state=S.OUTCOME_UNKNOWN, sent_at=sent_at, attempts=1)


def live(post: ScheduledPost, actor: str, address: str = ADDRESS) -> str:
    done = services.resolve_outcome(
        post.pk, actor=actor, live=True, permalink=address, reason="seen"
    )
    return str(done.state)


def not_live(post: ScheduledPost, actor: str) -> str:
    return str(services.resolve_outcome(post.pk, actor=actor, live=False).state)


def requeue(post: ScheduledPost, actor: str) -> str:
    return str(services.requeue_post(post.pk, actor=actor, confirm_not_live=True).state)


@pytest.mark.parametrize(
    ("say", "end"), [(live, S.PUBLISHED), (not_live, S.SCHEDULED), (requeue, S.SCHEDULED)]
)
def test_the_first_word_changes_nothing_and_the_second_settles_it(
    post: ScheduledPost, say: Any, end: str
) -> None:
    before = post.fencing_token
    assert say(post, ADA) == S.OUTCOME_UNKNOWN
    post.refresh_from_db()
    assert post.fencing_token == before
    assert open_proposal(post) is not None
    assert say(post, BOB) == end
    first, second = AuditEvent.objects.order_by("pk")
    assert (first.actor, first.action) == (ADA, "post.resolution_proposed")
    assert second.actor == BOB
    assert second.detail["proposed_by"] == ADA
    assert ResolutionProposal.objects.get().end == "confirmed"


def test_a_requeue_confirms_that_it_is_not_live(post: ScheduledPost) -> None:
    assert not_live(post, ADA) == S.OUTCOME_UNKNOWN
    assert requeue(post, BOB) == S.SCHEDULED


def test_the_proposer_cannot_confirm(post: ScheduledPost) -> None:
    live(post, ADA)
    with pytest.raises(IllegalTransition, match="You said so yourself"):
        live(post, ADA)
    with pytest.raises(IllegalTransition, match="You said so yourself"):
        services.confirm_resolution(post.pk, actor=ADA)
    post.refresh_from_db()
    assert post.state == S.OUTCOME_UNKNOWN


def test_nor_with_a_key_of_their_own(post: ScheduledPost) -> None:
    ada = make_user(post.workspace, username="ada")
    key, _ = issue_api_key(workspace=post.workspace, name="k", actor=ADA, created_by=ada)
    by_key = f"key:crl_{key.prefix}"
    live(post, by_key)
    with pytest.raises(IllegalTransition, match="You said so yourself"):
        live(post, ADA)
    assert live(post, BOB) == S.PUBLISHED


def test_a_contradiction_is_refused_and_the_proposer_may_change_their_mind(
    post: ScheduledPost,
) -> None:
    live(post, ADA)
    with pytest.raises(IllegalTransition, match=r"ada said at .* that it is live"):
        not_live(post, BOB)
    assert not_live(post, ADA) == S.OUTCOME_UNKNOWN
    assert not_live(post, BOB) == S.SCHEDULED
    ends = ResolutionProposal.objects.order_by("pk").values_list("end", flat=True)
    assert list(ends) == ["withdrawn", "confirmed"]


@pytest.mark.parametrize("field", ["attempts", "publish_run", "content_version"])
def test_a_proposal_is_void_when_the_post_has_changed(post: ScheduledPost, field: str) -> None:
    not_live(post, ADA)
    ScheduledPost.objects.filter(pk=post.pk).update(**{field: 7})
    post.refresh_from_db()
    assert open_proposal(post) is None
    with pytest.raises(IllegalTransition, match="Nothing waits"):
        services.confirm_resolution(post.pk, actor=BOB)
    assert not_live(post, BOB) == S.OUTCOME_UNKNOWN  # a proposal of their own
    assert AuditEvent.objects.filter(action="post.resolution_void").count() == 1


def test_a_look_of_the_reconciler_leaves_it_valid(post: ScheduledPost) -> None:
    not_live(post, ADA)
    ScheduledPost.objects.filter(pk=post.pk).update(fencing_token=9)
    post.refresh_from_db()
    assert open_proposal(post) is not None


def test_a_wrong_address_is_refused_from_the_first_person_already(post: ScheduledPost) -> None:
    with pytest.raises(Invalid):
        live(post, ADA, "https://x.example/1")
    assert not ResolutionProposal.objects.exists()


def test_the_post_says_that_it_waits_for_a_second_person(post: ScheduledPost) -> None:
    live(post, ADA)
    said = explain(post)
    assert said.headline.startswith("Waits for a second person: ada said at ")
    assert ADDRESS in said.headline
    assert said.needs_person


def test_it_can_be_withdrawn(post: ScheduledPost) -> None:
    live(post, ADA)
    services.withdraw_resolution(post.pk, actor=BOB, reason="wrong account")
    assert open_proposal(post) is None
    event = AuditEvent.objects.get(action="post.resolution_withdrawn")
    assert (event.actor, event.reason) == (BOB, "wrong account")
    with pytest.raises(IllegalTransition, match="Nothing waits"):
        services.withdraw_resolution(post.pk, actor=BOB)


def test_switched_off_one_word_is_enough(post: ScheduledPost, settings: Any) -> None:
    settings.FOUR_EYES = False
    assert live(post, ADA) == S.PUBLISHED
    assert not ResolutionProposal.objects.exists()


def test_over_the_api_the_second_caller_confirms(workspace: Workspace, post: ScheduledPost) -> None:
    callers = []
    for _ in range(2):
        _, text = issue_api_key(workspace=workspace, name="k", actor="system")
        callers.append(Api(Authorization=f"Bearer {text}"))
    first = callers[0].post(f"posts/{post.pk}/resolve", {"live": False})
    assert (first.status, first.body["state"]) == (200, "outcome_unknown")
    assert first.body["proposal"]["live"] is False
    assert "Waits for a second person" in first.body["explanation"]
    again = callers[0].post(f"posts/{post.pk}/resolve", {"live": False})
    assert "You said so yourself" in again.problem(409, "illegal_transition")["detail"]
    second = callers[1].post(f"posts/{post.pk}/resolve", {"live": False})
    assert (second.body["state"], second.body["proposal"]) == ("scheduled", None)
