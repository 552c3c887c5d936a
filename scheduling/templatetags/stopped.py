"""What staff have stopped in part, for the banner on every page of the console."""

from __future__ import annotations

from django import template

from engine.models import Pause
from scheduling.pauses import name_of

register = template.Library()
NAMED = 5


@register.simple_tag
def stopped_parts() -> str:
    """Return "X, Workspace acme and 3 more", or "" while everything goes on."""
    found = list(Pause.objects.order_by("since").values_list("scope", "key"))
    names = [name_of(scope, key) for scope, key in found[:NAMED]]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(names) + more
