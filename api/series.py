"""Series over the API: posts that recur, what they will do, and what people can do with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access
from accounts.models import Role
from api.attachments import attachments_from
from api.base import ApiView, as_uuid
from api.conditions import tag_of
from api.pages import PAGED, Pages
from api.posts import connection_of
from api.problems import invalid, naming, unknown
from api.schema import Answered, Parameter, operation
from api.series_answers import (
    FORECAST,
    SERIES,
    coming_json,
    notices_json,
    series_json,
)
from api.series_bodies import PreviewInput, Reach, SeriesChanges, SeriesInput
from api.shapes import UUID_EXAMPLE, among, identifier, page_of
from platforms.models import SocialConnection
from scheduling.series import checking, editing, forecast, services
from scheduling.series.models import (
    PostSeries,
    SeriesState,
    SeriesTarget,
)

PLAIN = (
    "name",
    "rule",
    "starts",
    "time_zone",
    "segments",
    "first_comment",
    "options",
    "priority",
    "late_policy",
    "late_limit_minutes",
    "callback_url",
)


ENDED = {409: "The series has ended, or its state does not allow it: `detail` says why."}
EDITED = {409: "It has ended, `version` is not the current one, or a post of it was sent."}
STATE = Parameter("state", among(SeriesState.values, "In this state."))
CONNECTION = Parameter("connection", identifier("Of this connected account."))
EXAMPLE = {
    "name": "Monday tip",
    "connections": [UUID_EXAMPLE],
    "text": "Oil your bells.",
    "rule": "FREQ=WEEKLY;BYDAY=MO",
    "starts": "2026-12-01T09:00",
    "time_zone": "Europe/Brussels",
}


class AllSeriesView(ApiView):
    """GET lists the workspace's series, newest first; POST starts one."""

    @operation(
        "list_series",
        "List series, newest first",
        tag="series",
        query=[STATE, CONNECTION, *PAGED],
        answers={200: page_of(SERIES, "series")},
    )
    def get(self, request: Request) -> Response:
        """Return one page; `state` and `connection` narrow it."""
        access = self.enter()
        found = _in_full(access)
        if state := request.query_params.get("state"):
            if state not in SeriesState.values:
                raise invalid("state", "unknown", f"States are {', '.join(SeriesState.values)}.")
            found = found.filter(state=state)
        if connection := request.query_params.get("connection"):
            wanted = connection_of(access, connection, "connection")
            found = found.filter(targets__connection=wanted)
        pages, now = Pages(), timezone.now()
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response([series_json(series, now) for series in page or ()])

    @operation(
        "create_series",
        "Start a series",
        tag="series",
        body=SeriesInput,
        example=EXAMPLE,
        answers={201: Answered(SERIES, "It was started, and its first posts are made.")},
    )
    def post(self, request: Request) -> Response:
        """Start a series; its posts are made some weeks ahead, the first ones at once.

        In the gap when clocks go forward an occurrence is as much later; when they go back it is
        the first of the two.
        """
        wish = self.read(SeriesInput)
        access = self.enter()
        targets = _targets(access, wish["connections"], wish.get("variants", ()))
        wish.setdefault("segments", [{"text": ""}])
        with naming(_names(request)), transaction.atomic():
            series = services.create_series(
                workspace=access.workspace,
                targets=targets,
                attachments=attachments_from(access, wish.get("media", ())),
                actor=access.actor,
                created_by=access.user,
                **{"time_zone": access.workspace.time_zone, **_plain(wish)},
            )
            return answer_with(self, access, series, 201)


class PreviewView(ApiView):
    """POST tells what a series would do; nothing is kept."""

    write_scope = "posts:read"
    write_role = Role.VIEWER

    @operation(
        "preview_series",
        "Try a series",
        tag="series",
        body=PreviewInput,
        example=EXAMPLE,
        answers={200: Answered(FORECAST, "What it would do; nothing is kept.")},
    )
    def post(self, request: Request) -> Response:
        """Return the next occurrences and notices; what POST /series would refuse is refused."""
        wish = self.read(PreviewInput)
        access = self.enter()
        now = timezone.now()
        plain = {"time_zone": access.workspace.time_zone, **_plain(wish)}
        targets = _targets(access, wish.get("connections", ()), wish.get("variants", ()))
        recurrence = checking.read_recurrence(plain["rule"], plain["starts"], plain["time_zone"])
        if targets and ("segments" in wish or "media" in wish):
            plain.setdefault("segments", [{"text": ""}])
            plain.setdefault("late_policy", access.workspace.late_policy)
            series = PostSeries(workspace=access.workspace, **plain)
            chosen = [
                SeriesTarget(series=series, connection=connection, changes=changes)
                for connection, changes in targets
            ]
            with naming(_names(request)):
                media = attachments_from(access, wish.get("media", ()))
                checking.check_series(series, chosen, media, now=now)
        moments = recurrence.first(wish["count"], after=now)
        notices = forecast.notices_for(recurrence, [account for account, _ in targets], now=now)
        with transaction.atomic():
            return self.answer(
                {
                    "rule": str(recurrence.rule),
                    "notices": notices_json(notices),
                    "results": [coming_json(forecast.Coming(moment)) for moment in moments],
                }
            )


