"""The ways to tell somebody, one file each."""

from __future__ import annotations

from django.conf import settings

from notifications.channels.base import ChannelSender
from notifications.channels.email import EmailSender
from notifications.channels.push import FcmSender
from notifications.channels.sendgrid import SendGridSender
from notifications.channels.slack import SlackSender
from notifications.channels.sms import TwilioSender
from notifications.channels.webhook import EndpointSender, WebhookSender
from notifications.models import Channel


def make_senders() -> dict[str, ChannelSender]:
    """Return a sender per channel, for the running loop; the caller closes them."""
    return {
        Channel.WEBHOOK: WebhookSender(),
        Channel.ENDPOINT: EndpointSender(),
        Channel.EMAIL: SendGridSender() if settings.SENDGRID_API_KEY else EmailSender(),
        Channel.SMS: TwilioSender(),
        Channel.PUSH: FcmSender(),
        Channel.SLACK: SlackSender(),
    }
