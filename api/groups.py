"""Groups: one text for many accounts, looked at, changed and moved together."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from accounts.access import Access
from api.base import ApiView, as_uuid
from api.bulk_inputs import GroupChanges, GroupInput, MomentInput
from api.conditions import tag_of
from api.fields import instant
from api.pages import PAGED, Pages
from api.posts import TOO_LATE, posts_in_full
from api.problems import naming, unknown
from api.representations import POST, Json, post_json, post_tag
from api.results import MOVES, moves_of_posts
from api.schema import Answered, operation
from api.serializers import ReasonInput
from api.shapes import (
    UUID_EXAMPLE,
    Shape,
    anything,
    identifier,
    listed,
    moment,
    one_of,
    or_null,
    page_of,
    text,
)
from api.variants import Content, Variants, connections_of, no_connection
from scheduling import groups
from scheduling.bulk_create import Wish
from scheduling.bulk_moves import Moved, cancel_posts, reschedule_posts
from scheduling.drafts import FieldError
from scheduling.models import PostGroup, ScheduledPost
from scheduling.pauses import present as present_pauses
from scheduling.rules import Invalid
from scheduling.states import PostState

MISSING = {"text": "Write a text, or give media.", "scheduled_at": "Say when, or make it a draft."}
MOMENT = ("scheduled_at", "time_zone")
RULES = ("priority", "late_policy", "late_limit_minutes", "callback_url")
BRIEF = Shape(
    "BriefPost",
    "A post of a group in short.",
    id=identifier("The post's id."),
    state=one_of(PostState, "Where it stands.", "scheduled"),
    platform=text("The network.", "mastodon"),
    connection=identifier("The connected account's id."),
    account=text("The account's name at the network.", "acme"),
    scheduled_at=moment("When it was to be sent."),
    permalink=or_null(text("Where it can be seen.", "https://social.example/@acme/1"), None),
)
COUNTS = anything("How many posts are in each state.", {"scheduled": 2})
GROUP_IN_SHORT = Shape(
    "GroupInShort",
    "Posts that were written together.",
    id=identifier("The group's id."),
    created_at=moment("When it was made."),
    states=COUNTS,
    posts=listed(BRIEF, "Its posts, in the order of the targets."),
)
GROUP = Shape(
    "Group",
    "Posts that were written together, in full.",
    id=identifier("The group's id."),
    created_at=moment("When it was made."),
    states=COUNTS,
    posts=listed(POST, "Its posts, in the order of the targets."),
)


class GroupsView(ApiView):
    """GET lists the workspace's groups, newest first; POST makes one."""

    @operation(
        "list_groups",
        "List groups, newest first",
        tag="groups",
        query=PAGED,
        answers={200: page_of(GROUP_IN_SHORT, "groups")},
    )
    def get(self, request: Request) -> Response:
        """Return one page of groups, each with its posts in short."""
        access = self.enter()
        pages = Pages()
        rows = PostGroup.objects.filter(workspace=access.workspace)
        found = pages.paginate_queryset(rows, request, view=self) or []
        return pages.get_paginated_response(_in_short(found))

    @operation(
        "create_group",
        "Schedule one text for many accounts",
        tag="groups",
        body=GroupInput,
        example={
            "text": "The bells are back.",
            "scheduled_at": "2026-11-26T10:00:00+01:00",
            "platforms": {"mastodon": {"options": {"visibility": "unlisted"}}},
            "targets": [
                {"connection": UUID_EXAMPLE},
                {"connection": UUID_EXAMPLE, "text": "Come and hear our bells."},
            ],
        },
        answers={201: Answered(GROUP, "All posts were made.")},
    )
    def post(self, request: Request) -> Response:
        """Schedule one post for each target, or keep drafts: all of them or none.

        What a target says replaces what its network's variant says, and that the common words;
        `options` and `media` are replaced whole. 422 names everything that is wrong at once, such
        as `targets[2].text`.
        """
        wish = self.read(GroupInput)
        access = self.enter()
        asked = _Asked(access, wish)
        with naming(asked.names), transaction.atomic():
            made = groups.create_group(
                workspace=access.workspace,
                wishes=asked.wishes,
                actor=access.actor,
                created_by=access.user,
                errors=asked.errors,
            )
            return self.answer(_in_full(made.group), 201)


