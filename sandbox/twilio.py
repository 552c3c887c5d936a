"""Twilio's Messages API at `/twilio/2010-04-01/Accounts/<sid>/Messages.json`.

HTTP Basic with any account sid (`AC` and 32 hex digits) and the auth token `demo-<name>`. Twilio's
magic numbers refuse as documented for test credentials; numbers that end in 3003 are not delivered
(30003), those that end in 3007 are filtered (30007). A StatusCallback is called, signed, as the
message goes on. After the Twilio documentation of the Message resource, its error dictionary, its
test credentials and webhook security.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import math
import re
import secrets
from email.utils import formatdate
from typing import Any
from urllib.parse import urlencode

import aiohttp

from sandbox.door import Endpoint, Protocol
from sandbox.exchange import Answer, Call, Refusal
from sandbox.inbox import deliver
from sandbox.rates import Allowance, Window
from sandbox.records import Account
from sandbox.tokens import TokenRefused
from sandbox.world import Letter

_SID = re.compile(r"AC[0-9a-f]{32}")
_NUMBER = re.compile(r"\+[1-9]\d{6,14}")
_MOST_CHARS = 1600
_STEP_SECONDS = 0.2
_TIMEOUT = aiohttp.ClientTimeout(total=5)
_TO = {  # Twilio's magic numbers
    "+15005550001": (21211, "The 'To' number {} is not a valid phone number."),
    "+15005550002": (21612, "The 'To' phone number {} is not currently reachable."),
    "+15005550003": (21408, "Permission to send an SMS has not been enabled for the region."),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient"),
    "+15005550009": (21614, "'To' number {} is not a valid mobile number"),
}
_FROM = {
    "+15005550001": (21212, "The 'From' number {} is not a valid phone number."),
    "+15005550007": (21606, "The 'From' phone number {} is not a valid, SMS-capable number."),
    "+15005550008": (
        21611,
        "This 'From' number has exceeded the maximum number of queued messages",
    ),
}
_UNDELIVERED = {"3003": 30003, "3007": 30007}
_USUAL = {
    400: (20001, "Bad request"),
    401: (20003, "Authenticate"),
    403: (20006, "Access Denied"),
    404: (20404, "The requested resource was not found"),
    429: (20429, "Too Many Requests"),
    503: (20503, "Service unavailable"),
}


def error(status: int, code: int = 0, message: str = "") -> Answer:
    usual_code, usual = _USUAL.get(status, (20500, "Internal Server Error"))
    number = code or usual_code
    return Answer(
        status,
        {
            "code": number,
            "message": message or usual,
            "more_info": f"https://www.twilio.com/docs/errors/{number}",
            "status": status,
        },
    )


def _refuse(code: int, message: str) -> Refusal:
    return Refusal(error(400, code, message))


def _authenticate(call: Call) -> Account:
    user, token = call.basic_credentials or ("", "")
    if not _SID.fullmatch(user):
        raise Refusal(error(401))
    try:
        name = call.site.tokens.account_name(token)
    except TokenRefused:
        raise Refusal(error(401)) from None
    if call.params["sid"] != user:
        raise Refusal(error(404))
    return call.site.account(name)


def send(call: Call) -> Answer:
    form = dict(call.form())
    to, body = form.get("To", ""), form.get("Body", "")
    sender = form.get("MessagingServiceSid") or form.get("From", "")
    if not to:
        raise _refuse(21604, "A 'To' phone number is required.")
    if not sender:
        raise _refuse(21603, "A 'From' phone number is required.")
    for number, table in ((form.get("From", ""), _FROM), (to, _TO)):
        if number in table:
            code, message = table[number]
            raise _refuse(code, message.format(number))
    if not _NUMBER.fullmatch(to):
        raise _refuse(21211, f"The 'To' number {to} is not a valid phone number.")
    if not body:
        raise _refuse(21602, "Message body is required.")
    if len(body) > _MOST_CHARS:
        raise _refuse(21617, "The concatenated message body exceeds the 1600 character limit")
    hook = form.get("StatusCallback", "")
    if hook and not hook.startswith(("http://", "https://")):
        raise _refuse(21609, f"The 'StatusCallback' URL {hook} is not a valid URL.")
    sid = "SM" + secrets.token_hex(16)
    letter = deliver(call.world, "twilio", to=to, sender=sender, content={"text": body}, id=sid)
    letter.status = "queued"
    if hook:
        token = (call.basic_credentials or ("", ""))[1]
        _spawn(_report(letter, hook, token, call.params["sid"]))
    return Answer(201, _shape(letter, form, call.params["sid"]))


def _shape(letter: Letter, form: dict[str, str], account_sid: str) -> dict[str, Any]:
    return {
        "sid": letter.id,
        "account_sid": account_sid,
        "status": "accepted" if form.get("MessagingServiceSid") else "queued",
        "to": letter.to,
        "from": form.get("From"),
        "messaging_service_sid": form.get("MessagingServiceSid"),
        "body": form.get("Body"),
        "num_segments": "1",
        "direction": "outbound-api",
        "date_created": formatdate(letter.at),
        "error_code": None,
        "error_message": None,
        "uri": f"/2010-04-01/Accounts/{account_sid}/Messages/{letter.id}.json",
    }


# --- what becomes of a message ---------------------------------------------------------------
_tasks: set[asyncio.Task[None]] = set()


def _spawn(work: Any) -> None:
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def sign(token: str, url: str, form: dict[str, str]) -> str:
    """X-Twilio-Signature of a call to `url` with these form fields."""
    text = url
    for name in sorted(form):
        text += name + form[name]
    digest = hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


async def _report(letter: Letter, hook: str, token: str, account_sid: str) -> None:
    code = _UNDELIVERED.get(letter.to[-4:])
    steps = ("sent", "undelivered" if code else "delivered")
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        for status in steps:
            await asyncio.sleep(_STEP_SECONDS)
            letter.status = status
            form = {
                "AccountSid": account_sid,
                "MessageSid": letter.id,
                "SmsSid": letter.id,
                "MessageStatus": status,
                "SmsStatus": status,
                "To": letter.to,
                "From": letter.sender,
                "ApiVersion": "2010-04-01",
                **({"ErrorCode": str(code)} if code and status == "undelivered" else {}),
            }
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Twilio-Signature": sign(token, hook, form),
            }
            try:
                answer = await session.post(hook, data=urlencode(form), headers=headers)
                answer.release()
            except (aiohttp.ClientError, OSError):
                return  # nobody there: Twilio logs it and goes on


def _limit_headers(window: Window, now: float) -> dict[str, str]:
    if not window.used_up:
        return {}
    return {"Retry-After": str(max(1, math.ceil(window.resets_at - now)))}


PROTOCOL = Protocol(
    prefix="/twilio/2010-04-01",
    site_name=lambda _params: "twilio",
    authenticate=_authenticate,
    limit_headers=_limit_headers,
    failure=error,
    request_id_header="Twilio-Request-Id",
    endpoints=(
        Endpoint("POST", "/Accounts/{sid}/Messages.json", "create", send, Allowance(100, 1)),
    ),
)
