"""Reports of providers about messages; no API of ours: each provider signs its calls its own way.

What is not signed is answered 403 and logged; the rest is taken as often as it comes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from api.base import as_uuid
from notifications import reports
from notifications.hook_addresses import TWILIO_PATH
from notifications.hook_signatures import BadKey, is_from_sendgrid, is_from_twilio

log = logging.getLogger("carillon.notifier")

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 200


@csrf_exempt
@require_POST
def twilio(request: HttpRequest, delivery_id: str) -> HttpResponse:
    """Take the status callback of one text message."""
    return _taken("twilio", lambda: _take_twilio(request, delivery_id))


@csrf_exempt
@require_POST
def sendgrid(request: HttpRequest) -> HttpResponse:
    """Take a batch of SendGrid's events."""
    return _taken("sendgrid", lambda: _take_sendgrid(request))


class _Refused(Exception):
    """The call is not the provider's, or cannot be read; the message says which."""


def _taken(provider: str, take: Callable[[], None]) -> HttpResponse:
    try:
        take()
    except _Refused as refused:
        log.warning("hook.refused", extra={"provider": provider, "reason": str(refused)})
        return HttpResponse(f"{refused}\n", status=403, content_type="text/plain")
    return HttpResponse(status=204)


def _take_twilio(request: HttpRequest, delivery_id: str) -> None:
    key = as_uuid(delivery_id)
    if request.content_type != FORM or key is None:
        raise _Refused("This is no status callback.")
    try:
        fields = QueryDict(request.body, encoding="utf-8")
    except ValueError:
        raise _Refused("This is no form.") from None
    form = {name: [str(value) for value in values] for name, values in fields.lists()}
    if len(form) > MOST_FIELDS:
        raise _Refused("This is no status callback.")
    # The address as Twilio was given it: behind a proxy the request shows another.
    query = f"?{request.META['QUERY_STRING']}" if request.META.get("QUERY_STRING") else ""
    url = f"{settings.HOOKS_PUBLIC_URL}{TWILIO_PATH}{delivery_id}{query}"
    signature = request.headers.get("X-Twilio-Signature", "")
    if not is_from_twilio(settings.TWILIO_AUTH_TOKEN, url, form, signature):
        raise _Refused("The signature is not Twilio's.")
    single = {name: values[-1].replace("\0", "") for name, values in form.items()}
    if single.get("AccountSid", settings.TWILIO_ACCOUNT_SID) != settings.TWILIO_ACCOUNT_SID:
        raise _Refused("This is another account's callback.")
    reports.take_twilio(key, single)


def _take_sendgrid(request: HttpRequest) -> None:
    key = settings.SENDGRID_WEBHOOK_PUBLIC_KEY
    if not key:
        raise _Refused("SENDGRID_WEBHOOK_PUBLIC_KEY is not set, so no event can be verified.")
    signature = request.headers.get("X-Twilio-Email-Event-Webhook-Signature", "")
    timestamp = request.headers.get("X-Twilio-Email-Event-Webhook-Timestamp", "")
    try:
        is_genuine = is_from_sendgrid(key, request.body, signature, timestamp)
    except BadKey as error:
        raise _Refused(f"SENDGRID_WEBHOOK_PUBLIC_KEY cannot verify: {error}.") from None
    if not is_genuine:
        raise _Refused("The signature is not SendGrid's.")
    try:
        events = json.loads(request.body)
    except (ValueError, RecursionError):
        events = None
    if not isinstance(events, list):
        raise _Refused("The body is not a list of events.")
    reports.take_sendgrid(events)
