"""Sessions at an account's own server: opened with an app password, renewed, ended.

Sources: lexicons com.atproto.server.createSession, refreshSession and deleteSession,
atproto.com/specs/did, the reference server's account-manager, read 2026-11. Access tokens live two
hours there and refresh tokens 90 days; a used refresh token brings the same successor for two more
hours, so a lost answer does no harm. Opening a session is limited to 300 a day: done only when
there is no other way.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Bearer, Http, InAddress, Response
from platforms.adapters.base import Adapter, is_id

OVER = frozenset({"ExpiredToken", "InvalidToken", "AuthenticationRequired", "AuthMissing"})
CLOSED = frozenset({"AccountTakedown", "AccountDeactivated"})
TOKEN_LIFE = timedelta(minutes=90)  # of an access token that does not tell


@dataclass(frozen=True, slots=True)
class Session(Bearer):
    """A session's tokens: one for calls, one that renews or ends it."""

    refresh_token: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.token, self.refresh_token)


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens, renews and ends sessions; `directory` is where did:plc identities are looked up."""

    adapter: Adapter
    http: Http
    directory: str

    async def open(self, known: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return `known` (handle or did, app_password) with a new session's tokens."""
        password = str(known.get("app_password") or "").strip()
        handle = str(known.get("handle") or "").strip().lstrip("@")
        response = await self.http.post(
            _method("createSession"),
            json={"identifier": known.get("did") or handle, "password": password},
            auth=InAddress(password),  # no header: it is kept out of what we keep of the answer
        )
        if not response.ok:
            raise self._refused(response)
        return await self._kept(response, {**known, "app_password": password})

    async def renew(self, known: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return `known` with fresh tokens, of a new session if the old one is over."""
        token = str(known.get("refresh_token") or "")
        response = await self.http.post(_method("refreshSession"), auth=Bearer(token), writes=True)
        if response.ok:
            return await self._kept(response, known)
        is_over = response.status == 401 or self.adapter.provider_code(response) in OVER
        if is_over and known.get("app_password"):
            return await self.open(known)
        raise self._refused(response)

    async def end(self, session: Session) -> None:
        """End a session; one that is over already is as good."""
        response = await self.http.post(
            _method("deleteSession"), auth=Bearer(session.refresh_token)
        )
        if not response.ok and self.adapter.provider_code(response) not in OVER:
            raise self.adapter.error(response)

    def _refused(self, response: Response) -> ServiceError:
        error = self.adapter.error(response)
        code = self.adapter.provider_code(response)
        if response.status != 401 and code not in OVER | CLOSED:
            return error
        return ServiceError(
            C.AUTH_ERROR,
            error.detail,
            provider_code="invalid_grant",
            http_status=response.status,
            request_id=error.request_id,
            excerpt=error.excerpt,
        )

    async def _kept(self, response: Response, known: Mapping[str, Any]) -> dict[str, Any]:
        answer = response.json_object()
        did, access, refresh = (answer.get(n) for n in ("did", "accessJwt", "refreshJwt"))
        if not (is_id(did) and is_id(access) and is_id(refresh)):
            raise self.adapter.unreadable(response, wrote=True)
        server = server_in(answer.get("didDoc")) or (known.get("did") and known.get("pds_url"))
        return {
            **known,
            "did": did,
            "pds_url": server or await self._server_of(did),
            "access_token": access,
            "refresh_token": refresh,
            "expires_at": end_of(access, response.received_at).isoformat(),
        }

    async def _server_of(self, did: str) -> str:
        """Ask the directory which server an account lives on."""
        address = f"{self.directory}/{quote(did, safe=':')}"
        if did.startswith("did:web:"):
            address = f"https://{did.removeprefix('did:web:')}/.well-known/did.json"
        response = await self.http.get(address, auth=None)
        if not response.ok:
            raise self.adapter.error(response)
        if server := server_in(response.json()):
            return server
        raise self.adapter.unreadable(response)


def server_in(document: Any) -> str:
    """Return the address of the account's server in a DID document, "" when there is none."""
    services = document.get("service") if isinstance(document, dict) else None
    for service in services if isinstance(services, list) else ():
        if isinstance(service, dict) and str(service.get("id") or "").endswith("#atproto_pds"):
            address = service.get("serviceEndpoint")
            if isinstance(address, str) and address.startswith(("https://", "http://")):
                return address.rstrip("/")
    return ""


def end_of(token: str, received_at: datetime) -> datetime:
    """Return when an access token ends, as it tells itself (RFC 7519), else after TOKEN_LIFE."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, OSError):
        return received_at + TOKEN_LIFE


def _method(name: str) -> str:
    return f"/xrpc/com.atproto.server.{name}"
