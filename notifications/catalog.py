"""Every event a person can be told of, as data: what it means, whom it concerns, how by default.

An event's words are in `templates/notifications/<name>/`. `sample` are facts such as its templates
show: the tests and the staff's preview pages render them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from notifications.models import Channel, Mode

PERSONAL = (Channel.EMAIL, Channel.SMS, Channel.PUSH, Channel.SLACK)  # what a person can choose


class Severity(StrEnum):
    """How much it matters; a critical one is told by e-mail and Slack in quiet hours, too."""

    CRITICAL = "critical"
    NORMAL = "normal"
    LOW = "low"


class Audience(StrEnum):
    """Who hears of it; the writer of the event finds the people."""

    AUTHOR = "the post's author"
    APPROVERS = "members who approve, else the owners"
    EDITORS = "the workspace's owners and editors"
    OWNERS = "the workspace's owners"
    STAFF = "the staff of this installation"
    SELF = "the person it is about"


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of message. `modes` are the defaults of the channels it names, others are off.

    One that is not `is_optional` goes to its channel whatever people chose: they asked for it, or
    the installation depends on it.
    """

    name: str
    label: str
    meaning: str
    severity: Severity
    audience: Audience
    modes: Mapping[str, str]
    sample: Mapping[str, Any] = field(repr=False)
    is_optional: bool = True

    def default(self, channel: str) -> str:
        """Return how it is told through `channel` to somebody who chose nothing."""
        return self.modes.get(channel, Mode.OFF)


_BY_MAIL = MappingProxyType({Channel.EMAIL.value: Mode.IMMEDIATE.value})
_URGENT = MappingProxyType({**_BY_MAIL, Channel.PUSH.value: Mode.IMMEDIATE.value})
_NOWHERE: Mapping[str, str] = MappingProxyType({})
_ACCOUNT = {"account": "@carillon", "network": "Mastodon", "path": "/connections/"}
_POST = {
    "account": "@carillon",
    "network": "Mastodon",
    "excerpt": "The bells of St Martin's ring at nine. Come early: the square fills up.",
    "scheduled_at": "2026-11-23T08:00:00Z",
    "time_zone": "Europe/Berlin",
    "path": "/admin/scheduling/scheduledpost/01a2b3c4-0000-7000-8000-000000000001/change/",
}
_VIDEO = {"title": "bells-at-dawn.mp4", "path": "/media/"}

