"""Firebase Cloud Messaging, HTTP v1, at `/fcm`, and Google's token endpoint at `/fcm/token`.

Service accounts are `demo-<name>@<project>.iam.gserviceaccount.com`, whose signature is checked
when `POST /_control/service-accounts` made their public key known; others must be known. Tokens
that begin with `unregistered`, `mismatch`, `invalid` and `apns` are refused, each in its way. After
Firebase's "FCM error codes" and Google's "OAuth 2.0 for server to server applications".
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from sandbox.door import Endpoint, Protocol
from sandbox.exchange import Answer, Call, Malformed, Refusal
from sandbox.inbox import deliver
from sandbox.rates import Allowance, Window
from sandbox.records import Account
from sandbox.tokens import Terms, TokenRefused
from sandbox.world import World

_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE_SECONDS = 3599
_MOST_BYTES = 4096
_CLOCK_SECONDS = 300
_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
_USUAL = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "Permission 'cloudmessaging.messages.create' denied."),
    404: ("NOT_FOUND", "Requested entity was not found."),
    429: ("RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Messages'."),
    500: ("INTERNAL", "Internal error encountered."),
    503: ("UNAVAILABLE", "The service is currently unavailable."),
}
_FCM_CODES = {429: "QUOTA_EXCEEDED", 500: "INTERNAL", 503: "UNAVAILABLE"}
_TOKENS = {  # how a device token that begins so is refused
    "unregistered": (404, "NOT_FOUND", "UNREGISTERED"),
    "mismatch": (403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
    "invalid": (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
    "apns": (401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
}


@dataclass(slots=True)
class Keys:
    """The public keys of service accounts, by e-mail."""

    by_email: dict[str, RSAPublicKey] = field(default_factory=dict)


def register(world: World, email: str, pem: str) -> None:
    """Make an account's key known; raises ValueError for what is no RSA key."""
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, RSAPublicKey):
        raise ValueError("an RSA key is needed")  # noqa: TRY004 - the text is wrong, not its type
    world.site("fcm").books(Keys).by_email[email] = key


def error(status: int) -> Answer:
    name, message = _USUAL.get(status, ("UNKNOWN", "Unknown error."))
    fcm_code = _FCM_CODES.get(status, "")
    details = [{"@type": _FCM_ERROR, "errorCode": fcm_code}] if fcm_code else []
    return _error(status, name, message, details)


def _error(status: int, name: str, message: str, details: list[dict[str, Any]]) -> Answer:
    body: dict[str, Any] = {"code": status, "message": message, "status": name}
    return Answer(status, {"error": body | ({"details": details} if details else {})})


