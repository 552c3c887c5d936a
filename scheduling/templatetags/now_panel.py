"""The figures on the console's front page."""

from __future__ import annotations

from django import template
from django.http import HttpRequest

from scheduling.admin_now import Figure, figures

register = template.Library()


@register.simple_tag
def now_panel(request: HttpRequest) -> list[Figure]:
    """Return the figures, or none for people who may not see posts."""
    if not request.user.has_perm("scheduling.view_scheduledpost"):
        return []
    return figures()
