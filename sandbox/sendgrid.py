"""SendGrid's Mail Send v3 at `/sendgrid/v3/mail/send`: 202, or `{"errors": [...]}`.

The key is `SG.demo-<name>`. Senders at a domain that begins with `unverified` are refused with 403.
`events` makes what the signed event webhook would post. After the Twilio SendGrid documentation of
Mail Send, its errors, and the Signed Event Webhook.
"""

from __future__ import annotations

import base64
import json
import math
import re
import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sandbox.door import Endpoint, Protocol
from sandbox.exchange import Answer, Call, Malformed, Refusal
from sandbox.inbox import deliver
from sandbox.rates import Allowance, Window
from sandbox.records import Account
from sandbox.tokens import TokenRefused

_ADDRESS = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+")
_MOST_RECIPIENTS = 1000
_MOST_BYTES = 30 * 1024 * 1024
_WORDS = {
    400: "Bad Request",
    401: "The provided authorization grant is invalid, expired, or revoked",
    403: "access forbidden",
    404: "The requested URL was not found",
    413: "Payload too large",
    415: "Content-Type should be application/json",
    429: "too many requests",
    503: "Service Unavailable",
}


def error(status: int, message: str = "", field: str | None = None) -> Answer:
    text = message or _WORDS.get(status, "an unexpected error occurred")
    return Answer(status, {"errors": [{"message": text, "field": field, "help": None}]})


def _authenticate(call: Call) -> Account:
    token = call.bearer_token
    if not token.startswith("SG."):
        raise Refusal(error(401))
    try:
        name = call.site.tokens.account_name(token.removeprefix("SG."))
    except TokenRefused:
        raise Refusal(error(401)) from None
    return call.site.account(name)


def send(call: Call) -> Answer:
    if not call.content_type.startswith("application/json"):
        raise Refusal(error(415))
    if len(call.body) > _MOST_BYTES:
        raise Refusal(error(413))
    try:
        mail = call.json_object()
    except Malformed:
        raise Refusal(error(400)) from None
    sender, subject = _sender(mail), _text(mail, "subject")
    contents = _contents(mail)
    message_id = secrets.token_urlsafe(16)
    headers = mail.get("headers") or {}
    for to in _recipients(mail):
        deliver(
            call.world,
            "sendgrid",
            to=to,
            sender=sender,
            content={
                "subject": subject,
                "text": contents.get("text/plain", ""),
                "html": contents.get("text/html", ""),
                "headers": headers,
                "custom_args": mail.get("custom_args") or {},
            },
            id=f"{message_id}-{secrets.token_hex(2)}",
        )
    return Answer(202, None, {"X-Message-Id": message_id})


def _sender(mail: dict[str, Any]) -> str:
    given = mail.get("from")
    address = given.get("email") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(address, str):
        raise Refusal(error(400, "The from object must be provided for every email send.", "from"))
    if not _ADDRESS.fullmatch(address):
        raise Refusal(error(400, "The from email does not contain a valid address.", "from.email"))
    if address.partition("@")[2].startswith("unverified"):
        message = (
            "The from address does not match a verified Sender Identity. Mail cannot be sent "
            "until this error is resolved."
        )
        raise Refusal(error(403, message, "from"))
    return f"{given['name']} <{address}>" if given.get("name") else address


def _text(mail: dict[str, Any], name: str) -> str:
    value = mail.get(name)
    if not isinstance(value, str) or not value:
        message = (
            f"The {name} is required. You can get around this requirement if you use a template."
        )
        raise Refusal(error(400, message, name))
    return value


def _contents(mail: dict[str, Any]) -> dict[str, str]:
    listed = mail.get("content")
    if not isinstance(listed, list) or not listed:
        message = "Unless a valid template_id is provided, the content parameter is required."
        raise Refusal(error(400, message, "content"))
    found: dict[str, str] = {}
    for number, one in enumerate(listed):
        value = one.get("value") if isinstance(one, dict) else None
        if not isinstance(value, str) or not value:
            message = "The content value must be a string at least one character in length."
            raise Refusal(error(400, message, f"content.{number}.value"))
        found[str(one.get("type"))] = value
    kinds = list(found)
    if "text/plain" in kinds[1:]:
        message = "If present, text/plain must be the first content type, followed by text/html."
        raise Refusal(error(400, message, "content"))
    return found


def _recipients(mail: dict[str, Any]) -> list[str]:
    listed = mail.get("personalizations")
    if not isinstance(listed, list) or not 0 < len(listed) <= _MOST_RECIPIENTS:
        message = (
            "The personalizations field is required and must have at least one personalization."
        )
        raise Refusal(error(400, message, "personalizations"))
    found: list[str] = []
    for number, one in enumerate(listed):
        for to in one.get("to") or [] if isinstance(one, dict) else []:
            address = to.get("email") if isinstance(to, dict) else None
            if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
                message = "Does not contain a valid address."
                raise Refusal(error(400, message, f"personalizations.{number}.to.0.email"))
            found.append(address)
    if not found:
        message = "The to array is required for all personalization objects."
        raise Refusal(error(400, message, "personalizations.0.to"))
    return found


def _limit_headers(window: Window, now: float) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(window.limit),
        "X-RateLimit-Remaining": str(window.remaining),
        "X-RateLimit-Reset": str(math.ceil(window.resets_at)),
    }


class EventKey:
    """The key pair of a signed event webhook."""

    def __init__(self) -> None:
        self._key: EllipticCurvePrivateKey = generate_private_key(SECP256R1())

    @property
    def public(self) -> str:
        """The verification key as SendGrid's page shows it."""
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def post(self, events: list[dict[str, Any]], timestamp: str) -> tuple[bytes, dict[str, str]]:
        """Return the body and the headers with which SendGrid posts these events."""
        body = json.dumps(events).encode()
        signature = self._key.sign(timestamp.encode() + body, ECDSA(SHA256()))
        return body, {
            "Content-Type": "application/json",
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }


PROTOCOL = Protocol(
    prefix="/sendgrid",
    site_name=lambda _params: "sendgrid",
    authenticate=_authenticate,
    limit_headers=_limit_headers,
    failure=error,
    request_id_header="X-Request-Id",
    endpoints=(Endpoint("POST", "/v3/mail/send", "create", send, Allowance(10_000, 1)),),
)
