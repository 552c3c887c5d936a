"""New posts together: each judged by itself, then all that are good written in a few statements."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.audit import record
from accounts.models import User, Workspace
from media.models import Asset
from platforms.models import SocialConnection
from scheduling.approval_rule import may_publish
from scheduling.bulk import insert_posts
from scheduling.drafts import Attachment, FieldError
from scheduling.models import PostMedia, ScheduledPost
from scheduling.rows import media_rows
from scheduling.rules import Invalid
from scheduling.services import build_post, require_same_text, tell_of_new
from scheduling.states import PostState

MOST_ROWS = 500


@dataclass(slots=True)
class Wish:
    """One post that somebody wants: `details` are what `services.build_post` takes beside it."""

    connection: SocialConnection
    details: dict[str, Any]
    attachments: Sequence[Attachment] = ()


@dataclass(slots=True)
class Written:
    """What became of one wish: `post` is new or was there before, or `errors` say why not."""

    post: ScheduledPost | None = None
    errors: Sequence[FieldError] = ()
    is_new: bool = False


@dataclass(slots=True)
class Batch:
    """Wishes of one workspace on their way to the database, by their place in the request."""

    workspace: Workspace
    actor: str
    created_by: User | None = None
    results: dict[int, Written] = field(default_factory=dict)
    _media: dict[int, Sequence[Attachment]] = field(default_factory=dict)

    def judge(self, wishes: dict[int, Wish]) -> None:
        """Build the post of each wish, without a write: from here on `results` has them all."""
        known = _known(wishes.values())
        awaits_approval = not may_publish(self.workspace, self.actor)
        now = timezone.now()
        for place, wish in wishes.items():
            name = (wish.connection.pk, wish.details.get("external_id"))
            try:
                if name[1] and (post := known.get(name)):
                    require_same_text(post, wish.details["segments"])
                    self.results[place] = Written(post)
                    continue
                post = build_post(
                    workspace=self.workspace,
                    connection=wish.connection,
                    attachments=wish.attachments,
                    created_by=self.created_by,
                    actor=self.actor,
                    awaits_approval=awaits_approval,
                    now=now,
                    **wish.details,
                )
            except Invalid as error:
                self.results[place] = Written(errors=error.errors)
                continue
            self.results[place] = Written(post, is_new=True)
            if wish.attachments:
                self._media[place] = wish.attachments
            if name[1]:
                known[name] = post
        self._number()

    def _number(self) -> None:
        """Give the new posts their ids in the order of the wishes: lists are in that order."""
        for post, pk in zip(self.new, sorted(post.pk for post in self.new), strict=True):
            post.pk = pk

    @property
    def new(self) -> list[ScheduledPost]:
        """Return the posts that are (to be) written."""
        return [one.post for one in self.results.values() if one.is_new and one.post]

    def write(self, *, action: str, detail: dict[str, Any] | None = None) -> None:
        """Write the new posts in one transaction, with one audit event called `action`.

        A post whose external_id somebody took meanwhile becomes that one's result.
        """
        if not self.new:
            return
        with transaction.atomic():
            if insert_posts(self.new) < len(self.new):
                self._yield_to_others()
            _attach(
                {
                    one.post.pk: self._media[place]
                    for place, one in self.results.items()
                    if one.is_new and one.post and place in self._media
                }
            )
            record(
                workspace=self.workspace,
                actor=self.actor,
                action=action,
                target=f"workspace:{self.workspace.pk}",
                detail={**(detail or {}), "posts": [str(post.pk) for post in self.new]},
            )
            tell_of_new(self.new)

    def _yield_to_others(self) -> None:
        """Find out whose external_id was taken between our look and our write."""
        ids = [post.pk for post in self.new]
        there = set(ScheduledPost.objects.filter(pk__in=ids).values_list("pk", flat=True))
        for place, one in self.results.items():
            if one.post is None or not one.is_new or one.post.pk in there:
                continue
            winner = (
                ScheduledPost.objects.filter(
                    connection=one.post.connection, external_id=one.post.external_id
                )
                .exclude(state=PostState.CANCELLED)
                .get()
            )
            try:
                require_same_text(winner, one.post.segments)
                self.results[place] = Written(winner)
            except Invalid as error:
                self.results[place] = Written(errors=error.errors)


def _known(wishes: Iterable[Wish]) -> dict[tuple[uuid.UUID, Any], ScheduledPost]:
    """Return the posts that the wishes' external_ids name already (one query)."""
    asked = {
        (wish.connection.pk, external_id)
        for wish in wishes
        if (external_id := wish.details.get("external_id"))
    }
    if not asked:
        return {}
    found = ScheduledPost.objects.filter(
        connection__in={pk for pk, _ in asked}, external_id__in={name for _, name in asked}
    ).exclude(state=PostState.CANCELLED)
    return {(post.connection_id, post.external_id): post for post in found}


def _attach(media: dict[uuid.UUID, Sequence[Attachment]]) -> None:
    """Put media in their places; assets that are still unsaved are saved with them."""
    new: dict[uuid.UUID, Asset] = {
        item.asset.pk: item.asset
        for items in media.values()
        for item in items
        if item.asset._state.adding  # noqa: SLF001 - documented API of models
    }
    Asset.objects.bulk_create(new.values())
    PostMedia.objects.bulk_create(
        row for pk, items in media.items() for row in media_rows(pk, items)
    )