# --- Google's token endpoint -------------------------------------------------------------------
def token(call: Call) -> Answer:
    form = dict(call.form())
    if form.get("grant_type") != _GRANT:
        return _oauth_error("unsupported_grant_type", "Invalid grant_type")
    claims, email = _verified(call, form.get("assertion", ""))
    if _SCOPE not in str(claims.get("scope", "")).split():
        return _oauth_error("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    name = email.partition("@")[0].removeprefix("demo-")
    tokens = call.site.tokens
    family = tokens.consent(name, email, [_SCOPE])
    pair = tokens.issue(family, Terms(access_life_s=_LIFE_SECONDS, has_refresh=False))
    return Answer(
        200,
        {"access_token": pair.access_token, "expires_in": _LIFE_SECONDS, "token_type": "Bearer"},
    )


def _verified(call: Call, assertion: str) -> tuple[dict[str, Any], str]:
    """The claims of a signed request and whose it is."""
    try:
        head, claims, signature = (_unpacked(part) for part in assertion.split("."))
        header, body = json.loads(head), json.loads(claims)
    except ValueError:
        raise _refused("Invalid JWT: it cannot be read.") from None
    if not isinstance(header, dict) or not isinstance(body, dict) or header.get("alg") != "RS256":
        raise _refused("Invalid JWT: the algorithm must be RS256.")
    email, now = str(body.get("iss", "")), call.received_at
    begins, ends = body.get("iat"), body.get("exp")
    if body.get("aud") != f"{call.base_url}{call.path}":
        raise _refused("Invalid JWT: the audience is wrong.")
    if not isinstance(begins, int) or not isinstance(ends, int) or ends - begins > 3600:
        raise _refused("Invalid JWT: Token must be a short-lived token (60 minutes).")
    if begins > now + _CLOCK_SECONDS or ends < now:
        raise _refused("Invalid JWT: Token must be in a reasonable timeframe.")
    key = call.site.books(Keys).by_email.get(email)
    if key is None and not email.startswith("demo-"):
        raise _refused("Invalid grant: account not found")
    if key is not None:
        try:
            signed = assertion.rpartition(".")[0].encode()
            key.verify(signature, signed, PKCS1v15(), SHA256())
        except InvalidSignature:
            raise _refused("Invalid JWT Signature.") from None
    return body, email


def _unpacked(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _refused(words: str) -> Refusal:
    return Refusal(_oauth_error("invalid_grant", words))


def _oauth_error(code: str, words: str) -> Answer:
    return Answer(400, {"error": code, "error_description": words})


# --- messages ------------------------------------------------------------------------------------
def _authenticate(call: Call) -> Account:
    try:
        grant = call.site.tokens.grant(call.bearer_token)
    except TokenRefused:
        raise Refusal(error(401)) from None
    project = call.params["project"]
    if grant.family.client_id and not grant.family.client_id.endswith(
        f"@{project}.iam.gserviceaccount.com"
    ):
        raise Refusal(error(403))
    call.grant = grant
    return call.site.account(grant.name)


def send(call: Call) -> Answer:
    try:
        body = call.json_object()
    except Malformed:
        raise Refusal(error(400)) from None
    message = body.get("message")
    if not isinstance(message, dict):
        raise Refusal(error(400))
    device = message.get("token")
    if not isinstance(device, str) or not device:
        raise _invalid("message", "Recipient of the message is not set.")
    _check(message)
    for beginning, (status, name, code) in _TOKENS.items():
        if device.startswith(beginning):
            details: list[dict[str, Any]] = [{"@type": _FCM_ERROR, "errorCode": code}]
            if code == "INVALID_ARGUMENT":
                details.append(_violation("message.token", "Invalid registration token"))
            raise Refusal(_error(status, name, _USUAL[status][1], details))
    name = f"projects/{call.params['project']}/messages/{secrets.token_hex(8)}"
    if body.get("validate_only") is not True:
        content = {key: message.get(key) for key in ("notification", "data", "webpush")}
        deliver(
            call.world,
            "fcm",
            to=device,
            sender=call.params["project"],
            content=content,
            id=name.rpartition("/")[2],
        )
    return Answer(200, {"name": name})


def _check(message: dict[str, Any]) -> None:
    data = message.get("data") or {}
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise _invalid("message.data", "Invalid value (TYPE_STRING)")
    payload = {"notification": message.get("notification"), "data": data}
    if len(json.dumps(payload).encode()) > _MOST_BYTES:
        raise _invalid("message", "Android message is too big")
    link = ((message.get("webpush") or {}).get("fcm_options") or {}).get("link", "https://")
    if not str(link).startswith("https://"):
        raise _invalid("message.webpush.fcm_options.link", "The link must be an HTTPS address")


def _violation(place: str, words: str) -> dict[str, Any]:
    return {"@type": _BAD_REQUEST, "fieldViolations": [{"field": place, "description": words}]}


def _invalid(place: str, words: str) -> Refusal:
    details = [
        _violation(place, words),
        {"@type": _FCM_ERROR, "errorCode": "INVALID_ARGUMENT"},
    ]
    return Refusal(_error(400, "INVALID_ARGUMENT", words, details))


def _limit_headers(window: Window, now: float) -> dict[str, str]:
    if not window.used_up:
        return {}
    return {"Retry-After": str(max(1, math.ceil(window.resets_at - now)))}


PROTOCOL = Protocol(
    prefix="/fcm",
    site_name=lambda _params: "fcm",
    authenticate=_authenticate,
    limit_headers=_limit_headers,
    failure=error,
    request_id_header="X-Request-Id",
    endpoints=(
        Endpoint("POST", "/token", "token", token, Allowance(600, 60), signed_in=False),
        Endpoint(
            "POST",
            "/v1/projects/{project}/messages:send",
            "create",
            send,
            Allowance(600_000, 60),
            scopes=(_SCOPE,),
        ),
    ),
)
