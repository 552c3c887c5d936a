"""Channels whose provider refuses our credentials or settings: noted once, told to staff once.

1. The first refusal makes a ChannelFault row and writes one event to staff, by the other channels.
2. The gate holds the channel's deliveries; now and then one of them tries it (see the dispatcher).
3. The first that succeeds deletes the row.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from notifications.models import Channel, ChannelFault
from notifications.outbox import OutboxEvent, write

log = logging.getLogger("carillon.notifier")

EVENT = "channel.unhealthy"
REPAIRS = {
    Channel.EMAIL: "SENDGRID_API_KEY, or EMAIL_URL and EMAIL_FROM",
    Channel.SMS: "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and the sender",
    Channel.PUSH: "FIREBASE_SERVICE_ACCOUNT and the keys in Firebase's console",
    Channel.SLACK: "SLACK_BOT_TOKEN and the application's scopes",
}


def unhealthy() -> set[str]:
    """Return the channels that do not work at present."""
    return set(ChannelFault.objects.values_list("channel", flat=True))


def refused(channel: str, reason: str, *, is_whole: bool) -> None:
    """Note that our settings for `channel` were refused; tell staff if that is news.

    `is_whole`: nothing goes through it. Otherwise a part is broken, such as pushes to iOS.
    """
    now, text = timezone.now(), reason[:500]
    with transaction.atomic():
        is_news = not is_whole
        if is_whole and not ChannelFault.objects.filter(channel=channel).update(
            reason=text, last_refused_at=now
        ):
            _, is_news = ChannelFault.objects.get_or_create(
                channel=channel, defaults={"reason": text, "last_refused_at": now}
            )
        if is_news:
            log.error("channel.refused", extra={"channel": channel, "reason": text})
            _tell_staff(Channel(channel), text)


def recovered(channels: Collection[str]) -> None:
    """Note that channels work again."""
    gone, _ = ChannelFault.objects.filter(channel__in=channels).delete()
    if gone:
        log.info("channel.recovered", extra={"channels": sorted(channels)})


def _tell_staff(channel: Channel, reason: str) -> None:
    """Write one event, at most once a day for the same reason: a fault may come and go."""
    deliveries: list[tuple[str, str]] = []
    if channel != Channel.EMAIL:
        staff = User.objects.filter(is_staff=True, is_active=True).exclude(email="")
        deliveries += [
            (Channel.EMAIL.value, email) for email in staff.values_list("email", flat=True)
        ]
    if channel != Channel.SLACK and settings.STAFF_SLACK_CHANNEL:
        deliveries.append((Channel.SLACK.value, settings.STAFF_SLACK_CHANNEL))
    if not deliveries:
        return
    digest = hashlib.sha256(reason.encode()).hexdigest()[:12]
    write(
        [
            OutboxEvent(
                event=EVENT,
                workspace_id=None,
                context={
                    "mail": {
                        "channel": channel.label,
                        "repair": REPAIRS[channel],
                        "reason": reason,
                        "path": f"/admin/notifications/delivery/?channel__exact={channel.value}",
                    }
                },
                dedupe_key=f"{EVENT}:{channel.value}:{timezone.now():%Y-%m-%d}:{digest}",
                deliveries=tuple(deliveries),
            )
        ]
    )
