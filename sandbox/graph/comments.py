"""Which comments hang below what, so that counting and listing them costs little."""

from __future__ import annotations

from collections import defaultdict

from sandbox.records import Post


class Comments:
    """The comments of one network by the id of what they were made on, oldest first."""

    def __init__(self) -> None:
        self._below: defaultdict[str, list[Post]] = defaultdict(list)

    def add(self, target_id: str, comment: Post) -> None:
        self._below[target_id].append(comment)

    def living(self, target_id: str) -> list[Post]:
        return [post for post in self._below.get(target_id, ()) if post.deleted_at is None]
