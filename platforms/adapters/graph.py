"""What Meta's interfaces share: tokens and proofs, calls, lists, errors, allowances.

Sources: developers.facebook.com (Graph API: secure requests, handling errors, rate limiting), read
2026-11. How answers are read stands in `platforms.adapters.graph_reading`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Bearer, Http, Response
from platforms.adapters.base import is_id
from platforms.adapters.graph_errors import GraphErrors
from platforms.adapters.graph_reading import (
    GONE_CODES,
    has_id,
    next_page,
    object_of,
    web_address,
)

FIND_PAGES = 5


@dataclass(frozen=True, slots=True)
class GraphToken(Bearer):
    """An access token; with an `app_secret`, calls prove that they come from the application.

    `login` says through which network the account was connected, where that makes a difference.
    """

    app_secret: str = field(default="", repr=False)
    login: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.token, self.app_secret, self.proof) if self.app_secret else (self.token,)

    @property
    def proof(self) -> str:
        """Return the appsecret_proof: HMAC-SHA256 of the token under the application's secret."""
        return hmac.new(self.app_secret.encode(), self.token.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class InQuery:
    """Credentials that travel in the address: no header is written, all are kept out of sight."""

    secrets: tuple[str, ...] = field(repr=False)

    def authorization(self, method: str, url: str, form: Any) -> str:
        return ""


def proof_of(http: Http) -> dict[str, str]:
    """Return the parameter that proves whose application calls, if this connection has one."""
    auth = http.auth
    if isinstance(auth, GraphToken) and auth.app_secret:
        return {"appsecret_proof": auth.proof}
    return {}


class GraphAdapter(GraphErrors):
    """Base of Instagram, Threads and Facebook: how calls are made and errors are read."""

    # --- calls --------------------------------------------------------------------------------
    async def ask(
        self, http: Http, path: str, params: Mapping[str, str], **options: Any
    ) -> Response:
        """Read something; raises ServiceError unless the answer is good."""
        response = await http.get(path, params={**params, **proof_of(http)}, **options)
        if not response.ok:
            raise self.error(response)
        return response

    async def tell(
        self,
        http: Http,
        path: str,
        body: Mapping[str, Any],
        *,
        params: Mapping[str, str] | None = None,
        writes: bool = False,
    ) -> Response:
        """Send something and return the answer, good or bad."""
        query = {**(params or {}), **proof_of(http)} or None
        return await http.post(path, json=body, params=query, writes=writes)

    async def create(
        self, http: Http, path: str, body: Mapping[str, Any], *, upload: bool
    ) -> Response:
        """Make something that nobody sees yet; returns the answer, which has its id."""
        response = await self.tell(http, path, body)
        if not response.ok:
            raise self.error(response, upload=upload)
        if not is_id(response.json_object().get("id")):
            raise self.unreadable(response)
        return response

    async def listed(
        self, http: Http, path: str, params: Mapping[str, str], *, most: int = FIND_PAGES
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the entries of a list; OUTCOME_UNKNOWN when it is malformed or has too many pages.

        Whoever has seen enough stops reading.
        """
        query = dict(params)
        for _ in range(most):
            response = await self.ask(http, path, query)
            answer = response.json_object()
            entries = answer.get("data")
            if "error" in answer or not isinstance(entries, list) or not all(map(has_id, entries)):
                raise self.unreadable(response, wrote=True)
            for entry in entries:
                yield entry
            after = next_page(answer)
            if not after:
                return
            query["after"] = after
        raise ServiceError(C.OUTCOME_UNKNOWN, f"{self.name} lists too much to look through.")

    async def permalink(self, http: Http, remote_id: str, fields: str) -> str:
        """Return a fresh post's address, or "": this is for the eye and must not fail the post."""
        try:
            response = await self.ask(
                http, f"/{remote_id}", {"fields": fields}, timeout=timedelta(seconds=3)
            )
        except ServiceError:
            return ""
        return web_address(response.json_object().get(fields.partition(",")[0]))

    async def swap_token(
        self, http: Http, url: str, params: Mapping[str, str], old: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the credentials with the token that the network gives for the one in `params`."""
        hidden = tuple(
            value for name, value in params.items() if "token" in name or "secret" in name
        )
        response = await http.get(url, params=params, auth=InQuery(hidden))
        if not response.ok:
            raise self.error(response)
        answer = response.json_object()
        token, life = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token:
            raise self.unreadable(response)
        kept = {name: value for name, value in old.items() if name != "expires_at"}
        fresh = {**kept, "access_token": token}
        if type(life) is int and 0 < life < 10**9:
            fresh["expires_at"] = (response.received_at + timedelta(seconds=life)).isoformat()
        return fresh

    async def renewed(
        self, http: Http, url: str, grant_type: str, credentials: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the credentials with a token of 60 more days: a token renews itself.

        One that is dead or has ended cannot: only the account's owner can help then.
        """
        params = {"grant_type": grant_type, "access_token": str(credentials["access_token"])}
        try:
            return await self.swap_token(http, url, params, credentials)
        except ServiceError as error:
            if error.provider_code.partition("/")[0] != "190":
                raise
            raise ServiceError(
                C.AUTH_ERROR,
                f"{self.name} no longer accepts the access token. Connect the account again.",
                provider_code="invalid_grant",
                http_status=error.http_status,
                request_id=error.request_id,
                excerpt=error.excerpt,
            ) from None

    async def long_lived_user(
        self, http: Http, base: str, app: tuple[str, str], entered: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return the credentials of a person with a token of 60 days; a Page's token is kept.

        `app` is the Facebook application's id and secret. Tokens of Pages that are read with the
        result do not end.
        """
        if entered.get("page_id") or not all(app):
            return entered
        params = {
            "grant_type": "fb_exchange_token",
            "client_id": app[0],
            "client_secret": app[1],
            "fb_exchange_token": str(entered.get("access_token") or ""),
        }
        return await self.swap_token(http, f"{base}/oauth/access_token", params, entered)

    async def remove(self, http: Http, remote_id: str) -> None:
        """Delete an object; one that is gone already is no error."""
        response = await http.delete(f"/{remote_id}", params=proof_of(http) or None)
        gone = response.status == 404 or self.provider_code(response) in GONE_CODES
        if not response.ok and not gone:
            raise self.error(response)

    async def insights(self, http: Http, path: str, names: Sequence[str]) -> dict[str, int]:
        """Return a post's counters by the network's own names.

        A name that this kind of post does not have fails all of them: they are read singly then.
        Posts that are gone, or that too few people saw, have none.
        """
        params = {"metric": ",".join(names), **proof_of(http)}
        response = await http.get(path, params=params)
        code = self.provider_code(response)
        number = code.partition("/")[0]
        if response.ok:
            return self._values(response)
        if response.status == 404 or code in GONE_CODES or number == "10":
            return {}
        if number != "100":
            raise self.error(response)
        found: dict[str, int] = {}
        for name in names if len(names) > 1 else ():
            found |= await self.insights(http, path, (name,))
        return found

    def _values(self, response: Response) -> dict[str, int]:
        entries = response.json_object().get("data")
        if not isinstance(entries, list):
            raise self.unreadable(response)
        found = {}
        for entry in map(object_of, entries):
            value = object_of(entry.get("total_value")).get("value")
            values = entry.get("values")
            if value is None and isinstance(values, list) and values:
                value = object_of(values[-1]).get("value")
            parts = list(object_of(value).values()) if isinstance(value, dict) else [value]
            numbers = [part for part in parts if type(part) is int]
            if numbers and isinstance(entry.get("name"), str):
                found[entry["name"]] = sum(numbers)
        return found
