"""What people can do with a series beyond editing it, and what it does: forecast and history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import ApiView
from api.fields import Instant
from api.pages import PAGED, Pages
from api.posts import connection_of
from api.problems import invalid
from api.schema import Answered, Parameter, operation
from api.serializers import ReasonInput
from api.series import CONNECTION, ENDED, answer_with, named_connection, series_of, series_tag
from api.series_answers import (
    FORECAST,
    OCCURRENCES,
    SERIES,
    coming_json,
    notices_json,
    occurrence_json,
)
from api.series_bodies import SkipInput
from api.shapes import among, moment, whole
from scheduling.series import forecast, services
from scheduling.series.models import OccurrenceState, PostSeries, SeriesOccurrence

COUNT = Parameter(
    "count",
    whole(
        "How many occurrences.",
        forecast.SHOWN,
        minimum=1,
        maximum=forecast.MOST,
        default=forecast.SHOWN,
    ),
)
OCCURRENCE_FILTERS = (
    Parameter("after", moment("At this instant or later.")),
    Parameter("before", moment("Before this instant.")),
    Parameter("state", among(OccurrenceState.values, "In this state.")),
    CONNECTION,
)


class SeriesAction(ApiView):
    """POST carries out one action on one series and shows the series as it then is."""

    def carry_out(self, series_id: str, service: Callable[..., PostSeries]) -> Response:
        """Call `service` with a reason; 409 when the series' state does not allow it."""
        wish = self.read(ReasonInput)
        access = self.enter()
        series = series_of(access, series_id)
        with transaction.atomic():
            self.require_match(series, series_tag)
            service(series.pk, actor=access.actor, **wish)
            return answer_with(self, access, series)


class PauseSeries(SeriesAction):
    """Withdraw its future posts until it is resumed."""

    @operation(
        "pause_series",
        "Pause a series",
        tag="series",
        body=ReasonInput,
        example={"reason": "Summer break."},
        answers={200: Answered(SERIES, "It is paused.", SERIES.example(state="paused"))},
        problems=ENDED,
        conditional=True,
    )
    def post(self, request: Request, series_id: str) -> Response:
        """Withdraw its posts that are to come, and make no more until it is resumed."""
        return self.carry_out(series_id, services.pause_series)


class ResumeSeries(SeriesAction):
    """Put its future posts back."""

    @operation(
        "resume_series",
        "Resume a series",
        tag="series",
        body=ReasonInput,
        example={"reason": "We are back."},
        answers={200: Answered(SERIES, "It goes on.")},
        problems=ENDED,
        conditional=True,
    )
    def post(self, request: Request, series_id: str) -> Response:
        """Put its posts that are to come back; what passed meanwhile is not made up for."""
        return self.carry_out(series_id, services.resume_series)


class EndSeries(SeriesAction):
    """Cancel its future posts for good."""

    @operation(
        "end_series",
        "End a series, with a reason",
        tag="series",
        body=ReasonInput,
        example={"reason": "The campaign is over."},
        answers={200: Answered(SERIES, "It has ended.", SERIES.example(state="ended"))},
        problems=ENDED,
        conditional=True,
    )
    def post(self, request: Request, series_id: str) -> Response:
        """Cancel its posts that are to come, for good; what was sent stays."""
        return self.carry_out(series_id, services.end_series)


class SkipOccurrence(ApiView):
    """Leave one occurrence out."""

    @operation(
        "skip_occurrence",
        "Leave one occurrence out",
        tag="series",
        body=SkipInput,
        example={"occurrence": "2026-12-28T08:00:00Z", "reason": "Holidays."},
        answers={200: Answered(SERIES, "It is left out.")},
        problems={409: "The series has ended, or a post of the occurrence was sent."},
        conditional=True,
    )
    def post(self, request: Request, series_id: str) -> Response:
        """Leave one occurrence out, however far away; it stays visible among the occurrences."""
        wish = self.read(SkipInput)
        access = self.enter()
        series = series_of(access, series_id)
        with transaction.atomic():
            self.require_match(series, series_tag)
            services.skip_occurrence(
                series.pk,
                wish["occurrence"],
                actor=access.actor,
                connection=named_connection(access, wish),
                reason=wish["reason"],
            )
            return answer_with(self, access, series)


class SeriesPreview(ApiView):
    """GET tells what a series will do next."""

    @operation(
        "forecast_series",
        "Tell what a series does next",
        tag="series",
        query=[COUNT],
        answers={200: FORECAST},
    )
    def get(self, request: Request, series_id: str) -> Response:
        """Return the next occurrences, with their posts as far as they are made."""
        access = self.enter()
        series = series_of(access, series_id)
        now = timezone.now()
        coming = forecast.coming(series, now=now, count=_count(request.query_params))
        accounts = [target.connection for target in series.targets.all()]
        notices = forecast.notices_for(series.recurrence, accounts, now=now) if coming else []
        return Response(
            {
                "rule": series.rule,
                "notices": notices_json(notices),
                "results": [coming_json(one) for one in coming],
            }
        )


class OccurrencesView(ApiView):
    """GET lists the occurrences that exist: made, skipped, withdrawn or missed."""

    @operation(
        "list_occurrences",
        "List the occurrences of a series, earliest first",
        tag="series",
        query=[*OCCURRENCE_FILTERS, *PAGED],
        answers={200: OCCURRENCES},
    )
    def get(self, request: Request, series_id: str) -> Response:
        """Return one page, earliest first; `after`, `before`, `state`, `connection` narrow it."""
        access = self.enter()
        series = series_of(access, series_id)
        rows = SeriesOccurrence.objects.filter(series=series).select_related("post")
        query = request.query_params
        for name, rule in (("after", "at__gte"), ("before", "at__lt")):
            if text := query.get(name):
                rows = rows.filter(**{rule: _instant(name, text)})
        if state := query.get("state"):
            if state not in OccurrenceState.values:
                states = ", ".join(OccurrenceState.values)
                raise invalid("state", "unknown", f"States are {states}.")
            rows = rows.filter(state=state)
        if connection := query.get("connection"):
            rows = rows.filter(connection=connection_of(access, connection, "connection"))
        pages = OccurrencePages()
        page = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response([occurrence_json(row) for row in page or ()])


class OccurrencePages(Pages):
    """Earliest first."""

    ordering = ("at", "id")  # type: ignore[assignment] # the stubs know of single columns only


def _count(query: Mapping[str, str]) -> int:
    text = query.get("count", str(forecast.SHOWN))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= forecast.MOST):
        raise invalid("count", "out_of_range", f"Give a number, 1 to {forecast.MOST}.")
    return int(text)


def _instant(name: str, text: str) -> Any:
    try:
        # "+" of an offset arrives as a blank when a client did not escape it.
        return Instant().run_validation(text.replace(" ", "+"))
    except ValidationError as error:
        raise ValidationError({name: error.detail}) from None
