"""What the audit log can be narrowed by; each is served by an index or by the order of the log."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db.models import Q

from accounts.models import Workspace
from engine.admin_filters import MomentFilter, TypedFilter

MOST_WORKSPACES = 100  # that one text may mean


class ActionFilter(TypedFilter):
    title = "action"
    parameter_name = "did"
    placeholder = "post.cancelled, or post."

    def rule(self, text: str) -> Q:
        return Q(action__startswith=text)


class ActorFilter(TypedFilter):
    title = "actor"
    parameter_name = "who"
    placeholder = "ada, or key:crl_…"

    def rule(self, text: str) -> Q:
        return Q(actor=text) if ":" in text else Q(actor__in=[f"user:{text}", text])


class TargetFilter(TypedFilter):
    title = "target"
    parameter_name = "on"
    placeholder = "post:…, bulk_job:…"

    def rule(self, text: str) -> Q:
        return Q(target=text)


class WorkspaceFilter(TypedFilter):
    title = "workspace"
    parameter_name = "workspace_is"
    placeholder = "part of its name"

    def rule(self, text: str) -> Q:
        try:
            return Q(workspace_id=uuid.UUID(text))
        except ValueError:
            named = Workspace.objects.filter(Q(slug__icontains=text) | Q(name__icontains=text))
            return Q(workspace_id__in=list(named.values_list("pk", flat=True)[:MOST_WORKSPACES]))


class SinceFilter(MomentFilter):
    title = "since (UTC)"
    parameter_name = "since"

    def rule_of(self, at: datetime) -> Q:
        return Q(at__gte=at)


class UntilFilter(MomentFilter):
    title = "until (UTC)"
    parameter_name = "until"

    def rule_of(self, at: datetime) -> Q:
        return Q(at__lt=at)
