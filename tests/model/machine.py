"""A small model of one post's way to the network: every interleaving of two workers and the world.

Time goes in ticks. A call may start while the lease outlasts its deadline, gets its answer within
DEADLINE, and may land up to LATE after that; so nothing lands after LEASE + GRACE of its mark.
Workers crash and stall at any step (a stalled one is also a host that is cut off, and comes back
with what it knew), answers get lost, those of the database too, slots are taken for dead although
they live, and people cancel, edit, requeue, pause and restore an old copy whenever they like. A
post is one part or a thread of two, each part with a call, a key and a doubt of its own.

People who say what they saw are right: they look at the network, after nothing can land any more.
One who says "it is not live" of a live part makes the second copy himself; no rule of ours can
know better, so it is no step here. The page that asks him says so.

`Rules` are the design's; each can be dropped, to show what it is there for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

DEADLINE, LATE = 1, 1  # a call's total deadline; how much later it may still land
LEASE, GRACE = 2, 1  # from the send mark; GRACE covers LATE
LAG = 2  # a landed post shows in `find` this much later
OVER = LEASE + GRACE + 1  # from here on nothing can land
KEY_LIFE = 7  # the network forgets a key this long after its first use


@dataclass(frozen=True, slots=True)
class Story:
    """What is searched in one go: all at once would be too many worlds.

    Workers take the post at most `claims` times to send it; people do at most `actions` of what
    they may, each at most once.
    """

    parts: int
    claims: int
    people: frozenset[str]
    actions: int


STORIES = {
    "edits": Story(1, 3, frozenset({"cancel", "edit", "requeue"}), 2),
    "stops": Story(1, 2, frozenset({"pause", "restore"}), 1),
    "thread": Story(2, 2, frozenset({"cancel", "edit", "requeue"}), 1),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What keeps the promises; False drops a rule."""

    mark_before_call: bool = True  # intent first, then the act
    send_only_what_was_marked: bool = True  # a refused mark means: do not call
    send_only_while_lease_lasts: bool = True  # re-checked on the monotonic clock
    fenced_mark: bool = True  # a mark presents the current token
    fenced_record: bool = True  # so does a result
    fenced_unmark: bool = True  # and so does taking a mark back
    unmark_keeps_doubt: bool = True  # a repeat that was not sent leaves the first call in doubt
    people_raise_the_token: bool = True  # cancel, edit, requeue take the row from its slot
    people_win_only_until_the_mark: bool = True  # then they are refused
    people_wait_while_in_doubt: bool = True  # also when the post waits for a repeat
    people_wait_for_grace: bool = True  # "it is not live" is refused while a call may land
    answer_is_about_a_part: bool = True  # "it is live" ends the post only if it was the last part
    paused_means_no_mark: bool = True  # also for what was claimed before
    restored_starts_paused: bool = True  # until somebody has looked what went out before
    resume_after_what_is_live: bool = True  # a thread goes on, it never begins anew
    progress_before_next_part: bool = True  # committed, fenced, and only then the next call
    progress_renews_the_mark: bool = True  # the next call may land later than the first
    half_published_is_not_edited: bool = True
    only_unsent_is_stolen: bool = True  # a sent row waits for its lease
    swept_is_unknown: bool = True  # never straight back to scheduled
    reconcile_after_grace: bool = True  # later than anything can land
    absence_after_lag: bool = True  # "not there" counts only past the network's own lag
    repeat_only_if_safe: bool = True  # needs a reliable find or a live key; else a person
    key_alive_at_repeat: bool = True  # looked at again when the repeat is sent
    one_key_for_all_attempts: bool = True  # version and run, never the attempt
    refusal_keeps_doubt: bool = True  # a refused repeat says nothing about the first call
    published_is_final: bool = True


class Row(NamedTuple):
    """The post. `age` counts ticks since the last mark, `key_age` since its key's first mark.

    Both are -1 while they do not matter. `done` parts are known to be live, doubt is of the next.
    The fencing token is not here: all that counts is whether a worker's is the current one, see
    `Worker.current`.
    """

    state: str = "scheduled"
    leased: bool = False
    age: int = -1
    key_age: int = -1
    version: int = 1
    run: int = 1
    doubt: bool = False  # some sent attempt of this run, version and part is unresolved
    done: int = 0