class GroupView(ApiView):
    """GET shows a group and its posts; PATCH changes those that can still be changed."""

    @operation("get_group", "Look at a group", tag="groups", answers={200: GROUP}, conditional=True)
    def get(self, request: Request, group_id: str) -> Response:
        """Return the group with its posts in full."""
        group = group_of(self.enter(), group_id)
        tag = group_tag(group)
        return self.unchanged(tag) or self.answer(_in_full(group), tag=tag)

    @operation(
        "change_group",
        "Change content or moment of a group",
        tag="groups",
        body=GroupChanges,
        example={"text": "The bells are back, at noon."},
        answers={200: Answered(MOVES, "The posts that were changed, and those that were not.")},
        problems={409: "None of its posts can be edited any more."},
        conditional=True,
    )
    def patch(self, request: Request, group_id: str) -> Response:
        """Change every post that can still be edited; those that cannot are refused one by one.

        If the change breaks a network's rule for one of them, nothing is changed: 422 names it,
        such as `posts[2].text`, numbered as GET shows them.
        """
        changes = self.read(GroupChanges)
        access = self.enter()
        group = group_of(access, group_id)
        variants = Variants(access, changes)
        posts = groups.posts_of(group)
        variants.require_used({post.platform for post in posts})
        if variants.errors:
            raise Invalid(variants.errors)
        shared = {name: changes[name] for name in (*RULES, *MOMENT) if name in changes}

        def changes_of(post: ScheduledPost) -> dict[str, Any]:
            content = variants.content(post.platform)
            attached = {} if content.media is None else {"attachments": content.media}
            return {**shared, **content.columns, **attached}

        names = _texts(
            "posts",
            {n: variants.content(post.platform).says_text for n, post in enumerate(posts)},
        )
        with naming(names), transaction.atomic():
            self.require_match(group, locked_tag)
            results = groups.edit_group(posts, actor=access.actor, changes_of=changes_of)
            return self.answer(moves_of_posts(results), tag=group_tag(group))


Act = Callable[[Sequence[ScheduledPost], Access, dict[str, Any]], Mapping[uuid.UUID, Moved]]


class GroupAction(ApiView):
    """POST does one thing to every post of a group that allows it, with a result for each."""

    def carry_out(self, group_id: str, body: type[Serializer[Any]], act: Act) -> Response:
        """Call `act` with the group's posts; those that do not allow it are refused one by one."""
        wish = self.read(body)
        access = self.enter()
        group = group_of(access, group_id)
        with transaction.atomic():
            self.require_match(group, locked_tag)
            results = act(groups.posts_of(group), access, wish)
            return self.answer(moves_of_posts(results), tag=group_tag(group))


class CancelGroup(GroupAction):
    """Stop the posts of a group for good."""

    @operation(
        "cancel_group",
        "Cancel the posts of a group",
        tag="groups",
        body=ReasonInput,
        example={"reason": "Postponed to next week."},
        answers={200: MOVES},
        problems=TOO_LATE,
        conditional=True,
    )
    def post(self, request: Request, group_id: str) -> Response:
        """Stop every post that was not sent; each has a result."""
        return self.carry_out(group_id, ReasonInput, _cancel)


class RescheduleGroup(GroupAction):
    """Give the posts of a group another moment; their content stays."""

    @operation(
        "reschedule_group",
        "Give the posts of a group another moment",
        tag="groups",
        body=MomentInput,
        example={"scheduled_at": "2026-11-27T10:00:00+01:00"},
        answers={200: MOVES},
        problems=TOO_LATE,
        conditional=True,
    )
    def post(self, request: Request, group_id: str) -> Response:
        """Move every post that was not sent; prepared uploads and approvals stay."""
        return self.carry_out(group_id, MomentInput, _reschedule)


class PublishGroupNow(GroupAction):
    """Make the waiting posts of a group due at once."""

    @operation(
        "publish_group_now",
        "Publish the waiting posts of a group at once",
        tag="groups",
        body=ReasonInput,
        example={"reason": "The news is out."},
        answers={200: MOVES},
        problems=TOO_LATE,
        conditional=True,
    )
    def post(self, request: Request, group_id: str) -> Response:
        """Make every post that waits for its moment due now; each has a result."""
        return self.carry_out(group_id, ReasonInput, _publish_now)


def _cancel(
    posts: Sequence[ScheduledPost], access: Access, wish: dict[str, Any]
) -> Mapping[uuid.UUID, Moved]:
    ids = [post.pk for post in posts]
    return cancel_posts(ids, workspace=access.workspace, actor=access.actor, **wish)


def _reschedule(
    posts: Sequence[ScheduledPost], access: Access, wish: dict[str, Any]
) -> Mapping[uuid.UUID, Moved]:
    to = wish.pop("scheduled_at")
    return reschedule_posts(
        [post.pk for post in posts],
        lambda post: to,
        workspace=access.workspace,
        actor=access.actor,
        **wish,
    )


def _publish_now(
    posts: Sequence[ScheduledPost], access: Access, wish: dict[str, Any]
) -> Mapping[uuid.UUID, Moved]:
    return groups.publish_group_now(posts, actor=access.actor, **wish)


