"""A Threads account: how it is reached, named and kept connected.

Sources: as in `platforms.adapters.threads`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Http
from platforms.adapters.base import Account, ApiVersion, is_id
from platforms.adapters.containers import ContainerAdapter
from platforms.adapters.graph import GraphToken
from platforms.adapters.graph_reading import lasts


@dataclass(frozen=True, slots=True)
class ThreadsConfig:
    """The Threads app: a use case of its own at developers.facebook.com, with its own id, secret.

    `auth_base` is where people consent.
    """

    graph_base: str = "https://graph.threads.net"
    auth_base: str = "https://www.threads.com"
    version: str = "v1.0"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)


class ThreadsAccount(ContainerAdapter):
    """The half of the adapter that knows the account and its token."""

    config: ThreadsConfig

    # --- what the http layer needs ------------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        return f"{self.config.graph_base}/{self.config.version}"

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token = str(credentials.get("access_token") or "").strip()
        if not token:
            raise ServiceError(C.AUTH_ERROR, "The connection to Threads has no access token.")
        return GraphToken(token)

    def api_versions(self) -> Sequence[ApiVersion]:
        return (ApiVersion("THREADS_API_VERSION", self.config.version, None),)

    # --- the account --------------------------------------------------------------------------
    async def sign_in(self, http: Http, entered: Mapping[str, Any]) -> Mapping[str, Any]:
        """Swap a token of an hour for one of 60 days; one that lasts already is kept."""
        config = self.config
        if not config.client_secret or lasts(entered):
            return entered
        params = {
            "grant_type": "th_exchange_token",
            "client_secret": config.client_secret,
            "access_token": str(entered.get("access_token") or ""),
        }
        return await self.swap_token(http, f"{config.graph_base}/access_token", params, entered)

    async def validate(self, http: Http) -> Account:
        fields = "id,username,name,threads_profile_picture_url"
        response = await self.ask(http, "/me", {"fields": fields})
        found = response.json_object()
        if not is_id(found.get("id")) or not is_id(found.get("username")):
            raise self.unreadable(response)
        return Account(
            external_id=found["id"],
            username=found["username"],
            display_name=str(found.get("name") or ""),
            avatar_url=str(found.get("threads_profile_picture_url") or ""),
        )

    def renewable(self, credentials: Mapping[str, Any]) -> bool:
        """Say yes: a token renews itself while it lives."""
        return True

    async def refresh(self, http: Http, credentials: Mapping[str, Any]) -> Mapping[str, Any]:
        url = f"{self.config.graph_base}/refresh_access_token"
        return await self.renewed(http, url, "th_refresh_token", credentials)

    def account_address(self, account: Account) -> str:
        return f"https://www.threads.com/@{account.username}" if account.username else ""
