"""Addresses under /api/v1/; each with and without a slash at its end."""

from __future__ import annotations

from django.urls import URLPattern, re_path
from rest_framework.views import APIView

from api import posts, profile, queue_slots, schedule, series, series_actions, texts

SERIES = r"series/(?P<series_id>[^/]+)"
ID = r"(?P<post_id>[^/]+)"


def _at(address: str, view: type[APIView]) -> URLPattern:
    return re_path(rf"^{address}/?$", view.as_view())


urlpatterns = [
    _at("schedule", schedule.ScheduleView),
    _at(r"schedule/(?P<job_id>[^/]+)", schedule.JobView),
    _at("health", schedule.HealthView),
    _at("me", profile.MeView),
    _at("connections", profile.ConnectionsView),
    _at(r"connections/(?P<connection_id>[^/]+)/queue", queue_slots.QueueView),
    _at("text-length", texts.TextLengthView),
    _at("posts", posts.PostsView),
    _at(f"posts/{ID}", posts.PostView),
    _at(f"posts/{ID}/cancel", posts.CancelPost),
    _at(f"posts/{ID}/retry", posts.RetryPost),
    _at(f"posts/{ID}/publish-now", posts.PublishPostNow),
    _at(f"posts/{ID}/resolve", posts.ResolvePost),
    _at(f"posts/{ID}/attempts", posts.AttemptsView),
    _at(f"posts/{ID}/transitions", posts.TransitionsView),
    _at("series", series.AllSeriesView),
    _at("series/preview", series.PreviewView),
    _at(SERIES, series.SeriesView),
    _at(f"{SERIES}/preview", series_actions.SeriesPreview),
    _at(f"{SERIES}/occurrences", series_actions.OccurrencesView),
    _at(f"{SERIES}/skip", series_actions.SkipOccurrence),
    _at(f"{SERIES}/pause", series_actions.PauseSeries),
    _at(f"{SERIES}/resume", series_actions.ResumeSeries),
    _at(f"{SERIES}/end", series_actions.EndSeries),
]
