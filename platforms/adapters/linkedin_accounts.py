"""LinkedIn's accounts: who a token speaks for, and how it is renewed and revoked.

Sources: learn.microsoft.com/linkedin, "Sign In with LinkedIn using OpenID Connect", "Organization
Access Control by Role", "Programmatic Refresh Tokens", read 2026-11. Recalled: that
`organizations/{id}` tells localizedName and vanityName; the words of a refused refresh token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, Response
from platforms.adapters.base import Account, Adapter, Target, is_id
from platforms.adapters.linkedin_client import Client, encoded

ORGANIZATION = "urn:li:organization:"
MEMBER = "me"  # in place of an author's URN: whose token it is
POSTERS = frozenset(
    {"ADMINISTRATOR", "CONTENT_ADMIN", "CONTENT_ADMINISTRATOR", "DIRECT_SPONSORED_CONTENT_POSTER"}
)


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts behind one token; `adapter` judges errors."""

    adapter: Adapter
    client: Client

    async def targets(self, credentials: Mapping[str, Any]) -> list[Target]:
        """Return the member and the organizations they have a role at, as far as both may be told.

        A token may be for one of these uses only: what it may not ask about is left out. If the
        credentials name an author, it is the only one.
        """
        if author := credentials.get("author"):
            is_member = author == MEMBER
            account = await (self.member() if is_member else self.organization(author))
            return [Target(account, credentials)]
        found: list[Target] = []
        try:
            found.append(Target(await self.member(), {**credentials, "author": MEMBER}))
        except ServiceError as error:
            if error.category is not C.PERMISSION:
                raise
        try:
            roles = await self._roles()
        except ServiceError as error:
            if error.category is not C.PERMISSION:
                raise
            roles = {}
        for urn, names in roles.items():
            account = await self._shown(urn)
            problem = "" if names & POSTERS else _no_role(account)
            found.append(Target(account, {**credentials, "author": urn}, problem))
        return found

    async def member(self) -> Account:
        """Return whose token it is."""
        response = await self.client.call("GET", "/v2/userinfo")
        if not response.ok:
            raise self.adapter.error(response)
        found = response.json_object()
        sub = found.get("sub")
        if not is_id(sub):
            raise self.adapter.unreadable(response)
        name, picture = str(found.get("name") or sub), str(found.get("picture") or "")
        return Account(f"urn:li:person:{sub}", name, display_name=name, avatar_url=picture)

    async def organization(self, urn: str) -> Account:
        """Return an organization that the member may post for; PERMISSION if they may not."""
        roles = await self._roles()
        account = await self._shown(urn)
        if not roles.get(urn, set()) & POSTERS:
            raise ServiceError(C.PERMISSION, _no_role(account), http_status=200)
        return account

    async def _roles(self) -> dict[str, set[str]]:
        """Return the approved roles of the member, by organization."""
        params = {"q": "roleAssignee", "state": "APPROVED", "count": "100"}
        path = "/rest/organizationAcls"
        response = await self.client.call("GET", path, method="FINDER", params=params)
        if not response.ok:
            raise self.adapter.error(response)
        elements = response.json_object().get("elements")
        if not isinstance(elements, list):
            raise self.adapter.unreadable(response)
        found: dict[str, set[str]] = {}
        for element in elements:
            urn = element.get("organization") if isinstance(element, dict) else None
            if is_id(urn) and element.get("state", "APPROVED") == "APPROVED":
                found.setdefault(urn, set()).add(str(element.get("role") or ""))
        return found

    async def _shown(self, urn: str) -> Account:
        """Return an organization; it does without a name when LinkedIn does not tell one."""
        number = urn.removeprefix(ORGANIZATION)
        try:
            response = await self.client.call("GET", f"/rest/organizations/{encoded(number)}")
        except ServiceError:
            return Account(urn, number)
        answer = response.json_object() if response.ok else {}
        vanity, name = answer.get("vanityName"), answer.get("localizedName")
        return Account(
            urn, vanity if is_id(vanity) else number, display_name=name if is_id(name) else ""
        )


@dataclass(frozen=True, slots=True)
class Tokens:
    """Renews and revokes tokens in the application's name; `application` is its id and secret."""

    adapter: Adapter
    http: Http
    oauth_base: str
    application: Mapping[str, str]

    async def renew(self, known: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return `known` with a new access token; the refresh token stays as it is.

        It ends a year after the consent, and is given to reviewed applications only.
        """
        token = str(known.get("refresh_token") or "")
        form = {"grant_type": "refresh_token", "refresh_token": token, **self.application}
        response = await self.http.post(f"{self.oauth_base}/accessToken", form=form, auth=None)
        if not response.ok:
            raise self._refused(response)
        answer = response.json_object()
        fresh = {name: answer.get(name) for name in ("access_token", "refresh_token")}
        life, rest = answer.get("expires_in"), answer.get("refresh_token_expires_in")
        if not is_id(fresh["access_token"]) or type(life) is not int:
            raise self.adapter.unreadable(response)
        fresh["expires_at"] = (response.received_at + timedelta(seconds=life)).isoformat()
        if type(rest) is int:
            ends = response.received_at + timedelta(seconds=rest)
            fresh["refresh_expires_at"] = ends.isoformat()
        return {**known, **{name: value for name, value in fresh.items() if is_id(value)}}

    async def revoke(self, token: str) -> None:
        """Tell LinkedIn that the token is no longer wanted."""
        form = {"token": token, **self.application}
        response = await self.http.post(f"{self.oauth_base}/revoke", form=form, auth=None)
        if not response.ok:
            raise self.adapter.error(response)

    def _refused(self, response: Response) -> ServiceError:
        code = self.adapter.provider_code(response)
        said = str(response.json_object().get("error_description") or "").lower()
        if code == "invalid_grant" or (code == "invalid_request" and "refresh token" in said):
            return ServiceError(
                C.AUTH_ERROR,
                "LinkedIn no longer accepts the refresh token. Connect the account again.",
                provider_code="invalid_grant",
                http_status=response.status,
                request_id=response.request_id,
            )
        return self.adapter.error(response)


def _no_role(account: Account) -> str:
    name = account.display_name or account.username
    return f"Your role at {name} may not post there. Ask an administrator to make you one who may."