_EVENTS = (
    Event(
        "post.failed",
        "A post was not published",
        "The network refused it for good, or all attempts are used up.",
        Severity.CRITICAL,
        Audience.AUTHOR,
        _URGENT,
        {**_POST, "reason": "Mastodon says the text is longer than 500 characters. Shorten it."},
    ),
    Event(
        "post.needs_person",
        "Nobody knows whether a post is live",
        "It was sent and no answer came. A person must look; reminders follow.",
        Severity.CRITICAL,
        Audience.AUTHOR,
        _URGENT,
        {**_POST, "reason": "The connection broke while Mastodon was answering.", "reminder": 0},
    ),
    Event(
        "post.held",
        "A post was missed and is held",
        "It was found too late to go out by itself; once per account and hour.",
        Severity.CRITICAL,
        Audience.AUTHOR,
        _URGENT,
        {**_POST, "reason": "It was found 3 hours late; its limit is 60 minutes."},
    ),
    Event(
        "post.blocked",
        "A post waits for its account",
        "The account is paused, revoked or must be connected again; once per state of it.",
        Severity.NORMAL,
        Audience.AUTHOR,
        _BY_MAIL,
        {**_POST, "reason": "mastodon: @carillon is paused. Resume it and the post goes on."},
    ),
    Event(
        "post.preflight_warning",
        "Something may stand in a post's way",
        "Found up to a day ahead, while it can still be mended.",
        Severity.NORMAL,
        Audience.AUTHOR,
        _BY_MAIL,
        {**_POST, "reason": "The third image has no description, which this account demands."},
    ),
    Event(
        "post.published",
        "A post was published",
        "It is live. Off unless chosen; a summary tells in one line how many were.",
        Severity.LOW,
        Audience.AUTHOR,
        _NOWHERE,
        _POST,
    ),
    Event(
        "post.approval_requested",
        "A post waits for your approval",
        "Somebody submitted it; of many at once only the first is told.",
        Severity.NORMAL,
        Audience.APPROVERS,
        _BY_MAIL,
        {**_POST, "reason": "Please look at the second sentence."},
    ),
    Event(
        "post.approval_decided",
        "Your post was decided about",
        "It was approved, or is a draft again.",
        Severity.NORMAL,
        Audience.AUTHOR,
        _BY_MAIL,
        {**_POST, "reason": "Approved by grace."},
    ),
    Event(
        "connection.needs_reconnect",
        "An account must be connected again",
        "The network no longer accepts our access; once, however many posts wait.",
        Severity.CRITICAL,
        Audience.EDITORS,
        _URGENT,
        {**_ACCOUNT, "reason": "Mastodon answered 401: the access was revoked there."},
    ),
    Event(
        "connection.expiring",
        "An account's access ends soon",
        "7 days and 1 day before, where we cannot renew it ourselves.",
        Severity.NORMAL,
        Audience.EDITORS,
        _BY_MAIL,
        {**_ACCOUNT, "days": 7, "ends": "Monday, 30 November 2026"},
    ),
    Event(
        "video.processed",
        "A video is ready",
        "It was checked and brought into the form that networks take.",
        Severity.LOW,
        Audience.SELF,
        _NOWHERE,
        _VIDEO,
    ),
    Event(
        "video.failed",
        "A video could not be processed",
        "Posts that use it cannot go out.",
        Severity.NORMAL,
        Audience.SELF,
        _BY_MAIL,
        {**_VIDEO, "reason": "The file ends in the middle of a frame."},
    ),
    Event(
        "anomaly.detected",
        "A figure is unusual",
        "A number of an account is far from what it usually is.",
        Severity.NORMAL,
        Audience.EDITORS,
        _BY_MAIL,
        {**_ACCOUNT, "metric": "Reach", "reason": "It fell by 80 % since last week."},
    ),
    Event(
        "report.weekly",
        "The week in figures",
        "On Monday morning: what was published, what failed, what is planned.",
        Severity.LOW,
        Audience.EDITORS,
        _BY_MAIL,
        {
            "workspace": "St Martin's",
            "week": "16 to 22 November 2026",
            "published": 128,
            "failed": 2,
            "waiting": 1,
            "lateness": "0.8 s",
            "planned_next": 140,
            "path": "/",
        },
    ),
    Event(
        "webhook.disabled",
        "A webhook was switched off",
        "It took no event for a long time.",
        Severity.CRITICAL,
        Audience.OWNERS,
        _BY_MAIL,
        {
            "workspace": "St Martin's",
            "endpoint": "Orders",
            "url": "https://hooks.example.org/carillon",
            "reason": "It answered 500 for three days.",
            "path": "/",
        },
    ),
    Event(
        "welcome",
        "Welcome",
        "Told once, to somebody who has become a member of a workspace.",
        Severity.LOW,
        Audience.SELF,
        _BY_MAIL,
        {"name": "Ada", "workspace": "St Martin's", "path": "/connections/"},
        is_optional=False,
    ),
    Event(
        "breaker.opened",
        "A network's circuit breaker opened",
        "Calls there are held back for a while; once per incident.",
        Severity.CRITICAL,
        Audience.STAFF,
        _BY_MAIL,
        {
            "network": "Mastodon",
            "place": "Mastodon (publish)",
            "reason": "Three answers in a row were 503.",
            "path": "/admin/engine/ratelimitstate/",
        },
    ),
    Event(
        "channel.unhealthy",
        "A channel of notifications does not work",
        "Its provider refuses our settings; once a day and reason.",
        Severity.CRITICAL,
        Audience.STAFF,
        _BY_MAIL,
        {
            "channel": "SMS",
            "repair": "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and the sender",
            "reason": "Twilio answered 401: TWILIO_AUTH_TOKEN is refused.",
            "path": "/admin/notifications/delivery/",
        },
        is_optional=False,
    ),
    Event(
        "contact.code",
        "A code for a number or an address",
        "Sent to what somebody wants to hear at, to see that it is theirs.",
        Severity.CRITICAL,
        Audience.SELF,
        _NOWHERE,
        {"code": "123 456", "minutes": 10, "path": "/notifications/settings/"},
        is_optional=False,
    ),
    Event(
        "digest",
        "The summary",
        "What was collected for the hour or the day, and what came too often to be told singly.",
        Severity.NORMAL,
        Audience.SELF,
        _BY_MAIL,
        {
            "total": 31,
            "first": "A post was not published (30)",
            "rest": 1,
            "groups": [
                {
                    "title": "A post was not published",
                    "count": 30,
                    "rest": 28,
                    "lines": [
                        {
                            "words": "Not published: your post for @carillon on Mastodon",
                            "detail": "Mastodon says the text is too long.",
                            "link": "/admin/",
                        },
                        {
                            "words": "Not published: your post for @bells on Bluesky",
                            "detail": "",
                            "link": "/admin/",
                        },
                    ],
                },
                {
                    "title": "A post was published",
                    "count": 1,
                    "rest": 0,
                    "lines": [
                        {
                            "words": "Published: your post for @carillon on Mastodon",
                            "detail": "",
                            "link": "/admin/",
                        }
                    ],
                },
            ],
            "path": "/",
        },
        is_optional=False,
    ),
)
EVENTS: Mapping[str, Event] = MappingProxyType({event.name: event for event in _EVENTS})


def choosable(*, is_staff: bool) -> list[Event]:
    """Return the events somebody can choose about; those for staff only to staff."""
    return [
        event
        for event in _EVENTS
        if event.is_optional and (is_staff or event.audience is not Audience.STAFF)
    ]