class Worker(NamedTuple):
    """What one worker believes. `left` is how long its call may still land, -1 without a call."""

    phase: str = "idle"
    current: bool = False  # its fencing token is the row's
    key: tuple[int, ...] = ()  # version and run it claimed, and the part it is at
    age: int = -1  # ticks since it issued its mark
    left: int = -1
    answer: str = ""


Key = tuple[int, ...]
IDLE = Worker()


class World(NamedTuple):
    """Everything: two workers (in no order), calls nobody waits for, what followers see."""

    network: str  # how doubt is cleared up here: "find", "key" or "person"
    row: Row = Row()
    workers: tuple[Worker, ...] = (IDLE, IDLE)
    strays: tuple[tuple[Key, int], ...] = ()  # (key, ticks in which it may land)
    live: tuple[tuple[int, int, int], ...] = ()  # (part, version, ticks since it landed)
    keys: tuple[tuple[Key, int], ...] = ()  # (key, ticks the network remembers it)
    claims: int = 3  # how often it may still be taken to be sent
    people: frozenset[str] = frozenset()  # what they have done already
    paused: bool = False
    parts: int = 1


Step = tuple[str, World]


def steps(world: World, rules: Rules, story: Story) -> Iterator[Step]:
    """Yield every (name, next world)."""
    for index, worker in enumerate(world.workers):
        if index == 0 or worker != world.workers[0]:
            yield from _worker_steps(world, index, worker, rules)
    for index, (key, _) in enumerate(world.strays):
        rest = world._replace(strays=world.strays[:index] + world.strays[index + 1 :])
        yield "a call nobody waits for lands", _landed(rest, key)
    yield from _recovery_steps(world, rules)
    if len(world.people) < story.actions:
        yield from _people_steps(world, rules, story.people - world.people)
    yield "time passes", _tick(world)


def problem(before: World, after: World) -> str:
    """Return which promise the step broke, or ""."""
    parts = [part for part, *_ in after.live]
    if len(set(parts)) < len(parts):
        return "two live copies"
    if parts != list(range(len(parts))):
        return "a part is live before the one above it"
    if "restore" in after.people:
        return ""  # our own rows are an old copy: what they say of the past is not true
    if before.paused and before.row.state != "publishing" == after.row.state:
        return "marked while paused"
    if before.row.state == "published" and after.row.state != "published":
        return "published is not final"
    if after.row.state == "cancelled" and len(parts) > after.row.done:
        return "cancelled, and yet live"
    if any(version != after.row.version for _, version, _ in after.live):
        return "edited, and yet the old text is live"
    if after.row.state == "published" and len(parts) < after.parts:
        return "called published, and not all of it is live"
    return ""


def is_settled(world: World) -> bool:
    """Say whether the machine has come to an end (or to the end of this history's claims)."""
    row = world.row
    used_up = row.state == "scheduled" and world.claims == 0
    return used_up or row.state in {"published", "failed", "cancelled", "set aside"}


# --- workers ------------------------------------------------------------------------------


def _worker_steps(world: World, index: int, worker: Worker, rules: Rules) -> Iterator[Step]:
    if worker.phase != "idle":
        yield "a worker crashes", _put(_abandon(world, worker), index, IDLE)
    match worker.phase:
        case "idle":
            yield from _claim(world, index, rules)
        case "claimed":
            yield _mark(world, index, worker, rules)
            yield from _mark_unanswered(world, index, worker, rules)
        case "unsure":
            yield "the mark is taken back", _unmark(world, index, worker, rules)
        case "marked":
            yield _send(world, index, worker, rules)
        case "waiting":
            yield from _answers(world, index, worker)
        case "answered":
            yield from _record(world, index, worker, rules)
        case "asking":
            yield _ask(world, index, worker, rules)
        case "asked":
            yield _settle(world, index, worker, rules)


def _claim(world: World, index: int, rules: Rules) -> Iterator[Step]:
    row = world.row
    if row.leased or world.paused:
        return
    others = _token_raised(world._replace(row=row._replace(leased=True)), but=index)
    if row.state == "scheduled" and world.claims:
        begin = row.done if rules.resume_after_what_is_live else 0
        key = (row.version, row.run, begin)
        if not rules.one_key_for_all_attempts:
            key = (*key, world.claims)
        holder = Worker("claimed", current=True, key=key)
        yield "claim", _put(others._replace(claims=world.claims - 1), index, holder)
    elif row.state == "outcome_unknown" and _may_reconcile(world, rules):
        yield "claim to reconcile", _put(others, index, Worker("asking", current=True))


