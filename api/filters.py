"""The query parameters of the list of posts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError

from api.base import as_uuid
from api.fields import Instant
from api.problems import invalid
from api.schema import Parameter
from api.shapes import among, identifier, listed, moment, text
from platforms.registry import UnknownPlatform, slug_of
from scheduling.models import ScheduledPost
from scheduling.states import PostState

POST_FILTERS = (
    Parameter(
        "state",
        listed(among(PostState.values, "A state."), "In any of these states.", ["failed", "held"]),
    ),
    Parameter("platform", text("Of this network, by any of its names.", "mastodon")),
    Parameter("connection", identifier("Of this connected account.")),
    Parameter("external_id", text("With this id of yours.", "campaign-17")),
    Parameter("scheduled_after", moment("Planned for this instant or later.")),
    Parameter("scheduled_before", moment("Planned for before this instant.")),
)


def filtered(posts: QuerySet[ScheduledPost], query: Mapping[str, str]) -> QuerySet[ScheduledPost]:
    """Narrow `posts` by state (several with commas), platform, connection, external_id,
    scheduled_after (inclusive) and scheduled_before (exclusive); raises Problem or ValidationError.
    """
    if states := query.get("state"):
        posts = posts.filter(state__in=_states(states))
    if platform := query.get("platform"):
        posts = posts.filter(platform=platform_slug(platform))
    if connection := query.get("connection"):
        key = as_uuid(connection)
        if key is None:
            raise invalid("connection", "not_an_id", "Give a connection's id.")
        posts = posts.filter(connection=key)
    if external_id := query.get("external_id"):
        posts = posts.filter(external_id=_storable(external_id))
    if after := query.get("scheduled_after"):
        posts = posts.filter(scheduled_at__gte=_instant("scheduled_after", after))
    if before := query.get("scheduled_before"):
        posts = posts.filter(scheduled_at__lt=_instant("scheduled_before", before))
    return posts


def platform_slug(name: str) -> str:
    """Return the slug of a platform by any of its names; raises Problem 422."""
    try:
        return slug_of(name)
    except UnknownPlatform as error:
        raise invalid("platform", "unknown", str(error)) from None


def _states(names: str) -> list[str]:
    states = [name.strip() for name in names.split(",")]
    if set(states) - set(PostState.values):
        raise invalid("state", "unknown", f"States are {', '.join(PostState.values)}.")
    return states


def _instant(name: str, text: str) -> datetime:
    try:
        # "+" of an offset arrives as a blank when a client did not escape it.
        moment: datetime = Instant().run_validation(text.replace(" ", "+"))
    except ValidationError as error:
        raise ValidationError({name: error.detail}) from None
    return moment


def _storable(text: str) -> str:
    if "\x00" in text:
        raise invalid("external_id", "invalid", "Texts must not contain the NUL character.")
    return text
