"""Ready jobs in a fair order: priority first, then owners in turn, then lanes in turn."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, Protocol, TypeVar


class Queued(Protocol):
    """What the queue needs to know of a job."""

    @property
    def priority(self) -> int: ...
    @property
    def owner(self) -> Hashable: ...
    @property
    def lane(self) -> Hashable: ...


T = TypeVar("T", bound=Queued)
Lanes = OrderedDict[Hashable, deque[T]]


class FairQueue(Generic[T]):
    """Owner = workspace, lane = connection: nobody's backlog can starve another's single job."""

    def __init__(self) -> None:
        self._levels: dict[int, OrderedDict[Hashable, Lanes[T]]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, job: T) -> None:
        """Add a job behind the others of its lane."""
        owners = self._levels.setdefault(job.priority, OrderedDict())
        lanes = owners.setdefault(job.owner, OrderedDict())
        lanes.setdefault(job.lane, deque()).append(job)
        self._size += 1

    def pop(self, admits: Callable[[T], bool]) -> T | None:
        """Take the next job that `admits` lets go (asked with each lane's first job), or None."""
        for priority in sorted(self._levels, reverse=True):
            owners = self._levels[priority]
            for owner, lanes in owners.items():
                job = self._pop_of(lanes, admits)
                if job is None:
                    continue
                if lanes:  # from here on the dict changes, and we return
                    owners.move_to_end(owner)
                else:
                    del owners[owner]
                if not owners:
                    del self._levels[priority]
                self._size -= 1
                return job
        return None

    def _pop_of(self, lanes: Lanes[T], admits: Callable[[T], bool]) -> T | None:
        for lane, jobs in lanes.items():
            if admits(jobs[0]):
                job = jobs.popleft()
                if jobs:
                    lanes.move_to_end(lane)
                else:
                    del lanes[lane]
                return job
        return None

    def __iter__(self) -> Iterator[T]:
        for owners in self._levels.values():
            for lanes in owners.values():
                for jobs in lanes.values():
                    yield from jobs

    def drain(self) -> list[T]:
        """Empty the queue and return what was in it."""
        jobs = list(self)
        self._levels, self._size = {}, 0
        return jobs