def _mark(world: World, index: int, worker: Worker, rules: Rules) -> Step:
    row = world.row
    ready = worker._replace(phase="marked", age=0)
    if not rules.mark_before_call:
        return "no mark", _put(world, index, ready)
    if _may_mark(world, worker, rules):
        key_age = max(row.key_age, 0) if world.network == "key" else -1
        marked = row._replace(state="publishing", leased=True, age=0, key_age=key_age)
        return "mark", _put(world._replace(row=marked), index, ready)
    if rules.send_only_what_was_marked:
        return "mark refused", _put(world, index, IDLE)
    return "mark refused, not looked at", _put(world, index, ready)


def _may_mark(world: World, worker: Worker, rules: Rules) -> bool:
    return (
        world.row.state == "scheduled"
        and world.row.version == worker.key[0]
        and (worker.current or not rules.fenced_mark)
        and not (world.paused and rules.paused_means_no_mark)
    )


def _mark_unanswered(world: World, index: int, worker: Worker, rules: Rules) -> Iterator[Step]:
    """The mark is committed, but the database's answer is lost: the call is not made."""
    if rules.mark_before_call and _may_mark(world, worker, rules):
        _, marked = _mark(world, index, worker, rules)
        unsure = Worker("unsure", current=worker.current)
        ready = worker._replace(phase="marked", age=0)
        yield "mark, its answer is lost", _put(marked, marked.workers.index(ready), unsure)


def _unmark(world: World, index: int, worker: Worker, rules: Rules) -> World:
    """Take back a mark whose call was not made, if it is still ours."""
    row = world.row
    if row.state == "publishing" and (worker.current or not rules.fenced_unmark):
        in_doubt = row.doubt and rules.unmark_keeps_doubt
        world = world._replace(row=_free(row, "outcome_unknown" if in_doubt else "scheduled"))
    return _put(world, index, IDLE)


def _send(world: World, index: int, worker: Worker, rules: Rules) -> Step:
    row = world.row
    lasts = worker.age + DEADLINE <= LEASE or not rules.send_only_while_lease_lasts
    repeats = world.network == "key" and row.doubt and rules.key_alive_at_repeat
    if lasts and (not repeats or _key_lives(row)):
        call = worker._replace(phase="waiting", age=-1, left=DEADLINE + LATE)
        return "send", _put(world, index, call)
    return "too late to send", _unmark(world, index, worker, rules)


def _answers(world: World, index: int, worker: Worker) -> Iterator[Step]:
    rest = worker.key if worker.key[2] + 1 < world.parts else ()  # what follows, if anything

    def told(world: World, answer: str) -> World:
        told = Worker(
            "answered", current=worker.current, key=rest if answer == "ok" else (), answer=answer
        )
        return _put(world, index, told)

    landed = _landed(world, worker.key)
    yield "it lands, the answer arrives", told(landed, "ok")
    yield "it lands, the answer is lost", told(landed, "unknown")
    yield "it is refused", told(world, "refused")
    if worker.left <= LATE:
        yield "the deadline passes", told(_abandon(world, worker), "unknown")


def _record(world: World, index: int, worker: Worker, rules: Rules) -> Iterator[Step]:
    row = world.row
    done = _put(world, index, IDLE)
    expected = "publishing" if rules.mark_before_call else "scheduled"
    if row.state != expected or not (worker.current or not rules.fenced_record):
        yield "result refused: the lease is lost", done
    elif worker.answer == "ok" and worker.key:
        yield from _next_part(world, index, worker, rules)
    elif worker.answer == "ok":
        yield "record: published", done._replace(row=_free(row, "published"))
    elif worker.answer == "unknown" or (row.doubt and rules.refusal_keeps_doubt):
        yield "record: outcome unknown", done._replace(row=_free(row, "outcome_unknown"))
    else:
        yield "record: again later", done._replace(row=_free(row, "scheduled"))
        yield "record: failed", done._replace(row=_free(row, "failed"))


