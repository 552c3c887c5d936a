"""The judge of a trial: a pure function from our rows and the networks' books to violations.

Kinds: `lost` (not published although nobody needs to act), `doubled` (two living copies), `stuck`
(a row nobody will move on), `untrue` (attempts and transitions tell what did not happen), `slow`
(went on later than promised), `silent` (an outcome the outside was never told).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from scheduling.states import MACHINE, PostGraph, PostState

S = PostState

MAY_HAVE_LANDED = frozenset({"in_flight", "unknown"})  # of an attempt whose worker died
STARTS = frozenset({S.SCHEDULED, S.QUEUED})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row of PublishAttempt; `sent` says that it notes when it was sent."""

    token: int
    outcome: str
    sent: bool
    remote_ids: tuple[str, ...] = ()
    category: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """One row of PostTransition; `at` is epoch seconds on the database's clock."""

    source: str
    target: str
    token: int
    at: float
    actor: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """All that our rows say about one post. Instants are epoch seconds on the database's clock."""

    id: str
    network: str
    account: str
    texts: tuple[str, ...]
    state: str
    scheduled: float
    due: float | None = None
    lease_slot: int | None = None
    lease_end: float | None = None
    remote_ids: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    moves: tuple[Move, ...] = ()
    last_error: str = ""
    told: int | None = None  # outbox rows about its publication; None: nobody asked to be told


@dataclass(frozen=True, slots=True)
class Copy:
    """One post as a network has it."""

    id: str
    network: str
    account: str
    text: str
    reply_to: str | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Promise:
    """What this trial may expect.

    `back` is when the fault was over and work could go on; `unsent_seconds` and `doubt_seconds`
    bound how long after it (or after its own moment, or its lease and grace) a post goes on;
    None: nothing is promised, a network itself asked for the wait. `by_person` names the states in
    which posts of the accounts in `of_accounts` may truly wait for a person.
    """

    back: float
    lease_and_grace: float
    unsent_seconds: float | None = 5.0
    doubt_seconds: float | None = 15.0
    by_person: frozenset[str] = frozenset()
    of_accounts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise."""

    kind: str
    post: str
    what: str


@dataclass(slots=True)
class Verdict:
    """All violations, and how long posts took to go on (seconds), for the table."""

    violations: list[Violation] = field(default_factory=list)
    unsent_seconds: list[float] = field(default_factory=list)
    doubt_seconds: list[float] = field(default_factory=list)


def judge(
    stories: Sequence[Story], copies: Iterable[Copy], fresh_slots: Iterable[int], promise: Promise
) -> Verdict:
    """Return what `stories` and the networks' `copies` say about the promises."""
    verdict = Verdict()
    books = _Books(copies)
    fresh = frozenset(fresh_slots)
    for story in stories:
        found = [
            *_lost(story, promise),
            *_copies(story, books),
            *_stuck(story, fresh),
            *_path(story),
            *_attempts(story),
            *_published(story, books),
            *_landings(story, books),
            *_silent(story),
            *_slow(story, promise, verdict),
        ]
        verdict.violations += [Violation(kind, story.id, what) for kind, what in found]
    return verdict


class _Books:
    """The networks' copies, by what they say and by their id."""

    def __init__(self, copies: Iterable[Copy]) -> None:
        self.living: Counter[tuple[str, str, str]] = Counter()
        self.landed: Counter[tuple[str, str, str]] = Counter()
        self.by_id: dict[tuple[str, str], Copy] = {}
        for copy in copies:
            key = (copy.network, copy.account, copy.text)
            self.landed[key] += 1
            self.living[key] += not copy.deleted
            self.by_id[(copy.network, copy.id)] = copy


Found = Iterable[tuple[str, str]]


def _lost(story: Story, promise: Promise) -> Found:
    if story.state == S.PUBLISHED:
        return
    if story.state in promise.by_person and story.account in promise.of_accounts:
        if not story.last_error:
            yield "silent", f"waits in {story.state} for a person, but says no word"
        return
    yield "lost", f"ended {story.state}: {story.last_error[:200]}"


def _copies(story: Story, books: _Books) -> Found:
    for number, text in enumerate(story.texts):
        living = books.living[(story.network, story.account, text)]
        if living > 1:
            yield "doubled", f"part {number + 1} is live {living} times"
        if living < 1 and story.state == S.PUBLISHED:
            yield "lost", f"published, but part {number + 1} is not live"


def _stuck(story: Story, fresh: frozenset[int]) -> Found:
    if story.state == S.PUBLISHING and (story.lease_slot is None or story.lease_end is None):
        yield "stuck", "publishing without a lease"
    if story.lease_slot is not None and story.lease_slot not in fresh:
        yield "stuck", f"{story.state}, leased by slot {story.lease_slot}, which is dead"
    if story.lease_slot is not None and story.state not in MACHINE | {S.PUBLISHING}:
        yield "stuck", f"{story.state}, but still leased"
    if story.state in STARTS | {S.PROCESSING} and story.due is None:
        yield "stuck", f"{story.state} without a moment"
    waits_for_nobody = story.state == S.OUTCOME_UNKNOWN and story.due is None
    if waits_for_nobody and "Carillon" not in story.last_error:  # the sentence that asks a person
        yield "stuck", "in doubt, and neither a machine nor a person is asked"


