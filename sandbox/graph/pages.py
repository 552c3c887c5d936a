"""Who is behind which page: each person has two pages to publish on, and one only to look at.

The person `ada` has the pages `ada`, `ada-two` and `ada-analyst`; `ada` is linked to the Instagram
account `ada`, the others to none.
"""

from __future__ import annotations

_SECOND, _WATCHED = "-two", "-analyst"
_ALL_TASKS = ("ADVERTISE", "ANALYZE", "CREATE_CONTENT", "MESSAGING", "MODERATE", "MANAGE")


def page_names(person: str) -> tuple[str, str, str]:
    return person, person + _SECOND, person + _WATCHED


def tasks(page: str) -> tuple[str, ...]:
    """What the person may do there."""
    return ("ANALYZE",) if page.endswith(_WATCHED) else _ALL_TASKS


def has_instagram(page: str) -> bool:
    return not page.endswith((_SECOND, _WATCHED))
