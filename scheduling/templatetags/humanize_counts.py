"""Numbers as people read them."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def counted(number: int) -> str:
    """Return 10000 as 10,000."""
    return f"{number:,}"