def _path(story: Story) -> Found:
    """The moves form one path of legal edges from the start to the present state."""
    where = story.moves[0].source if story.moves else story.state
    if where not in STARTS:
        yield "untrue", f"its story begins in {where}"
    for move in story.moves:
        if move.source != where:
            yield "untrue", f"a move from {move.source}, but it was in {where}"
        if not PostGraph.allows(move.source, move.target):
            yield "untrue", f"{move.source} -> {move.target} is no edge"
        where = move.target
    if where != story.state:
        yield "untrue", f"its moves end in {where}, but it is {story.state}"


def _attempts(story: Story) -> Found:
    open_ones = [a for a in story.attempts if a.outcome == "in_flight"]
    if open_ones and story.state != S.PUBLISHING:
        yield "untrue", f"{len(open_ones)} attempts are still in flight"
    tokens = {attempt.token for attempt in story.attempts}
    for move in story.moves:
        if move.target == S.PUBLISHING and move.token not in tokens:
            yield "untrue", "it was marked without an attempt"


def _published(story: Story, books: _Books) -> Found:
    """What is called published is there, whole, in order, and somebody saw it happen."""
    if story.state != S.PUBLISHED:
        return
    if len(story.remote_ids) != len(story.texts):
        yield "untrue", f"{len(story.texts)} parts, but {len(story.remote_ids)} remote ids"
    above: str | None = None
    for remote_id, text in zip(story.remote_ids, story.texts, strict=False):
        copy = books.by_id.get((story.network, remote_id))
        if copy is None or copy.account != story.account:
            yield "untrue", f"the account has no post {remote_id}"
        elif copy.text != text:
            yield "untrue", f"post {remote_id} is another text"
        elif copy.reply_to != above:
            yield "untrue", f"post {remote_id} does not answer the part before it"
        above = remote_id
    noted = any(
        attempt.outcome == "published" and attempt.remote_ids == story.remote_ids
        for attempt in story.attempts
    )
    asked = any(m.source == S.OUTCOME_UNKNOWN and m.target == S.PUBLISHED for m in story.moves)
    if not (noted or asked):
        yield "untrue", "published, but no attempt and no question says so"


def _landings(story: Story, books: _Books) -> Found:
    """The network got no more than our attempts admit."""
    admitted = sum(a.sent or a.outcome in MAY_HAVE_LANDED for a in story.attempts)
    for number, text in enumerate(story.texts):
        landed = books.landed[(story.network, story.account, text)]
        if landed > admitted:
            yield "untrue", f"part {number + 1} landed {landed} times, {admitted} attempts say so"


def _silent(story: Story) -> Found:
    if story.told is not None and story.state == S.PUBLISHED and story.told != 1:
        yield "silent", f"{story.told} outbox rows tell of its publication, not one"


def _slow(story: Story, promise: Promise, verdict: Verdict) -> Found:
    """Every doubt is resolved, and a post that never was in doubt is sent, soon enough.

    A repeat that has no answer either is a doubt of its own.
    """
    doubts = list(_doubts(story, promise))
    verdict.doubt_seconds += doubts
    for took in doubts:
        if promise.doubt_seconds is not None and took > promise.doubt_seconds:
            yield "slow", f"in doubt until {took:.1f} s after it could be resolved"
    marks = [move.at for move in story.moves if move.target == S.PUBLISHING]
    if doubts or not marks:
        return
    took = marks[0] - max(story.scheduled, promise.back)
    verdict.unsent_seconds.append(took)
    if promise.unsent_seconds is not None and took > promise.unsent_seconds:
        yield "slow", f"unsent until {took:.1f} s after it could go on"


def _doubts(story: Story, promise: Promise) -> Iterable[float]:
    """Give the seconds of each doubt, from when it could be resolved until it was."""
    marked = story.scheduled
    for move, following in pairwise(story.moves):
        if move.target == S.PUBLISHING:
            marked = move.at
        if move.target == S.OUTCOME_UNKNOWN:
            yield following.at - max(marked + promise.lease_and_grace, promise.back)


def summary(verdict: Verdict) -> Mapping[str, Any]:
    """Return the figures of a verdict as JSON would have them."""
    return {
        "violations": [[v.kind, v.post, v.what] for v in verdict.violations],
        "unsent_seconds": [round(s, 2) for s in verdict.unsent_seconds],
        "doubt_seconds": [round(s, 2) for s in verdict.doubt_seconds],
    }
