"""Posts that were written together: made all or none, changed and moved as far as each allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from accounts.models import User, Workspace
from engine.states import IllegalTransition
from scheduling import services
from scheduling.bulk_create import Batch, Wish
from scheduling.bulk_moves import Moved
from scheduling.drafts import FieldError
from scheduling.models import PostGroup, ScheduledPost
from scheduling.rules import Invalid

MOST_TARGETS = 100


@dataclass(frozen=True, slots=True)
class Made:
    """A new group and its posts, in the order of the wishes."""

    group: PostGroup
    posts: Sequence[ScheduledPost]


def create_group(
    *,
    workspace: Workspace,
    wishes: Mapping[int, Wish],
    actor: str,
    created_by: User | None = None,
    errors: Sequence[FieldError] = (),
) -> Made:
    """Write one post for each wish, or none: raises Invalid with all errors, `targets[2].text`.

    `errors` are what the caller found wrong with the request already.
    """
    group = PostGroup(workspace=workspace, created_by=created_by)
    for wish in wishes.values():
        wish.details["group"] = group
    batch = Batch(workspace, actor, created_by)
    batch.judge(dict(wishes))
    _require_all(batch, errors)
    with transaction.atomic():
        group.save(force_insert=True)
        batch.write(action="group.created", detail={"group": str(group.pk)})
        _require_all(batch)  # an external_id may have been taken meanwhile
    return Made(group, batch.new)


def _require_all(batch: Batch, known: Sequence[FieldError] = ()) -> None:
    errors = list(known)
    for place, one in sorted(batch.results.items()):
        found = list(one.errors)
        if not found and not one.is_new:
            found = [FieldError("external_id", "external_id_taken", _taken(one.post))]
        errors += [replace(e, field=f"targets[{place}].{e.field}") for e in found]
    if errors:
        raise Invalid(errors)


def _taken(post: ScheduledPost | None) -> str:
    return f"Post {post.pk if post else ''} has this id already: use another one, or change it."


def edit_group(
    posts: Sequence[ScheduledPost],
    *,
    actor: str,
    changes_of: Callable[[ScheduledPost], Mapping[str, Any]],
) -> dict[Any, Moved]:
    """Edit every post that can still be edited; `changes_of` says what changes in each.

    All or none: raises Invalid with all errors, `posts[2].text`, numbered as in `posts`. Those that
    cannot be edited any more are refused one by one; IllegalTransition if that is all of them.
    """
    results: dict[Any, Moved] = {}
    errors: list[FieldError] = []
    with transaction.atomic():
        for place, post in enumerate(posts):
            try:
                with transaction.atomic():
                    edited = services.edit_post(post.pk, actor=actor, **changes_of(post))
            except IllegalTransition as why:
                results[post.pk] = Moved(post, refusal=str(why))
            except Invalid as why:
                errors += [replace(e, field=f"posts[{place}].{e.field}") for e in why.errors]
            else:
                results[post.pk] = Moved(edited)
        if errors:
            raise Invalid(errors)
    if not any(one.is_done for one in results.values()):
        raise IllegalTransition("No post of this group can be edited any more.")
    return results


def publish_group_now(
    posts: Sequence[ScheduledPost], *, actor: str, reason: str = ""
) -> dict[Any, Moved]:
    """Make every waiting post due at once, each by itself."""
    results: dict[Any, Moved] = {}
    for post in posts:
        try:
            moved = services.publish_now(post.pk, actor=actor, reason=reason)
        except IllegalTransition as why:
            results[post.pk] = Moved(post, refusal=str(why))
        except Invalid as why:
            results[post.pk] = Moved(post, errors=why.errors)
        else:
            results[post.pk] = Moved(moved)
    return results


def posts_of(group: PostGroup) -> list[ScheduledPost]:
    """Return the group's posts in the order in which they were written."""
    return list(
        ScheduledPost.objects.filter(group=group).select_related("connection").order_by("pk")
    )
