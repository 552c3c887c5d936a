"""How connected accounts look in answers: how each is, in words, and never its credentials."""

from __future__ import annotations

from dataclasses import asdict

from django.utils import timezone

from api.fields import instant
from api.representations import CONNECTION, Json, connection_json
from api.shapes import (
    Shape,
    among,
    anything,
    identifier,
    moment,
    or_null,
    text,
    the,
    whole,
)
from platforms.health import health_of
from platforms.models import SocialConnection
from platforms.registry import adapter_for
from scheduling.account_checks import Checked, Finding
from scheduling.activity import activity_of

TONES = {"good": "good", "warn": "warning", "bad": "bad", "muted": "off"}

HEALTH = Shape(
    "ConnectionHealth",
    "How an account is, in words.",
    status=among(list(TONES.values()), "How urgent it is."),
    word=text("One or two words.", "works"),
    message=text("What works, until when, and what to do.", "Token good until it is taken back."),
)
TOKEN = Shape(
    "ConnectionToken",
    "How long the account's access lasts.",
    expires_at=or_null(moment("When the present token ends; null: it does not."), None),
    refresh_expires_at=or_null(moment("When it can be renewed no more, if ever."), None),
    refresh_failing_since=or_null(moment("Since when renewing it fails."), None),
)
LAST_FAILURE = Shape(
    "ConnectionFailure",
    "The last failure of a post that was not made good since.",
    at=moment("When."),
    post=identifier("Which post."),
    category=text("The stable word for it.", "auth_error"),
    message=text("What went wrong, for people.", "The token was revoked."),
)
_LINE = {**CONNECTION.schema["properties"], "health": the(HEALTH, "How it is, in words.")}
CONNECTION_LINE = Shape("ConnectionLine", "A connected account, as lists show it.", **_LINE)
_FULL = {
    **_LINE,
    "token": the(TOKEN, "How long its access lasts."),
    "network_limits": anything("What one post may hold.", {"text_chars": 500, "images": 4}),
    "last_success_at": or_null(moment("When a post of it last went out.")),
    "last_failure": or_null(the(LAST_FAILURE, "What last went wrong."), None),
    "last_check_at": or_null(moment("When its network was last asked about it."), None),
    "posts_waiting": whole("How many posts wait to go out, or for the account to work.", 3),
}
CONNECTION_FULL = Shape("ConnectionFull", "A connected account with all about it.", **_FULL)
DISCONNECTED = Shape(
    "Disconnected",
    "An account whose credentials were deleted.",
    **_FULL,
    note=or_null(text("What its owner may still do at the network.", "Remove this app."), None),
)
CHECK = Shape(
    "ConnectionCheck",
    "What asking the network brought.",
    finding=among(list(Finding), "Whether the account works."),
    message=text("The same for people.", "Mastodon accepts its access."),
    category=or_null(text("What went wrong, as a stable word.", "auth_error"), None),
    ask_again_at=or_null(moment("When asking makes sense again."), None),
)
CHECKED = Shape("CheckedConnection", "An account that was checked.", **_FULL, check=the(CHECK))


def check_json(found: Checked) -> Json:
    """Return what a check found."""
    return {
        "finding": found.finding,
        "message": found.sentence,
        "category": found.category or None,
        "ask_again_at": instant(found.again_at),
    }


def connection_line_json(connection: SocialConnection) -> Json:
    """Return an account with how it is, in words."""
    health = health_of(connection, now=timezone.now())
    return {
        **connection_json(connection),
        "health": {
            "status": TONES[health.tone],
            "word": health.word,
            "message": " ".join(health.sentences),
        },
    }


def connection_full_json(connection: SocialConnection) -> Json:
    """Return an account with what is known of its posts, its token and its limits."""
    activity = activity_of(connection)
    failure = activity.last_failure
    return {
        **connection_line_json(connection),
        "token": {
            "expires_at": instant(connection.expires_at),
            "refresh_expires_at": instant(connection.refresh_expires_at),
            "refresh_failing_since": instant(connection.refresh_failing_since),
        },
        "network_limits": _limits(connection),
        "last_success_at": instant(activity.last_success_at),
        "last_failure": failure
        and {
            "at": instant(failure.at),
            "post": str(failure.post_id),
            "category": failure.category,
            "message": failure.message,
        },
        "last_check_at": instant(activity.last_check_at),
        "posts_waiting": activity.posts_waiting,
    }


def _limits(connection: SocialConnection) -> dict[str, int]:
    """Return what a post of this account may hold: the network's limits under its own."""
    limits = asdict(adapter_for(connection.platform).limits)
    numbers = {name: value for name, value in limits.items() if type(value) is int}
    return {**numbers, **connection.limits}
