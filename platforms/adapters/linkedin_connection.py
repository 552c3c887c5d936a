"""LinkedIn's half about a connection: whose token it is, and what it shows, counts or deletes.

Sources: as in `platforms.adapters.linkedin`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import unquote

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Bearer, Http, Response
from platforms.adapters.base import Account, Adapter, ApiVersion, PostMetrics, Target
from platforms.adapters.linkedin_accounts import ORGANIZATION, Accounts, Tokens
from platforms.adapters.linkedin_client import Client, encoded
from platforms.adapters.linkedin_lists import Lists
from platforms.adapters.linkedin_reading import provider_code, reason_of, retry_after

VERSION_ENDS = {  # learn.microsoft.com/linkedin/marketing/integrations/migrations, read 2026-11
    "202511": date(2026, 11, 16),
    "202601": date(2027, 1, 15),
    "202604": date(2027, 4, 15),
    "202607": date(2027, 7, 15),
}
COMMENT_URN = re.compile(r"urn:li:comment:\((?P<post>urn:li:\w+:\d+),(?P<id>\d+)\)")
POST_ADDRESS = re.compile(
    r"https://(?:www\.)?linkedin\.com/(?:feed/update/(?P<urn>urn:li:(?:share|ugcPost|activity):\d+)"
    r"|posts/[^/?#]*?-(?P<kind>share|ugcPost|activity)-(?P<id>\d+)-[\w-]+)/?(?:[?#].*)?"
)


@dataclass(frozen=True, slots=True)
class LinkedInConfig:
    """The application at linkedin.com/developers, and the version of the API it speaks."""

    api_base: str = "https://api.linkedin.com"
    oauth_base: str = "https://www.linkedin.com/oauth/v2"
    version: str = "202607"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Author(Bearer):
    """A member's token, and for whom it speaks: an organization's URN, else for the member."""

    urn: str = ""


class LinkedInConnection(Adapter):
    """The half of the adapter that needs no draft."""

    config: LinkedInConfig

    # --- what the http layer needs ----------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        return self.config.api_base

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token = str(credentials.get("access_token") or "").strip()
        if not token:
            raise ServiceError(C.AUTH_ERROR, "The connection to LinkedIn has no access token.")
        return Author(token, urn=str(credentials.get("author") or "").strip())

    def api_versions(self) -> Sequence[ApiVersion]:
        version = self.config.version
        return [ApiVersion("LINKEDIN_VERSION", version, VERSION_ENDS.get(version))]

    def _client(self, http: Http) -> Client:
        return Client(http, self.config.version)

    def _tokens(self, http: Http) -> Tokens:
        config = self.config
        application = {"client_id": config.client_id, "client_secret": config.client_secret}
        return Tokens(self, http, config.oauth_base, application)

    # --- the account ------------------------------------------------------------------------
    async def targets(self, http: Http, credentials: Mapping[str, Any]) -> list[Target]:
        return await Accounts(self, self._client(http)).targets(credentials)

    async def validate(self, http: Http) -> Account:
        accounts, urn = Accounts(self, self._client(http)), _organization_of(http)
        return await (accounts.organization(urn) if urn else accounts.member())

    async def refresh(self, http: Http, credentials: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._tokens(http).renew(credentials)

    async def revoke(self, http: Http) -> None:
        if isinstance(http.auth, Bearer):
            await self._tokens(http).revoke(http.auth.token)

    # --- afterwards -----------------------------------------------------------------------------
    async def delete(self, http: Http, remote_id: str) -> None:
        path = f"/rest/posts/{encoded(remote_id)}"
        if comment := COMMENT_URN.fullmatch(remote_id):
            path = f"/rest/socialActions/{encoded(comment['post'])}/comments/{comment['id']}"
            if author := _organization_of(http):
                path += f"?actor={encoded(author)}"
        response = await self._client(http).call("DELETE", path, method="DELETE")
        if not response.ok and response.status != 404:
            raise self.error(response)

    async def metrics(self, http: Http, remote_ids: Sequence[str]) -> list[PostMetrics]:
        without = ("urn:li:comment:", "urn:li:activity:")  # these have no statistics of their own
        posts = [urn for urn in remote_ids if not urn.startswith(without)]
        lists = Lists(self, self._client(http), _organization_of(http))
        if lists.author:
            return await lists.statistics(posts)
        each = [await lists.statistics_of_member(urn) for urn in posts]
        return [metrics for metrics in each if metrics is not None]

    # --- what people see ------------------------------------------------------------------------
    def account_address(self, account: Account) -> str:
        if not is_organization(account):
            return ""  # only members themselves see the name in their profile's address
        return f"https://www.linkedin.com/company/{account.username}/"

    def remote_id_in(self, address: str, account: Account) -> str:
        found = POST_ADDRESS.fullmatch(unquote(address.strip()))
        if found is None:
            return ""
        return found["urn"] or f"urn:li:{found['kind']}:{found['id']}"

    # --- errors -----------------------------------------------------------------------------
    def provider_code(self, response: Response) -> str:
        return provider_code(response)

    def retry_after(self, response: Response) -> timedelta | None:
        return retry_after(response)

    def explain(self, response: Response) -> str:
        return reason_of(response)


def _organization_of(http: Http) -> str:
    """Return the organization that the token speaks for here, "" for the member."""
    urn = http.auth.urn if isinstance(http.auth, Author) else ""
    return urn if urn.startswith(ORGANIZATION) else ""


def is_organization(account: Account) -> bool:
    return account.external_id.startswith(ORGANIZATION)
