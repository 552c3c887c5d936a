"""Every documented error of every provider, row by row: what it means and what we do."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from notifications.channels import push, sendgrid, slack, sms
from notifications.channels.base import ErrorTable, Meaning, TargetGone, meaning_of
from tests.contract.server import Reply, Request, Step, serve
from tests.notifications.senders import claimed, provider_settings, use

TABLES: dict[str, ErrorTable] = {
    "email": sendgrid.ERRORS,
    "sms": sms.ERRORS,
    "push": push.ERRORS,
    "slack": slack.ERRORS,
}
ROWS = [
    (channel, status, code, meaning)
    for channel, table in TABLES.items()
    for (status, code), meaning in table.items()
]
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
USUAL_STATUS = {"email": 400, "sms": 400, "push": 400, "slack": 200}


def body_of(channel: str, status: int, code: str) -> Any:
    match channel:
        case "email":
            return {"errors": [{"message": "told", "field": None, "help": None}]}
        case "sms":
            number = int(code) if code else None
            return {"code": number, "message": "told", "status": status}
        case "push":
            details = [{"@type": FCM_ERROR, "errorCode": code}] if code else []
            return {"error": {"code": status, "message": "told", "details": details}}
        case _:
            return {"ok": False, "error": code} if code else b""


def error_of(channel: str, settings: Any, step: Step) -> ServiceError:
    async def main() -> ServiceError:
        from django.core.cache import cache

        from notifications.channels import make_senders

        cache.clear()

        def script(request: Request) -> Step:
            if request.path == "/fcm/token":
                return Reply(200, {"access_token": "ya29.x", "expires_in": 3599})
            return step

        async with serve(script) as server:
            use(settings, provider_settings(server.url))
            senders = make_senders()
            try:
                with pytest.raises(ServiceError) as caught:
                    await senders[channel].send(claimed(channel))
            finally:
                for sender in senders.values():
                    await sender.close()
            return caught.value

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("channel", "status", "code", "meaning"), ROWS, ids=[f"{c}-{s}-{e}" for c, s, e, _ in ROWS]
)
def test_each_row_means_what_it_says(
    settings: Any, channel: str, status: int, code: str, meaning: Meaning
) -> None:
    shown = status or USUAL_STATUS[channel]
    error = error_of(channel, settings, Reply(shown, body_of(channel, shown, code)))
    assert error.category is meaning.category
    assert meaning.says in error.detail
    assert error.http_status == shown
    assert isinstance(error, TargetGone) == bool(meaning.gone)
    misconfigured = meaning.category in {C.AUTH_ERROR, C.PERMISSION}
    assert error.app_wide == (misconfigured and meaning.is_whole)


@pytest.mark.parametrize(
    ("channel", "status", "code", "category"),
    [
        # The channel's own codes as their documentation names them.
        ("sms", 400, "21610", C.VALIDATION_ERROR),
        ("sms", 429, "20429", C.RATE_LIMIT),
        ("sms", 503, "20503", C.OUTCOME_UNKNOWN),
        ("push", 404, "UNREGISTERED", C.VALIDATION_ERROR),
        ("push", 403, "SENDER_ID_MISMATCH", C.VALIDATION_ERROR),
        ("push", 401, "THIRD_PARTY_AUTH_ERROR", C.AUTH_ERROR),
        ("push", 429, "QUOTA_EXCEEDED", C.RATE_LIMIT),
        ("push", 503, "UNAVAILABLE", C.SERVER_ERROR),
        ("push", 500, "INTERNAL", C.SERVER_ERROR),
        ("slack", 200, "channel_not_found", C.VALIDATION_ERROR),
        ("slack", 200, "a_code_of_next_year", C.UNKNOWN),
        ("email", 422, "", C.VALIDATION_ERROR),
    ],
)
def test_known_answers_of_the_providers(
    settings: Any, channel: str, status: int, code: str, category: C
) -> None:
    error = error_of(channel, settings, Reply(status, body_of(channel, status, code)))
    assert error.category is category


def test_firebase_s_general_status_counts_where_it_names_no_code(settings: Any) -> None:
    body = {"error": {"code": 403, "message": "told", "status": "PERMISSION_DENIED"}}
    assert error_of("push", settings, Reply(403, body)).category is C.PERMISSION


def test_an_invalid_argument_about_the_token_is_the_device_s_end(settings: Any) -> None:
    details = [
        {"@type": FCM_ERROR, "errorCode": "INVALID_ARGUMENT"},
        {"fieldViolations": [{"field": "message.token", "description": "Invalid token"}]},
    ]
    body = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": details}}
    assert isinstance(error_of("push", settings, Reply(400, body)), TargetGone)
    body = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": details[:1]}}
    assert not isinstance(error_of("push", settings, Reply(400, body)), TargetGone)


def test_firebase_is_given_a_minute_when_it_names_no_wait(settings: Any) -> None:
    error = error_of("push", settings, Reply(429, b"{}"))
    assert error.retry_after == timedelta(seconds=60)


def test_sendgrid_names_the_moment_to_come_back_at(settings: Any) -> None:
    headers = {"Date": "Thu, 26 Nov 2026 08:00:00 GMT", "X-RateLimit-Reset": "1795680030"}
    error = error_of("email", settings, Reply(429, b"{}", headers))
    assert error.retry_after == timedelta(seconds=30)


def test_status_and_code_count_before_either_alone() -> None:
    table = {
        (400, "a"): Meaning(C.DUPLICATE, "both"),
        (0, "a"): Meaning(C.PERMISSION, "code"),
        (400, ""): Meaning(C.MEDIA_ERROR, "status"),
    }
    assert meaning_of(400, "a", table).says == "both"
    assert meaning_of(500, "a", table).says == "code"
    assert meaning_of(400, "b", table).says == "status"
    assert meaning_of(400, "", table).says == "status"
    assert meaning_of(418, "b", table).category is C.VALIDATION_ERROR
