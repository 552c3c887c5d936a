"""Addresses under /api/v1/; each with and without a slash at its end."""

from __future__ import annotations

from django.urls import URLPattern, re_path
from rest_framework.views import APIView

from api import (
    approvals,
    audit,
    bulk,
    calendar,
    calendar_files,
    callbacks,
    connections,
    groups,
    invitations,
    keys,
    limits,
    members,
    posts,
    profile,
    queue_slots,
    schedule,
    series,
    series_actions,
    statistics,
    texts,
    workspaces,
)

SERIES = r"series/(?P<series_id>[^/]+)"
CONNECTION = r"connections/(?P<connection_id>[^/]+)"
KEY = r"api-keys/(?P<key_id>[^/]+)"
ID = r"(?P<post_id>[^/]+)"
GROUP = r"(?P<group_id>[^/]+)"


def _at(address: str, view: type[APIView]) -> URLPattern:
    return re_path(rf"^{address}/?$", view.as_view())


urlpatterns = [
    _at("schedule", schedule.ScheduleView),
    _at(r"schedule/(?P<job_id>[^/]+)", schedule.JobView),
    _at("health", schedule.HealthView),
    _at("me", profile.MeView),
    _at("connections", connections.ConnectionsView),
    _at(CONNECTION, connections.ConnectionView),
    _at(f"{CONNECTION}/pause", connections.PauseConnection),
    _at(f"{CONNECTION}/resume", connections.ResumeConnection),
    _at(f"{CONNECTION}/disconnect", connections.DisconnectConnection),
    _at(f"{CONNECTION}/queue", queue_slots.QueueView),
    _at(f"{CONNECTION}/check", connections.CheckConnection),
    _at("rate-limits", limits.LimitsView),
    _at(r"rate-limits/(?P<limit_id>[^/]+)/clear", limits.ClearLimit),
    _at("workspace", workspaces.WorkspaceView),
    _at("workspaces", workspaces.WorkspacesView),
    _at("members", members.MembersView),
    _at(r"members/(?P<member_id>[^/]+)", members.MemberView),
    _at("invitations", invitations.InvitationsView),
    _at("invitations/accept", invitations.AcceptInvitation),
    _at(r"invitations/(?P<invitation_id>[^/]+)/revoke", invitations.RevokeInvitation),
    _at("api-keys", keys.KeysView),
    _at(KEY, keys.KeyView),
    _at(f"{KEY}/rotate", keys.RotateKey),
    _at(f"{KEY}/revoke", keys.RevokeKey),
    _at("audit-events", audit.AuditEventsView),
    _at("statistics", statistics.StatisticsView),
    _at("statistics/queue", statistics.QueueStatisticsView),
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
    _at(f"{SERIES}/preview", series_actions.SeriesPreview),
    _at(f"{SERIES}/occurrences", series_actions.OccurrencesView),
    _at(f"{SERIES}/skip", series_actions.SkipOccurrence),
    _at(f"{SERIES}/pause", series_actions.PauseSeries),
    _at(f"{SERIES}/resume", series_actions.ResumeSeries),
    _at(f"{SERIES}/end", series_actions.EndSeries),
    _at(f"posts/{ID}/callbacks", callbacks.CallbacksView),
    _at(rf"posts/{ID}/callbacks/(?P<delivery_id>[^/]+)/resend", callbacks.ResendCallback),
]
