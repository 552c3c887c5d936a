"""Slack: chat.postMessage of the Web API, whose failures mostly come as 200 with `"ok": false`.

At least once: a message whose answer is lost is posted again. One message a second per channel is
allowed, which the gate keeps apart (see the dispatcher). `text` is what notifications show.
Sources: api.slack.com chat.postMessage, slack_sdk 3.47's rate limit notes (read 2026-11-24).
"""

from __future__ import annotations

from django.conf import settings

from engine.answers import Response
from engine.errors import ErrorCategory
from engine.http import Bearer
from notifications.channels.base import (
    ErrorTable,
    Meaning,
    ProviderSender,
    refusal,
    unreadable,
)
from notifications.deliveries import ClaimedDelivery
from notifications.rendering import render

C = ErrorCategory
NAME = "Slack"
_TOKEN = "SLACK_BOT_TOKEN is refused: install the application again"
_CONTENT = "the message is refused as it is"
ERRORS: ErrorTable = {
    (429, ""): Meaning(C.RATE_LIMIT, "more than one message a second in this channel"),
    (0, "ratelimited"): Meaning(C.RATE_LIMIT, "too many messages at once"),
    (0, "rate_limited"): Meaning(C.RATE_LIMIT, "too many messages at once"),
    # Of the next two a part of the call may have happened: at worst it is posted twice.
    (0, "internal_error"): Meaning(C.SERVER_ERROR, "Slack has a fault of its own"),
    (0, "fatal_error"): Meaning(C.SERVER_ERROR, "Slack has a fault of its own"),
    (0, "service_unavailable"): Meaning(C.SERVER_ERROR, "Slack is not available"),
    (0, "request_timeout"): Meaning(C.SERVER_ERROR, "it took too long there"),
    (0, "channel_not_found"): Meaning(C.VALIDATION_ERROR, "the bot sees no such channel"),
    (0, "not_in_channel"): Meaning(
        C.VALIDATION_ERROR, "the bot is not in the channel: invite it there"
    ),
    (0, "is_archived"): Meaning(C.VALIDATION_ERROR, "the channel is archived"),
    (0, "msg_too_long"): Meaning(C.VALIDATION_ERROR, "the message is too long"),
    (0, "no_text"): Meaning(C.VALIDATION_ERROR, _CONTENT),
    (0, "invalid_blocks"): Meaning(C.VALIDATION_ERROR, _CONTENT),
    (0, "invalid_auth"): Meaning(C.AUTH_ERROR, _TOKEN),
    (0, "not_authed"): Meaning(C.AUTH_ERROR, _TOKEN),
    (0, "token_revoked"): Meaning(C.AUTH_ERROR, _TOKEN),
    (0, "token_expired"): Meaning(C.AUTH_ERROR, _TOKEN),
    (0, "account_inactive"): Meaning(C.AUTH_ERROR, _TOKEN),
    (0, "missing_scope"): Meaning(C.PERMISSION, "the application lacks the scope chat:write"),
    (0, "access_denied"): Meaning(C.PERMISSION, "the workspace does not allow the application"),
    (0, "ekm_access_denied"): Meaning(C.PERMISSION, "the workspace's administrators stopped it"),
}


class SlackSender(ProviderSender):
    """Posts one message per call."""

    def missing(self) -> str:
        """Return which setting is missing, if one is."""
        return (
            "" if settings.SLACK_BOT_TOKEN else "Slack is switched off: SLACK_BOT_TOKEN is not set."
        )

    async def send(self, delivery: ClaimedDelivery) -> str:
        """Post the message; return `channel:ts`, by which it could be changed."""
        message = render(delivery.event, delivery.context)
        http = self.door(settings.SLACK_API_BASE, Bearer(settings.SLACK_BOT_TOKEN), delivery)
        answer = await http.post(
            "/api/chat.postMessage",
            json={
                "channel": delivery.target,
                "text": message.subject,
                "blocks": list(message.blocks),
                "unfurl_links": False,
                "unfurl_media": False,
            },
            headers={"Content-Type": "application/json; charset=utf-8"},
            writes=True,
        )
        return _posted(answer)


def _posted(answer: Response) -> str:
    """Return where the message stands; raises what the answer says instead."""
    found = answer.json_object()
    if answer.ok and found.get("ok") is True and isinstance(found.get("ts"), str):
        return f"{found.get('channel', '')}:{found['ts']}"
    code = found.get("error")
    if answer.ok and not isinstance(code, str):
        raise unreadable(NAME, answer)
    raise refusal(NAME, answer, ERRORS, code=code if isinstance(code, str) else "")
