"""Posts over the API: list, look at, create, change, and what people can do with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F, prefetch_related_objects
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from accounts.access import Access
from api.attachments import attachments_from
from api.base import ApiView, as_uuid, post_of
from api.filters import POST_FILTERS, filtered
from api.pages import PAGED, Pages
from api.problems import naming, unknown
from api.representations import (
    ATTEMPT,
    DELETED,
    POST,
    TRANSITION,
    attempt_json,
    post_json,
    post_tag,
    transition_json,
)
from api.schema import Answered, operation
from api.serializers import (
    PostChanges,
    PostInput,
    ReasonInput,
    RequeueInput,
    ResolutionInput,
)
from api.shapes import UUID_EXAMPLE, list_of, page_of
from engine.lookups import at_most_one
from platforms.models import SocialConnection
from scheduling import services
from scheduling.copies import delete_draft
from scheduling.models import ScheduledPost
from scheduling.pauses import present as present_pauses
from scheduling.queue_slots.services import Place, schedule_in_slot

TOO_LATE = {409: "The post's state does not allow it: `detail` says why."}


class PostsView(ApiView):
    """GET lists the workspace's posts, newest first; POST makes one."""

    @operation(
        "list_posts",
        "List posts, newest first",
        tag="posts",
        query=[*POST_FILTERS, *PAGED],
        answers={200: page_of(POST, "posts")},
    )
    def get(self, request: Request) -> Response:
        """Return one page of the workspace's posts, narrowed by what the query says."""
        access = self.enter()
        posts = ScheduledPost.objects.filter(workspace=access.workspace)
        pages = Pages()
        found = pages.paginate_queryset(filtered(posts, request.query_params), request, view=self)
        full = {post.pk: post for post in posts_in_full([post.pk for post in found or ()])}
        paused = present_pauses()
        return pages.get_paginated_response([post_json(full[p.pk], paused) for p in found or ()])

    @operation(
        "create_post",
        "Schedule a post, or keep a draft",
        tag="posts",
        body=PostInput,
        example={
            "connection": UUID_EXAMPLE,
            "text": "The bells are back.",
            "scheduled_at": "2026-11-26T10:00:00+01:00",
            "external_id": "campaign-17",
        },
        answers={
            201: Answered(POST, "The post was made."),
            200: Answered(POST, "A post with this external_id was there already: here it is."),
        },
        problems=TOO_LATE,
    )
    def post(self, request: Request) -> Response:
        """Schedule a post; with `draft` it is kept and waits to be scheduled.

        Content is judged by the network's rules at once: 422 names each field that breaks one.
        """
        wish = self.read(PostInput)
        access = self.enter()
        connection = connection_of(access, wish.pop("connection"), "connection")
        is_draft = wish.pop("draft")
        media = wish.pop("media", [])
        if queue := wish.pop("queue", None):
            schedule: Callable[..., tuple[ScheduledPost, bool]] = schedule_in_slot
            wish["place"] = Place(queue)
        else:
            schedule = services.schedule_post
            wish["scheduled_at"] = wish.get("scheduled_at") or timezone.now()
            wish.setdefault("time_zone", access.workspace.time_zone)
        with naming(_names(request)), transaction.atomic():
            post, created = schedule(
                workspace=access.workspace,
                connection=connection,
                segments=wish.pop("segments", [{"text": ""}]),
                attachments=attachments_from(access, media),
                actor=access.actor,
                created_by=access.user,
                as_draft=is_draft,
                **wish,
            )
            if created:  # it is as we wrote it
                read_media([post])
                return self.answer(post_json(post, present_pauses()), 201, tag=post_tag(post))
            return _shown(self, post)


class PostView(ApiView):
    """GET shows one post; PATCH changes it as long as it was not sent."""

    @operation("get_post", "Look at a post", tag="posts", answers={200: POST}, conditional=True)
    def get(self, request: Request, post_id: str) -> Response:
        """Return the post in full, with what happens next and what to do, in words for people."""
        post = post_of(self.enter(), post_id)
        return self.unchanged(post_tag(post)) or _shown(self, post)

    @operation(
        "change_post",
        "Change a post's content or moment",
        tag="posts",
        body=PostChanges,
        example={"text": "The bells are back, at noon.", "content_version": 1},
        answers={200: POST},
        problems={409: "It was sent already, or `content_version` is not the current one."},
        conditional=True,
    )
    def patch(self, request: Request, post_id: str) -> Response:
        """Change what the body names until the post is sent; `content_version` is what was edited.

        `late_limit_minutes: null` takes the post's own limit back.
        """
        changes = self.read(PostChanges)
        access = self.enter()
        post = post_of(access, post_id)
        version = changes.pop("content_version", None)
        with naming(_names(request)), transaction.atomic():
            self.require_match(post, post_tag)
            if "media" in changes:
                changes["attachments"] = attachments_from(access, changes.pop("media"))
            edited = services.edit_post(
                post.pk, actor=access.actor, expected_version=version, **changes
            )
            return _shown(self, edited)

    @operation(
        "delete_draft",
        "Delete a draft",
        tag="posts",
        answers={200: Answered(DELETED, "It is gone.")},
        problems={409: "It is no draft, or it was something else before: cancel it instead."},
    )
    def delete(self, request: Request, post_id: str) -> Response:
        """Delete a draft for good; everything else is cancelled instead."""
        access = self.enter()
        post = post_of(access, post_id)
        delete_draft(post.pk, actor=access.actor)
        return self.answer({"id": str(post.pk), "deleted": True})


