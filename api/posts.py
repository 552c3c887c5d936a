"""Posts over the API: list, look at, create, change, and what people can do with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from accounts.access import Access
from api.attachments import attachments_from
from api.base import ApiView, as_uuid, post_of
from api.filters import filtered
from api.pages import Pages
from api.problems import naming, unknown
from api.representations import attempt_json, post_json, transition_json
from api.serializers import (
    PostChanges,
    PostInput,
    ReasonInput,
    RequeueInput,
    ResolutionInput,
)
from platforms.models import SocialConnection
from scheduling import services
from scheduling.models import ScheduledPost
from scheduling.pauses import present as present_pauses


class PostsView(ApiView):
    """GET lists the workspace's posts, newest first; POST makes one."""

    def get(self, request: Request) -> Response:
        """Return one page; see `filters` for the query's parameters."""
        access = self.enter()
        posts = ScheduledPost.objects.filter(workspace=access.workspace)
        pages = Pages()
        found = pages.paginate_queryset(filtered(posts, request.query_params), request, view=self)
        full = {post.pk: post for post in _in_full([post.pk for post in found or ()])}
        paused = present_pauses()
        return pages.get_paginated_response([post_json(full[p.pk], paused) for p in found or ()])

    def post(self, request: Request) -> Response:
        """Schedule a post (or keep a draft): 201, or 200 when its external_id is there already."""
        wish = self.read(PostInput)
        access = self.enter()
        connection = connection_of(access, wish.pop("connection"), "connection")
        is_draft = wish.pop("draft")
        media = wish.pop("media", [])
        with naming(_names(request)), transaction.atomic():
            post, created = services.schedule_post(
                workspace=access.workspace,
                connection=connection,
                segments=wish.pop("segments", [{"text": ""}]),
                scheduled_at=wish.pop("scheduled_at", None) or timezone.now(),
                time_zone=wish.pop("time_zone", access.workspace.time_zone),
                attachments=attachments_from(access, media),
                actor=access.actor,
                created_by=access.user,
                as_draft=is_draft,
                **wish,
            )
            return self.answer(_shown(post), 201 if created else 200)


class PostView(ApiView):
    """GET shows one post; PATCH changes it as long as it was not sent."""

    def get(self, request: Request, post_id: str) -> Response:
        """Return the post in full."""
        return Response(_shown(post_of(self.enter(), post_id)))

    def patch(self, request: Request, post_id: str) -> Response:
        """Change content or moment; 409 when it is too late or `content_version` is outdated."""
        changes = self.read(PostChanges)
        access = self.enter()
        post = post_of(access, post_id)
        version = changes.pop("content_version", None)
        with naming(_names(request)), transaction.atomic():
            if "media" in changes:
                changes["attachments"] = attachments_from(access, changes.pop("media"))
            edited = services.edit_post(
                post.pk, actor=access.actor, expected_version=version, **changes
            )
            return self.answer(_shown(edited))


class PostAction(ApiView):
    """POST carries out one action on one post and shows the post as it then is."""

    body: ClassVar[type[Serializer[Any]]] = ReasonInput

    def post(self, request: Request, post_id: str) -> Response:
        """Do it; 409 when the post's state does not allow it."""
        wish = self.read(self.body)
        access = self.enter()
        post = post_of(access, post_id)
        with transaction.atomic():
            return self.answer(_shown(self.act(post, access, wish)))

    def act(self, post: ScheduledPost, access: Access, wish: dict[str, Any]) -> ScheduledPost:
        """Call the service."""
        raise NotImplementedError


class CancelPost(PostAction):
    """Stop a post for good."""

    def act(self, post: ScheduledPost, access: Access, wish: dict[str, Any]) -> ScheduledPost:
        """Cancel."""
        return services.cancel_post(post.pk, actor=access.actor, **wish)


class RetryPost(PostAction):
    """Put a failed, dead, held, blocked or cancelled post back in line.

    One whose outcome is unknown only with `confirm_not_live`.
    """

    body = RequeueInput

    def act(self, post: ScheduledPost, access: Access, wish: dict[str, Any]) -> ScheduledPost:
        """Requeue."""
        return services.requeue_post(post.pk, actor=access.actor, **wish)


class PublishPostNow(PostAction):
    """Make a waiting post due at once."""

    def act(self, post: ScheduledPost, access: Access, wish: dict[str, Any]) -> ScheduledPost:
        """Publish now."""
        return services.publish_now(post.pk, actor=access.actor, **wish)


class ResolvePost(PostAction):
    """Settle an unknown outcome by what a person saw of the part in doubt."""

    body = ResolutionInput

    def act(self, post: ScheduledPost, access: Access, wish: dict[str, Any]) -> ScheduledPost:
        """Resolve."""
        return services.resolve_outcome(post.pk, actor=access.actor, **wish)


class AttemptsView(ApiView):
    """GET lists every try to publish a post."""

    def get(self, request: Request, post_id: str) -> Response:
        """Return all attempts, oldest first (retry policies keep them few)."""
        post = post_of(self.enter(), post_id)
        attempts = post.attempt_log.order_by("number", "started_at")
        return Response({"results": [attempt_json(attempt) for attempt in attempts]})


class TransitionsView(ApiView):
    """GET lists every move of a post."""

    def get(self, request: Request, post_id: str) -> Response:
        """Return all moves, oldest first."""
        post = post_of(self.enter(), post_id)
        moves = post.transitions.order_by("pk")
        return Response({"results": [transition_json(move) for move in moves]})


def connection_of(access: Access, connection_id: str, field: str) -> SocialConnection:
    """Return a connection of the workspace; raises Problem 404 that names `field`."""
    key = as_uuid(connection_id)
    found = (
        SocialConnection.objects.filter(workspace=access.workspace, pk=key).first() if key else None
    )
    if found is None:
        raise unknown(field, "connection", "GET /api/v1/connections lists them")
    return found


def _names(request: Request) -> dict[str, str]:
    """Return how to call fields in errors: whoever sent `text` never heard of segments."""
    return {"segments[0].text": "text"} if "text" in request.data else {}


def _shown(post: ScheduledPost) -> dict[str, Any]:
    return post_json(_in_full([post.pk])[0], present_pauses())


def _in_full(ids: Sequence[Any]) -> list[ScheduledPost]:
    """Return posts with all that an answer shows, in three queries."""
    posts = ScheduledPost.objects.filter(pk__in=ids).select_related("connection")
    return list(posts.prefetch_related("post_media__asset"))