def _next_part(world: World, index: int, worker: Worker, rules: Rules) -> Iterator[Step]:
    """One part of the thread is live; the next follows at once, or later if the gate has closed."""
    row, part = world.row, worker.key[2] + 1
    key = (*worker.key[:2], part, *worker.key[3:])
    ready = Worker("marked", current=worker.current, key=key, age=0)
    if not rules.progress_before_next_part:
        yield "on to the next part", _put(world, index, ready)
        return
    on = row._replace(done=part, doubt=False)
    age = 0 if rules.progress_renews_the_mark else row.age
    key_age = 0 if world.network == "key" else -1
    renewed = on._replace(age=age, key_age=key_age)
    yield "commit progress", _put(world._replace(row=renewed), index, ready)
    waits = world._replace(row=_free(on, "scheduled"))
    yield "record: the rest later", _put(waits, index, IDLE)


def _ask(world: World, index: int, worker: Worker, rules: Rules) -> Step:
    if world.network == "find":
        if any(since >= LAG for part, _, since in world.live if part == world.row.done):
            answer = "there"
        elif world.row.age >= _absent_from(rules):
            answer = "absent"
        else:
            answer = "too early to say"
    else:
        is_safe = world.network == "key" and _key_lives(world.row)
        answer = "repeat" if is_safe or not rules.repeat_only_if_safe else "nobody knows"
    return f"asked: {answer}", _put(world, index, worker._replace(phase="asked", answer=answer))


def _absent_from(rules: Rules) -> int:
    """Return the age from which on "not there" means that it will never be there."""
    may_land = LEASE + GRACE if rules.reconcile_after_grace else 0
    return may_land + LAG if rules.absence_after_lag else 0


def _settle(world: World, index: int, worker: Worker, rules: Rules) -> Step:
    row = world.row
    done = _put(world, index, IDLE)
    if row.state != "outcome_unknown" or not (worker.current or not rules.fenced_record):
        return "reconciler refused: the lease is lost", done
    match worker.answer:
        case "there":
            row = _one_more_live(world, row, rules)
        case "absent":
            row = _free(row, "scheduled")
        case "repeat":
            row = row._replace(state="scheduled", leased=False)  # the doubt stays
        case _:
            row = row._replace(leased=False)
    return f"reconciled: {worker.answer}", done._replace(row=row)


# --- everything else ------------------------------------------------------------------------


def _recovery_steps(world: World, rules: Rules) -> Iterator[Step]:
    row = world.row
    if row.leased and row.state in {"scheduled", "outcome_unknown"}:
        yield "a slot seems dead: steal", world._replace(row=row._replace(leased=False))
    if row.state == "publishing":
        if not rules.only_unsent_is_stolen:
            yield "a slot seems dead: steal", world._replace(row=_free(row, "scheduled"))
        if _is_over(row, rules):
            target = "outcome_unknown" if rules.swept_is_unknown else "scheduled"
            yield "sweep", _token_raised(world._replace(row=_free(row, target)))
    if row.state == "outcome_unknown" and not row.leased:
        if any(part == row.done for part, *_ in world.live):
            seen = world._replace(row=_one_more_live(world, row, rules, by_person=True))
            yield "a person sees it live", _token_raised(seen)
        elif row.age >= OVER or not rules.people_wait_for_grace:
            yield "a person sees it is not live, or requeues it", _new_run(world)
    if world.paused:
        yield from _resume(world)


def _one_more_live(world: World, row: Row, rules: Rules, *, by_person: bool = False) -> Row:
    """The part in doubt is live: the end of the post, or the rest goes on below it."""
    row = row._replace(done=row.done + 1)
    if row.done == world.parts or (by_person and not rules.answer_is_about_a_part):
        return _free(row, "published")
    return _free(row, "scheduled")


def _resume(world: World) -> Iterator[Step]:
    """Somebody looks at what is due, takes out what a restored copy would repeat, and resumes."""
    on = world._replace(paused=False)
    if "restore" not in world.people:
        yield "resume", on
    elif not world.strays:  # somebody who has looked, and waited until nothing can land
        row = world.row._replace(state="set aside") if world.live else world.row
        yield "look, then resume", on._replace(row=row)