def group_of(access: Access, group_id: str) -> PostGroup:
    """Return a group of the workspace; raises Problem 404."""
    key = as_uuid(group_id)
    rows = PostGroup.objects.filter(workspace=access.workspace)
    found = rows.filter(pk=key).first() if key else None
    if found is None:
        raise unknown("id", "group")
    return found


def group_tag(group: PostGroup) -> str:
    """Return the ETag of a group: that of all its posts."""
    return _tag_of(group, groups.posts_of(group))


def locked_tag(group: PostGroup) -> str:
    """Return the group's ETag; its posts are ours until the commit."""
    posts = ScheduledPost.objects.select_for_update().filter(group=group)
    return _tag_of(group, posts.order_by("pk"))


def _tag_of(group: PostGroup, posts: Iterable[ScheduledPost]) -> str:
    return tag_of(str(group.pk), *map(post_tag, posts))


class _Asked:
    """What each target wants, by its number, what is wrong with others, and what fields to name."""

    def __init__(self, access: Access, wish: dict[str, Any]) -> None:
        variants = Variants(access, wish)
        self.errors = variants.errors
        self.wishes: dict[int, Wish] = {}
        says_text: dict[int, bool] = {}
        connections = connections_of(access, [target["connection"] for target in wish["targets"]])
        for number, target in enumerate(wish["targets"]):
            place = f"targets[{number}]."
            connection = connections.get(target["connection"])
            if connection is None:
                self.errors.append(no_connection(f"{place}connection"))
                continue
            content = variants.content(connection.platform, target, place)
            says_text[number] = content.says_text
            planned = target.get("scheduled_at") or wish.get("scheduled_at")
            missing = {
                "text": "segments" not in content.columns and content.media is None,
                "scheduled_at": planned is None and not wish["draft"],
            }
            self.errors += [
                FieldError(f"{place}{field}", "required", MISSING[field])
                for field, is_missing in missing.items()
                if is_missing
            ]
            if not missing["text"]:  # its content is judged even if its moment is missing
                details = _details(access, wish, target, content)
                self.wishes[number] = Wish(connection, details, content.media or ())
        variants.require_used({one.platform for one in connections.values()})
        self.names = _texts("targets", says_text)


def _details(
    access: Access, wish: dict[str, Any], target: Mapping[str, Any], content: Content
) -> dict[str, Any]:
    zone = target.get("time_zone") or wish.get("time_zone") or access.workspace.time_zone
    return {
        "segments": [{"text": ""}],
        **{name: wish[name] for name in RULES if name in wish},
        **content.columns,
        "scheduled_at": target.get("scheduled_at") or wish.get("scheduled_at") or timezone.now(),
        "time_zone": zone,
        "external_id": target.get("external_id"),
        "as_draft": wish["draft"],
    }


def _texts(rows: str, says_text: Mapping[int, bool]) -> dict[str, str]:
    """Return how to call the first segments of rows that were written as one text."""
    return {
        f"{rows}[{number}].segments[0].text": f"{rows}[{number}].text"
        for number, is_text in says_text.items()
        if is_text
    }


def _in_full(group: PostGroup) -> Json:
    ids = ScheduledPost.objects.filter(group=group).values_list("pk", flat=True)
    posts = {post.pk: post for post in posts_in_full(list(ids))}
    paused = present_pauses()
    ordered = [posts[pk] for pk in sorted(posts)]
    return _group_json(group, ordered, [post_json(post, paused) for post in ordered])


def _in_short(found: Sequence[PostGroup]) -> list[Json]:
    """Return groups with their posts in short (one query for all)."""
    posts: dict[uuid.UUID, list[ScheduledPost]] = defaultdict(list)
    rows = ScheduledPost.objects.filter(group__in=found).select_related("connection")
    for post in rows.order_by("pk"):
        if post.group_id:
            posts[post.group_id].append(post)
    return [
        _group_json(group, posts[group.pk], [_brief(post) for post in posts[group.pk]])
        for group in found
    ]


def _group_json(group: PostGroup, posts: Sequence[ScheduledPost], shown: Sequence[Json]) -> Json:
    return {
        "id": str(group.pk),
        "created_at": instant(group.created_at),
        "states": dict(Counter(post.state for post in posts)),
        "posts": list(shown),
    }


def _brief(post: ScheduledPost) -> Json:
    return {
        "id": str(post.pk),
        "state": post.state,
        "platform": post.platform,
        "connection": str(post.connection_id),
        "account": post.connection.username or post.connection.external_id,
        "scheduled_at": instant(post.scheduled_at),
        "permalink": post.permalink or None,
    }
