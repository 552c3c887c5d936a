"""The predecessor's addresses: POST /schedule, GET and DELETE /schedule/{job_id}, GET /health."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import Access, UnknownWorkspace
from api.attachments import asset_from_url
from api.base import ApiView, as_uuid, found_post
from api.fields import instant
from api.filters import platform_slug
from api.jobs import ACCEPTED, JOB, job_json, status_of
from api.problems import Problem, invalid, naming, unknown
from api.queue import SHOWN, queue_counts
from api.schema import Answered, operation
from api.serializers import ScheduleInput
from api.shapes import Shape, among, identifier, text, the, whole
from api.targets import target_of
from platforms.models import SocialConnection
from scheduling import services
from scheduling.drafts import Attachment
from scheduling.models import ScheduledPost
from scheduling.rows import same_external_id
from scheduling.states import WAITING, PostState

CALLBACK_PATH = "/api/v1/scheduling/callback/"
THEIR_NAMES = {
    "segments[0].text": "text",
    "segments[0].media": "media_urls",
    "external_id": "content_id",
    "connection": "connection_id",
}

CANCELLED = Shape(
    "CancelledJob",
    "The job was cancelled.",
    message=text("For people.", "Job canceled successfully"),
    job_id=identifier("The job's id."),
)
HEALTH = Shape(
    "Health",
    "Whether the service works.",
    status=among(["healthy"], "That it does."),
    service=text("Which one this is.", "scheduler"),
    queue=the(
        Shape(
            "QueueCounts",
            "How many posts are in which status.",
            **{name: whole(f"How many are {name}.", 3) for name in SHOWN},
        )
    ),
)
SICKNESS = Shape(
    "Sickness",
    "The database does not answer.",
    status=among(["unhealthy"], "That it does not work."),
    service=text("Which one this is.", "scheduler"),
    queue=the(Shape("NoCounts", "Nothing: nobody could count.")),
)


class ScheduleView(ApiView):
    """POST schedules a text, or a stored draft when none is given."""

    @operation(
        "schedule_job",
        "Schedule a job",
        tag="jobs",
        body=ScheduleInput,
        example={
            "content_id": "c-17",
            "platform": "mastodon",
            "scheduled_at": "2026-11-26T10:00:00+01:00",
            "user_id": "u-1",
            "org_id": "o-1",
            "text": "The bells are back.",
        },
        answers={
            201: Answered(ACCEPTED, "The job was taken on."),
            200: Answered(ACCEPTED, "This content_id was scheduled before: here is its job."),
        },
        problems={
            409: "The post's state does not allow it: `detail` says why.",
            503: "The network cannot be asked now whose token this is.",
        },
    )
    def post(self, request: Request) -> Response:
        """Schedule a text on an account: by `connection_id`, by `access_token`, or the only one.

        Without a text, `content_id` names a stored draft by its id or external_id. A bare token is
        verified with its network and kept, encrypted, as a connection.
        """
        wish = self.read(ScheduleInput)
        slug = platform_slug(wish["platform"])
        access = self.enter(org_id=wish["org_id"], user_id=wish["user_id"])
        if wish.get("text") or wish.get("media_urls"):
            connection = target_of(
                access,
                slug,
                connection_id=wish.get("connection_id", ""),
                access_token=wish.get("access_token", ""),
            )
            known = same_external_id(connection, wish["content_id"])
        else:
            known = _stored_draft(access, wish, slug)
            connection = known.connection
        with naming(THEIR_NAMES), transaction.atomic():
            if known is None:
                post, created = _schedule_new(access, connection, wish)
            elif known.state == PostState.DRAFT:
                post, created = _schedule_draft(access, known, wish), True
            else:
                post, created = _found_again(known, wish), False
            return self.answer(_accepted(post), 201 if created else 200)


class JobView(ApiView):
    """GET tells how far a job is; DELETE cancels it."""

    @operation("get_job", "Look at a job", tag="jobs", answers={200: JOB})
    def get(self, request: Request, job_id: str) -> Response:
        """Return how far the job is and what came of it."""
        return Response(job_json(self._post(job_id), timezone.now()))

    @operation(
        "cancel_job",
        "Cancel a job",
        tag="jobs",
        answers={200: CANCELLED},
        problems={409: "It was sent, or cancelled before."},
    )
    def delete(self, request: Request, job_id: str) -> Response:
        """Stop a job that was not sent."""
        post = self._post(job_id)
        services.cancel_post(post.pk, actor=self.caller.actor)
        return Response({"message": "Job canceled successfully", "job_id": str(post.pk)})

    def _post(self, job_id: str) -> ScheduledPost:
        """Return the job's post; where no workspace is named, the job itself names it.

        A service may look into all workspaces, a user into their own.
        """
        posts = ScheduledPost.objects.prefetch_related("post_media__asset")
        if self.caller.workspace is not None or self.names_workspace:
            return found_post(posts.filter(workspace=self.enter().workspace), job_id)
        post = found_post(posts, job_id)
        if not self.caller.is_service:
            try:
                self.enter(named=str(post.workspace_id))
            except UnknownWorkspace:
                raise unknown("id", "post") from None
        return post


class HealthView(APIView):
    """GET tells that the service works and how full the queue is; open to everybody."""

    authentication_classes = ()
    permission_classes = ()

    @operation(
        "get_health",
        "Tell whether the service works",
        tag="health",
        answers={200: HEALTH, 503: SICKNESS},
    )
    def get(self, request: Request) -> Response:
        """Return the counts (at most some seconds old), or 503 when the database is away."""
        try:
            queue = queue_counts()
        except DatabaseError:
            return Response({"status": "unhealthy", "service": "scheduler", "queue": {}}, 503)
        return Response({"status": "healthy", "service": "scheduler", "queue": queue})


def _schedule_new(
    access: Access, connection: SocialConnection, wish: dict[str, Any]
) -> tuple[ScheduledPost, bool]:
    return services.schedule_post(
        workspace=access.workspace,
        connection=connection,
        segments=[{"text": wish.get("text", "")}],
        scheduled_at=wish["scheduled_at"],
        attachments=_attachments(access, wish),
        actor=access.actor,
        created_by=access.user,
        external_id=wish["content_id"],
        callback_url=_callback_url(wish),
        caller_data=_caller_data(wish),
        is_first=True,
        **_given(wish, "priority"),
    )


def _found_again(known: ScheduledPost, wish: dict[str, Any]) -> ScheduledPost:
    """Return the post that an earlier request made; raises Problem if that had another text."""
    if wish.get("text") or wish.get("media_urls"):
        services.require_same_text(known, [{"text": wish.get("text", "")}])
    return known


def _schedule_draft(access: Access, draft: ScheduledPost, wish: dict[str, Any]) -> ScheduledPost:
    changes = _given(wish, "priority")
    if wish.get("text"):
        changes["segments"] = [{"text": wish["text"]}]
    if wish.get("media_urls"):
        changes["attachments"] = _attachments(access, wish)
    return services.schedule_draft(
        draft.pk,
        actor=access.actor,
        scheduled_at=wish["scheduled_at"],
        callback_url=_callback_url(wish) or draft.callback_url,
        caller_data=_caller_data(wish),
        **changes,
    )


def _stored_draft(access: Access, wish: dict[str, Any], slug: str) -> ScheduledPost:
    """Return what content_id names: a draft, or the post that an earlier request made of it."""
    named = Q(external_id=wish["content_id"])
    if key := as_uuid(wish["content_id"]):
        named |= Q(pk=key)
    posts = ScheduledPost.objects.select_related("connection").filter(
        named, workspace=access.workspace, platform=slug
    )
    if wish.get("connection_id"):
        posts = posts.filter(connection=as_uuid(wish["connection_id"]))
    match list(posts.exclude(state=PostState.CANCELLED)[:2]):
        case [only]:
            return only
        case []:
            raise invalid(
                "text",
                "required",
                f"There is no text, and content_id names no stored {slug} draft here: send text.",
            )
        case _:
            raise invalid(
                "connection_id", "ambiguous", "Several drafts have this content_id: say whose."
            )


def _accepted(post: ScheduledPost) -> dict[str, Any]:
    """Return the answer; a post found again that no longer waits is not called scheduled."""
    waits = post.state in WAITING
    return {
        "job_id": str(post.pk),
        "status": "scheduled" if waits else status_of(post.state, post.due_at, timezone.now()),
        "scheduled_at": instant(post.scheduled_at),
    }


def _attachments(access: Access, wish: dict[str, Any]) -> list[Attachment]:
    return [Attachment(asset_from_url(access, url)) for url in wish.get("media_urls", ())]


def _callback_url(wish: dict[str, Any]) -> str:
    if wish.get("callback_url"):
        return str(wish["callback_url"])
    base: str = settings.DJANGO_API_URL
    return base.rstrip("/") + CALLBACK_PATH if base else ""


def _caller_data(wish: dict[str, Any]) -> dict[str, str]:
    return {name: wish[name] for name in ("user_id", "org_id", "platform")}


def _given(wish: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: wish[name] for name in names if name in wish}


class ApiNotFound(APIView):
    """Any other address under /api/."""

    authentication_classes = ()
    permission_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse every method alike."""
        raise Problem(404, "not_found", "There is nothing at this address.")