def _people_steps(world: World, rules: Rules, may: frozenset[str]) -> Iterator[Step]:
    row = world.row
    free = {"scheduled", "failed"}
    if not rules.people_win_only_until_the_mark:
        free |= {"publishing", "outcome_unknown"}
    in_doubt = row.doubt and rules.people_wait_while_in_doubt and row.state in {"scheduled"}
    taken = _token_raised(world) if rules.people_raise_the_token else world
    if row.state in free and not in_doubt:
        if "cancel" in may:
            yield "cancel", _did("cancel", taken, _free(row, "cancelled"))
        is_half = row.done > 0 and rules.half_published_is_not_edited
        if "edit" in may and not is_half:
            edited = _free(row, "scheduled")._replace(version=row.version + 1)
            yield "edit", _did("edit", taken, edited)
    again = {"failed", "cancelled"} | (set() if rules.published_is_final else {"published"})
    if row.state in again and "requeue" in may:
        requeued = _free(row, "scheduled")._replace(run=row.run + 1)
        yield "requeue", _did("requeue", taken, requeued)
    if "pause" in may:
        yield "pause", world._replace(paused=True, people=world.people | {"pause"})
    if "restore" in may:
        yield "an old copy is restored", _restored(world, rules)


def _restored(world: World, rules: Rules) -> World:
    """The database is as it was before anything was sent; its workers are gone."""
    for worker in world.workers:
        world = _abandon(world, worker)
    return world._replace(
        row=Row(),
        workers=(IDLE, IDLE),
        people=world.people | {"restore"},
        paused=rules.restored_starts_paused or world.paused,
    )


def _did(what: str, world: World, row: Row) -> World:
    return world._replace(row=row, people=world.people | {what})


def _new_run(world: World) -> World:
    row = _free(world.row, "scheduled")
    return _token_raised(world._replace(row=row._replace(run=row.run + 1)))


def _free(row: Row, state: str) -> Row:
    """End the lease in `state`; only an unknown outcome keeps its ages, and its doubt."""
    if state == "outcome_unknown":
        return row._replace(state=state, leased=False, doubt=True)
    return row._replace(state=state, leased=False, doubt=False, age=-1, key_age=-1)


def _may_reconcile(world: World, rules: Rules) -> bool:
    if not _is_over(world.row, rules):
        return False
    return not (_needs_person(world) and rules.repeat_only_if_safe)


def _needs_person(world: World) -> bool:
    network = world.network
    return network == "person" or (network == "key" and not _key_lives(world.row))


def _is_over(row: Row, rules: Rules) -> bool:
    return row.age >= OVER or not rules.reconcile_after_grace


def _key_lives(row: Row) -> bool:
    """Say whether a repeat sent now lands while the network still remembers the key."""
    return row.key_age + DEADLINE + LATE < KEY_LIFE


def _token_raised(world: World, *, but: int = -1) -> World:
    """Leave every worker with an old token; the one at index `but` is about to get the new one."""
    workers = tuple(worker._replace(current=False) for worker in world.workers)
    return world._replace(workers=workers if but >= 0 else tuple(sorted(workers)))


def _landed(world: World, key: Key) -> World:
    """A call takes effect; under a remembered key it returns the original instead."""
    if any(known == key for known, _ in world.keys):
        return world
    keys = (*world.keys, (key, KEY_LIFE)) if world.network == "key" else ()
    live = tuple(sorted((*world.live, (key[2], key[0], 0))))
    return world._replace(live=live, keys=tuple(sorted(keys)))


def _abandon(world: World, worker: Worker) -> World:
    """Nobody waits for the worker's call any more; it may land all the same."""
    if worker.left < 0:
        return world
    return world._replace(strays=tuple(sorted((*world.strays, (worker.key, worker.left)))))


def _put(world: World, index: int, worker: Worker) -> World:
    others = world.workers[:index] + world.workers[index + 1 :]
    return world._replace(workers=tuple(sorted((*others, worker))))


def _tick(world: World) -> World:
    row = world.row
    lag, cap = (LAG, LEASE + GRACE + LAG) if world.network == "find" else (0, OVER)
    return world._replace(
        row=row._replace(
            age=row.age if row.age < 0 else min(row.age + 1, cap),
            key_age=row.key_age if row.key_age < 0 else min(row.key_age + 1, KEY_LIFE),
        ),
        workers=tuple(sorted(map(_older, world.workers))),
        strays=tuple((key, left - 1) for key, left in world.strays if left > 0),
        live=tuple((part, version, min(since + 1, lag)) for part, version, since in world.live),
        keys=tuple((key, left - 1) for key, left in world.keys if left > 1),
    )


def _older(worker: Worker) -> Worker:
    if worker.left == 0:  # the call can land no more, and nobody will say what became of it
        return Worker("answered", current=worker.current, answer="unknown")
    if worker.left > 0:
        return worker._replace(left=worker.left - 1)
    return worker if worker.age < 0 else worker._replace(age=min(worker.age + 1, LEASE))
