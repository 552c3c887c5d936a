"""Addresses under /api/v1/; each with and without a slash at its end."""

from __future__ import annotations

from django.urls import URLPattern, re_path
from rest_framework.views import APIView

from api import (
    approvals,
    bulk,
    calendar,
    calendar_files,
    groups,
    posts,
    profile,
    queue_slots,
    schedule,
    series,
    texts,
)

SERIES = r"series/(?P<series_id>[^/]+)"
ID = r"(?P<post_id>[^/]+)"
GROUP = r"(?P<group_id>[^/]+)"


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
    _at("posts/bulk", bulk.BulkPosts),
    _at("posts/bulk-cancel", bulk.BulkCancel),
    _at("posts/bulk-reschedule", bulk.BulkReschedule),
    _at("posts/violations", bulk.TrialView),
    _at(f"posts/{ID}", posts.PostView),
    _at(f"posts/{ID}/cancel", posts.CancelPost),
    _at(f"posts/{ID}/retry", posts.RetryPost),
    _at(f"posts/{ID}/publish-now", posts.PublishPostNow),
    _at(f"posts/{ID}/resolve", posts.ResolvePost),
    _at(f"posts/{ID}/reschedule", approvals.ReschedulePost),
    _at(f"posts/{ID}/duplicate", approvals.DuplicatePost),
    _at(f"posts/{ID}/submit", approvals.SubmitPost),
    _at(f"posts/{ID}/approve", approvals.ApprovePost),
    _at(f"posts/{ID}/reject", approvals.RejectPost),
    _at(f"posts/{ID}/withdraw-approval", approvals.WithdrawApproval),
    _at(f"posts/{ID}/attempts", posts.AttemptsView),
    _at(f"posts/{ID}/transitions", posts.TransitionsView),
    _at("calendar", calendar.CalendarView),
    _at("calendar/export", calendar_files.CalendarExport),
    _at("calendar/import", calendar_files.CalendarImport),
    _at("groups", groups.GroupsView),
    _at(f"groups/{GROUP}", groups.GroupView),
    _at(f"groups/{GROUP}/cancel", groups.CancelGroup),
    _at(f"groups/{GROUP}/reschedule", groups.RescheduleGroup),
    _at(f"groups/{GROUP}/publish-now", groups.PublishGroupNow),
    _at("series", series.AllSeriesView),
    _at("series/preview", series.PreviewView),
    _at(SERIES, series.SeriesView),
    _at(f"{SERIES}/preview", series.SeriesPreview),
    _at(f"{SERIES}/occurrences", series.OccurrencesView),
    _at(f"{SERIES}/skip", series.SkipOccurrence),
    _at(f"{SERIES}/pause", series.PauseSeries),
    _at(f"{SERIES}/resume", series.ResumeSeries),
    _at(f"{SERIES}/end", series.EndSeries),
]
