"""Pushes through Firebase Cloud Messaging, HTTP v1: one message per device.

At least once; a repeat replaces its earlier self on the device (`collapse_key`, `tag`, and
`apns-collapse-id` are the delivery's id). Of an error the FCM code in `details` counts first, then
the general status. Sources: Firebase docs, "FCM error codes" and "Scale FCM" (read 2026-11-24); the
numbers of the statuses other than 400, and the 60 seconds without Retry-After, are recalled.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings

from engine import wall_clock
from engine.answers import Response
from engine.errors import ErrorCategory, ServiceError
from engine.http import Bearer, Http
from notifications.channels.base import (
    ErrorTable,
    Meaning,
    ProviderSender,
    TargetGone,
    refusal,
    unreadable,
)
from notifications.channels.google import (
    AccessToken,
    AccessTokens,
    BadAccount,
    ServiceAccount,
    read_account,
)
from notifications.deliveries import ClaimedDelivery
from notifications.models import Suppression
from notifications.rendering import render

C = ErrorCategory
NAME = "Firebase"
GONE = Suppression.Reason.INVALID
PATIENCE = timedelta(seconds=60)  # after a 429 that names no wait
NEW_SECONDS = 60.0  # a token as young as this is not refused for its age
TIME_TO_LIVE = timedelta(days=1)  # how long Firebase keeps a push for a device that is off
TITLE_CHARS, BODY_CHARS = 120, 240
_BAD_KEY = "FIREBASE_SERVICE_ACCOUNT is refused: make a new key in Firebase's console"
ERRORS: ErrorTable = {
    (0, "INVALID_ARGUMENT"): Meaning(C.VALIDATION_ERROR, "the push is refused as it is"),
    (0, "UNREGISTERED"): Meaning(C.VALIDATION_ERROR, "the app is gone from this device", gone=GONE),
    (0, "SENDER_ID_MISMATCH"): Meaning(
        C.VALIDATION_ERROR, "the device belongs to another Firebase project", gone=GONE
    ),
    (0, "THIRD_PARTY_AUTH_ERROR"): Meaning(
        C.AUTH_ERROR,
        "Firebase's key for Apple or for browsers is refused: renew it in Firebase's console",
        is_whole=False,
    ),
    (0, "UNAUTHENTICATED"): Meaning(C.AUTH_ERROR, _BAD_KEY),
    (401, ""): Meaning(C.AUTH_ERROR, _BAD_KEY),
    (0, "PERMISSION_DENIED"): Meaning(
        C.PERMISSION, "the service account may not send: enable the FCM API and give it the role"
    ),
    (0, "NOT_FOUND"): Meaning(C.PERMISSION, "there is no such Firebase project"),
    (404, ""): Meaning(C.PERMISSION, "there is no such address: look at FCM_API_BASE"),
    (0, "QUOTA_EXCEEDED"): Meaning(C.RATE_LIMIT, "too many pushes at once"),
    (0, "RESOURCE_EXHAUSTED"): Meaning(C.RATE_LIMIT, "too many pushes at once"),
    (0, "UNAVAILABLE"): Meaning(C.SERVER_ERROR, "Firebase is not available"),
    (0, "INTERNAL"): Meaning(C.SERVER_ERROR, "Firebase has a fault of its own"),
}
BAD_TOKEN = Meaning(C.VALIDATION_ERROR, "this is no device's token", gone=GONE)


class FcmSender(ProviderSender):
    """Pushes to one device per call."""

    def __init__(self) -> None:
        super().__init__()
        self._tokens = AccessTokens()

    def missing(self) -> str:
        """Return what is wrong with the service account, "" when it can be used."""
        try:
            account = read_account(settings.FIREBASE_SERVICE_ACCOUNT)
        except BadAccount as error:
            return f"Push is switched off: FIREBASE_SERVICE_ACCOUNT cannot be used, {error}."
        return "" if account else "Push is switched off: FIREBASE_SERVICE_ACCOUNT is not set."

    async def send(self, delivery: ClaimedDelivery) -> str:
        """Push; return the message's name."""
        account = read_account(settings.FIREBASE_SERVICE_ACCOUNT)
        if account is None:
            raise ServiceError(C.AUTH_ERROR, self.missing(), app_wide=True)
        http = self.door(settings.FCM_API_BASE, None, delivery)
        token = await self._tokens.get(http, account)
        answer = await self._push(http, account, token, delivery)
        name = answer.json_object().get("name")
        if answer.ok and isinstance(name, str) and name:
            return name
        if answer.ok:
            raise unreadable(NAME, answer)
        error = _refused(answer, delivery)
        if error.http_status == 401 and error.app_wide:
            await self._tokens.forget(account, token)
            if wall_clock.now() - token.given_at > NEW_SECONDS:
                error.category, error.app_wide = C.TOKEN_EXPIRED, False  # a new one may do
        raise error

    async def _push(
        self, http: Http, account: ServiceAccount, token: AccessToken, delivery: ClaimedDelivery
    ) -> Response:
        return await http.post(
            f"/v1/projects/{account.project_id}/messages:send",
            json={"message": message_of(delivery)},
            auth=Bearer(token.text),
            writes=True,
        )


def message_of(delivery: ClaimedDelivery) -> dict[str, Any]:
    """Return the push; well below 4,096 bytes, `data` values are strings as Firebase demands."""
    message, tag = render(delivery.event, delivery.context), str(delivery.id)
    seconds = int(TIME_TO_LIVE.total_seconds())
    return {
        "token": delivery.address,
        "notification": {
            "title": message.title[:TITLE_CHARS],
            "body": message.body[:BODY_CHARS],
        },
        "data": {"event": delivery.event, "link": message.link, "delivery_id": tag},
        "android": {"collapse_key": tag, "ttl": f"{seconds}s", "notification": {"tag": tag}},
        "apns": {
            "headers": {
                "apns-collapse-id": tag,
                "apns-expiration": str(int(wall_clock.now()) + seconds),
            }
        },
        "webpush": _webpush(message.link, tag, seconds),
    }


def _webpush(link: str, tag: str, seconds: int) -> dict[str, Any]:
    options = {"fcm_options": {"link": link}} if link.startswith("https://") else {}
    return {"headers": {"TTL": str(seconds)}, "notification": {"tag": tag}, **options}


def _refused(answer: Response, delivery: ClaimedDelivery) -> ServiceError:
    """Return what an error says, most particular first."""
    found = answer.json_object().get("error")
    body: dict[str, Any] = found if isinstance(found, dict) else {}
    listed = body.get("details")
    details = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    code = next((str(one["errorCode"]) for one in details if one.get("errorCode")), "")
    code = code or str(body.get("status") or "")
    wait = PATIENCE if answer.status == 429 and answer.retry_after is None else None
    secrets = (delivery.address,)
    error = refusal(NAME, answer, ERRORS, code=code, secrets=secrets, retry_after=wait)
    if code == "INVALID_ARGUMENT" and any(_blames_token(one) for one in details):
        return TargetGone(
            BAD_TOKEN.category,
            f"{NAME} answered {answer.status}: {BAD_TOKEN.says}.",
            reason=BAD_TOKEN.gone,
            http_status=answer.status,
            provider_code=code,
        )
    return error


def _blames_token(detail: dict[str, Any]) -> bool:
    violations = detail.get("fieldViolations")
    return isinstance(violations, list) and any(
        isinstance(one, dict) and one.get("field") == "message.token" for one in violations
    )