class SeriesView(ApiView):
    """GET shows a series; PATCH changes it, or part of it; DELETE ends it."""

    @operation(
        "get_series", "Look at a series", tag="series", answers={200: SERIES}, conditional=True
    )
    def get(self, request: Request, series_id: str) -> Response:
        """Return the series in full."""
        series = series_of(self.enter(), series_id)
        tag = series_tag(series)
        if answer := self.unchanged(tag):
            return answer
        return self.answer(series_json(series, timezone.now()), tag=tag)

    @operation(
        "change_series",
        "Change a series, or one occurrence",
        tag="series",
        body=SeriesChanges,
        example={
            "scope": "following",
            "occurrence": "2026-12-14T08:00:00Z",
            "text": "Oil your bells twice.",
        },
        answers={200: Answered(SERIES, "The series that has the change: another one if split.")},
        problems=EDITED,
        conditional=True,
    )
    def patch(self, request: Request, series_id: str) -> Response:
        """Change all its future, one occurrence and what follows, or one occurrence; see `scope`.

        Returns the series that then has what was changed: another one where it was split.
        """
        wish = self.read(SeriesChanges)
        access = self.enter()
        series = series_of(access, series_id)
        known: dict[str, Any] = {"actor": access.actor, "expected_version": wish.get("version")}
        changes = _plain(wish)
        with naming(_names(request)), transaction.atomic():
            self.require_match(series, series_tag)
            if "media" in wish:
                changes["attachments"] = attachments_from(access, wish["media"])
            if wish["scope"] == Reach.OCCURRENCE:
                if "scheduled_at" in wish:
                    changes["scheduled_at"] = wish["scheduled_at"]
                connection = named_connection(access, wish)
                editing.edit_occurrence(
                    series.pk, wish["occurrence"], connection=connection, **known, **changes
                )
                return answer_with(self, access, series)
            if "connections" in wish or "variants" in wish:
                changes["targets"] = _new_targets(access, series, wish)
            if wish["scope"] == Reach.FOLLOWING:
                edited = editing.edit_following(series.pk, wish["occurrence"], **known, **changes)
            else:
                edited = editing.edit_series(series.pk, **known, **changes)
            return answer_with(self, access, edited)

    @operation(
        "delete_series",
        "End a series",
        tag="series",
        answers={200: Answered(SERIES, "It has ended.", SERIES.example(state="ended"))},
        problems=ENDED,
        conditional=True,
    )
    def delete(self, request: Request, series_id: str) -> Response:
        """End it: its future posts are cancelled; the series and its past stay to be seen."""
        access = self.enter()
        series = series_of(access, series_id)
        with transaction.atomic():
            self.require_match(series, series_tag)
            services.end_series(series.pk, actor=access.actor)
            return answer_with(self, access, series)


def series_of(access: Access, series_id: str) -> PostSeries:
    """Return a series of the workspace, with all that an answer shows; raises Problem 404."""
    key = as_uuid(series_id)
    found = _in_full(access).filter(pk=key).first() if key else None
    if found is None:
        raise unknown("id", "series", "GET /api/v1/series lists them")
    return found


def _in_full(access: Access) -> QuerySet[PostSeries]:
    rows = PostSeries.objects.filter(workspace=access.workspace).select_related("workspace")
    return rows.prefetch_related("targets__connection", "series_media__asset")


def answer_with(view: ApiView, access: Access, series: PostSeries, status: int = 200) -> Response:
    """Answer with a series as it is in the database now."""
    fresh = _in_full(access).get(pk=series.pk)
    return view.answer(series_json(fresh, timezone.now()), status, tag=series_tag(fresh))


def series_tag(series: PostSeries) -> str:
    """Return the ETag of a series; each change of it raises its version."""
    return tag_of(str(series.pk), series.version, str(series.state))


def _plain(wish: Mapping[str, Any]) -> dict[str, Any]:
    return {name: wish[name] for name in PLAIN if name in wish}


def _names(request: Request) -> dict[str, str]:
    return {"segments[0].text": "text"} if "text" in request.data else {}


Targets = list[tuple[SocialConnection, dict[str, Any]]]


def _targets(
    access: Access, connections: Sequence[str], variants: Sequence[Mapping[str, Any]]
) -> Targets:
    """Return the accounts, each with its own changes; raises Problem for unknown ones."""
    accounts = [connection_of(access, key, "connections") for key in connections]
    changes: dict[Any, dict[str, Any]] = {}
    for number, variant in enumerate(variants):
        key = as_uuid(variant["connection"])
        if key not in {account.pk for account in accounts}:
            raise invalid(
                f"variants[{number}].connection",
                "unknown",
                "A variant is for one of the series' connections.",
            )
        changes[key] = {name: value for name, value in variant.items() if name != "connection"}
    return [(account, changes.get(account.pk, {})) for account in accounts]


def _new_targets(access: Access, series: PostSeries, wish: Mapping[str, Any]) -> Targets:
    """Return the accounts after an edit: what is not given stays as it was."""
    old = {str(target.connection_id): target.changes for target in series.targets.all()}
    connections = [str(as_uuid(key) or key) for key in wish.get("connections", old)]
    kept = [
        {"connection": key, **changes}
        for key, changes in old.items()
        if changes and key in connections
    ]
    return _targets(access, connections, wish.get("variants", kept))


def named_connection(access: Access, wish: Mapping[str, Any]) -> SocialConnection | None:
    """Return the account that a body names, if it does; raises Problem 404."""
    return connection_of(access, wish["connection"], "connection") if "connection" in wish else None