class PostAction(ApiView):
    """POST carries out one action on one post and shows the post as it then is."""

    def carry_out(
        self, post_id: str, body: type[Serializer[Any]], service: Callable[..., ScheduledPost]
    ) -> Response:
        """Call `service` with the body's values; 409 when the post's state does not allow it."""
        wish = self.read(body)
        access = self.enter()
        post = post_of(access, post_id)
        with transaction.atomic():
            self.require_match(post, post_tag)
            return _shown(self, service(post.pk, actor=access.actor, **wish))


class CancelPost(PostAction):
    """Stop a post."""

    @operation(
        "cancel_post",
        "Cancel a post",
        tag="posts",
        body=ReasonInput,
        example={"reason": "Postponed to next week."},
        answers={200: Answered(POST, "It is cancelled.", POST.example(state="cancelled"))},
        problems=TOO_LATE,
        conditional=True,
    )
    def post(self, request: Request, post_id: str) -> Response:
        """Stop a post that was not sent; /retry puts it back in line."""
        return self.carry_out(post_id, ReasonInput, services.cancel_post)


class RetryPost(PostAction):
    """Put a post back in line."""

    @operation(
        "retry_post",
        "Put a post back in line",
        tag="posts",
        body=RequeueInput,
        example={"reason": "The account was reconnected."},
        answers={200: Answered(POST, "It is scheduled again.")},
        problems=TOO_LATE,
        conditional=True,
    )
    def post(self, request: Request, post_id: str) -> Response:
        """Schedule a failed, dead, held, blocked or cancelled post again.

        One whose outcome is unknown only with `confirm_not_live`, the word of somebody who looked:
        if it is live after all, a second copy appears.
        """
        return self.carry_out(post_id, RequeueInput, services.requeue_post)


class PublishPostNow(PostAction):
    """Make a waiting post due at once."""

    @operation(
        "publish_post_now",
        "Publish a waiting post at once",
        tag="posts",
        body=ReasonInput,
        example={"reason": "The news is out."},
        answers={200: Answered(POST, "It is due now.")},
        problems=TOO_LATE,
        conditional=True,
    )
    def post(self, request: Request, post_id: str) -> Response:
        """Make a post that waits for its moment due now."""
        return self.carry_out(post_id, ReasonInput, services.publish_now)


class ResolvePost(PostAction):
    """Settle an unknown outcome."""

    @operation(
        "resolve_post",
        "Settle an unknown outcome",
        tag="posts",
        body=ResolutionInput,
        example={"live": True, "permalink": "https://social.example/@acme/113547"},
        answers={200: Answered(POST, "It is settled.", POST.example(state="published"))},
        problems=TOO_LATE,
        conditional=True,
    )
    def post(self, request: Request, post_id: str) -> Response:
        """Say what a person saw of the part in doubt (`in_doubt` of the post).

        Live and not the last part: the rest goes on below it, so `permalink` or `remote_id` is
        needed. A `part` given must be the one in doubt.
        """
        return self.carry_out(post_id, ResolutionInput, services.resolve_outcome)


class AttemptsView(ApiView):
    """GET lists every try to publish a post."""

    @operation(
        "list_attempts",
        "List every try to publish a post",
        tag="posts",
        answers={200: list_of(ATTEMPT, "tries")},
    )
    def get(self, request: Request, post_id: str) -> Response:
        """Return all attempts, oldest first (retry policies keep them few)."""
        post = post_of(self.enter(), post_id)
        attempts = post.attempt_log.order_by("number", "started_at")
        return Response({"results": [attempt_json(attempt) for attempt in attempts]})


class TransitionsView(ApiView):
    """GET lists every move of a post."""

    @operation(
        "list_transitions",
        "List every move of a post",
        tag="posts",
        answers={200: list_of(TRANSITION, "moves")},
    )
    def get(self, request: Request, post_id: str) -> Response:
        """Return all moves, oldest first."""
        post = post_of(self.enter(), post_id)
        moves = post.transitions.order_by("pk")
        return Response({"results": [transition_json(move) for move in moves]})


def connection_of(access: Access, connection_id: str, field: str) -> SocialConnection:
    """Return a connection of the workspace; raises Problem 404 that names `field`."""
    key = as_uuid(connection_id)
    connections = SocialConnection.objects.filter(workspace=access.workspace)
    found = at_most_one(connections.filter(pk=key)) if key else None
    if found is None:
        raise unknown(field, "connection", "GET /api/v1/connections lists them")
    return found


def _names(request: Request) -> dict[str, str]:
    """Return how to call fields in errors: whoever sent `text` never heard of segments."""
    return {"segments[0].text": "text"} if "text" in request.data else {}


def _shown(view: ApiView, post: ScheduledPost) -> Response:
    """Answer with a post as the database has it now."""
    fresh = posts_in_full([post.pk])[0]
    return view.answer(post_json(fresh, present_pauses()), tag=post_tag(fresh))


def shown_post(post: ScheduledPost) -> dict[str, Any]:
    """Return a post in full, as it is in the database now."""
    return post_json(posts_in_full([post.pk])[0], present_pauses())


def posts_in_full(ids: Sequence[Any]) -> list[ScheduledPost]:
    """Return posts with all that an answer shows, in one query, or three if any has media."""
    posts = ScheduledPost.objects.filter(pk__in=ids).select_related("connection")
    found: list[ScheduledPost] = list(posts.annotate(of_series=F("occurrence__series_id")))
    read_media(found)
    return found


def read_media(posts: Sequence[ScheduledPost]) -> None:
    """Read the media of those that have any (no query, or two)."""
    prefetch_related_objects([post for post in posts if post.media_count], "post_media__asset")
