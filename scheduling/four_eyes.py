"""With FOUR_EYES, what became of a post in doubt is said by one person and confirmed by another.

The first word is kept as a proposal and changes nothing; the same word of somebody else is the
confirmation. A proposal is void as soon as the post is no longer what its proposer looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.audit import record
from accounts.models import ApiKey
from engine.states import IllegalTransition
from engine.words import moment
from scheduling.models import ResolutionProposal, ScheduledPost
from scheduling.questions import next_part
from scheduling.states import PostState

End = ResolutionProposal.End
Seen = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody says of the part in doubt."""

    live: bool
    actor: str
    permalink: str = ""
    remote_id: str = ""
    reason: str = ""


def open_proposal(post: ScheduledPost) -> ResolutionProposal | None:
    """Return what waits for a second person, or None (also when the post has changed since)."""
    if not settings.FOUR_EYES or post.state != PostState.OUTCOME_UNKNOWN:
        return None
    found = ResolutionProposal.objects.filter(post=post, end=End.OPEN).first()
    return found if found is not None and found.seen == _seen(post) else None


def settle(post: ScheduledPost, word: Word) -> ResolutionProposal | None:
    """Return the proposal that `word` confirms, or None: then it is a proposal itself, kept now.

    To be called with the post locked, after every other rule was found kept. Raises
    IllegalTransition when the proposer comes again, or somebody contradicts what waits.
    """
    _end_void(post)
    waiting = open_proposal(post)
    if waiting is None:
        _propose(post, word)
        return None
    same = _same(waiting, word)
    if is_by(waiting, word.actor):
        if same:
            raise IllegalTransition(
                f"You said so yourself at {moment(waiting.at)}: a second person confirms it."
            )
        _end(waiting, End.WITHDRAWN, word.actor, "said otherwise")
        _propose(post, word)
        return None
    if not same:
        raise IllegalTransition(
            f"{sentence(waiting)} You say something else: agree with them, confirm exactly that, "
            "or withdraw it."
        )
    waiting.end = End.CONFIRMED
    waiting.save(update_fields=["end"])
    return waiting


def word_of(proposal: ResolutionProposal, *, actor: str, reason: str) -> Word:
    """Return the same word, said by somebody else."""
    return Word(proposal.live, actor, proposal.permalink, proposal.remote_id, reason)


def withdraw(post: ScheduledPost, *, actor: str, reason: str) -> None:
    """Take back what waits (the post locked); raises IllegalTransition when nothing does."""
    waiting = open_proposal(post)
    if waiting is None:
        raise IllegalTransition("Nothing waits for a second person.")
    _end(waiting, End.WITHDRAWN, actor, reason)


def sentence(proposal: ResolutionProposal) -> str:
    """Return "ada said at 03:10:00 UTC that it is live (https://...)."."""
    who = proposal.actor.removeprefix("user:")
    where = f" ({proposal.permalink or proposal.remote_id})" if proposal.live else ""
    where = "" if where == " ()" else where
    verdict = "live" if proposal.live else "not live and is to be sent again"
    return f"{who} said at {moment(proposal.at, now=timezone.now())} that it is {verdict}{where}."


def persons_behind(actor: str) -> set[str]:
    """Return every name by which the same person may come again: their keys act for them."""
    names = {actor}
    kind, _, rest = actor.partition(":")
    if kind == "key":
        key = ApiKey.objects.select_related("created_by")
        found = key.filter(prefix=rest.removeprefix("crl_")).first()
        if found is not None and found.created_by is not None:
            names.add(f"user:{found.created_by.username}")
    return names


def is_by(proposal: ResolutionProposal, actor: str) -> bool:
    """Say whether the same person made it, by whatever name they come now."""
    return bool(persons_behind(actor) & set(proposal.persons))


def _same(proposal: ResolutionProposal, word: Word) -> bool:
    if proposal.live != word.live:
        return False
    if not word.live:
        return True
    theirs = (proposal.permalink, proposal.remote_id)
    return theirs == (word.permalink, word.remote_id)


def _seen(post: ScheduledPost) -> Seen:
    """Return what a claim by the reconciler leaves alone, and any real change does not."""
    return {
        "version": post.content_version,
        "run": post.publish_run,
        "attempts": post.attempts,
        "part": next_part(post).number,
        "sent_at": post.sent_at.isoformat() if post.sent_at else "",
    }


def _propose(post: ScheduledPost, word: Word) -> None:
    made = ResolutionProposal.objects.create(
        post=post,
        live=word.live,
        permalink=word.permalink,
        remote_id=word.remote_id,
        reason=word.reason,
        actor=word.actor,
        persons=sorted(persons_behind(word.actor)),
        seen=_seen(post),
    )
    record(
        workspace=post.workspace,
        actor=word.actor,
        action="post.resolution_proposed",
        target=f"post:{post.pk}",
        reason=word.reason,
        detail={
            "live": word.live,
            "permalink": word.permalink,
            "part": made.seen["part"],
        },
    )


def _end_void(post: ScheduledPost) -> None:
    found = ResolutionProposal.objects.filter(post=post, end=End.OPEN).first()
    if found is not None and found.seen != _seen(post):
        _end(found, End.VOID, "system", "the post has changed since")


def _end(proposal: ResolutionProposal, end: str, actor: str, reason: str) -> None:
    proposal.end = end
    proposal.save(update_fields=["end"])
    record(
        workspace=proposal.post.workspace,
        actor=actor,
        action=f"post.resolution_{end}",
        target=f"post:{proposal.post_id}",
        reason=reason,
        detail={"proposed_by": proposal.actor, "live": proposal.live},
    )
