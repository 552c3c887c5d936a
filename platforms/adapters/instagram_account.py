"""An Instagram account: how it is reached and renewed on either login, its figures, and deletion.

Sources: as in `platforms.adapters.instagram`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Http
from platforms.adapters.base import Account, ApiVersion, PostMetrics, Target, is_id
from platforms.adapters.containers import ContainerAdapter
from platforms.adapters.graph import GraphToken
from platforms.adapters.graph_reading import lasts, version_in_use
from platforms.adapters.instagram_reading import LINKED, METRIC_NAMES, account_of, linked_account


@dataclass(frozen=True, slots=True)
class InstagramConfig:
    """The Instagram app (its own id and secret), and the Facebook app for logins by Facebook.

    `authorize_url` is the page that asks people, `oauth_base` where their code is exchanged.
    """

    graph_base: str = "https://graph.instagram.com"
    facebook_base: str = "https://graph.facebook.com"
    upload_base: str = "https://rupload.facebook.com"
    oauth_base: str = "https://api.instagram.com"
    version: str = "v26.0"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    facebook_client_id: str = ""
    facebook_client_secret: str = field(default="", repr=False)
    max_hashtags: int = 30
    authorize_url: str = "https://www.instagram.com/oauth/authorize"


class InstagramAccount(ContainerAdapter):
    """The half of the adapter that knows the account and its two logins."""

    config: InstagramConfig

    # --- what the http layer needs ------------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        config = self.config
        base = config.facebook_base if _by_facebook(credentials) else config.graph_base
        return f"{base}/{config.version}"

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token = str(credentials.get("access_token") or "").strip()
        if not token:
            raise ServiceError(C.AUTH_ERROR, "The connection to Instagram has no access token.")
        if _by_facebook(credentials):
            return GraphToken(
                token, app_secret=self.config.facebook_client_secret, login="facebook"
            )
        return GraphToken(token)

    def api_versions(self) -> Sequence[ApiVersion]:
        return (version_in_use("META_GRAPH_VERSION", self.config.version),)

    # --- the account --------------------------------------------------------------------------
    async def sign_in(self, http: Http, entered: Mapping[str, Any]) -> Mapping[str, Any]:
        """Swap a token of an hour for one of 60 days; those that last already are kept."""
        config = self.config
        if _by_facebook(entered):
            return await self.long_lived_user(
                http,
                f"{config.facebook_base}/{config.version}",
                (config.facebook_client_id, config.facebook_client_secret),
                entered,
            )
        if not config.client_secret or lasts(entered):
            return entered
        params = {
            "grant_type": "ig_exchange_token",
            "client_secret": config.client_secret,
            "access_token": str(entered.get("access_token") or ""),
        }
        return await self.swap_token(http, f"{config.graph_base}/access_token", params, entered)

    async def targets(self, http: Http, credentials: Mapping[str, Any]) -> list[Target]:
        """Return the account; of a login by Facebook, the accounts linked to its Pages."""
        if not _by_facebook(credentials):
            return await super().targets(http, credentials)
        params = {"fields": f"id,name,access_token,tasks,{LINKED}", "limit": "100"}
        return [
            Target(account, {"login": "facebook", "access_token": token}, problem)
            async for page in self.listed(http, "/me/accounts", params)
            for account, token, problem in linked_account(page)
        ]

    async def validate(self, http: Http) -> Account:
        if isinstance(http.auth, GraphToken) and http.auth.login == "facebook":
            return await self._validate_page(http)
        fields = "user_id,username,name,account_type,profile_picture_url"
        response = await self.ask(http, "/me", {"fields": fields})
        found = response.json_object()
        if not is_id(found.get("user_id")) or not is_id(found.get("username")):
            raise self.unreadable(response)
        return account_of({**found, "id": found["user_id"]})

    async def _validate_page(self, http: Http) -> Account:
        response = await self.ask(http, "/me", {"fields": LINKED})
        linked = response.json_object().get("instagram_business_account")
        if not isinstance(linked, dict) or not is_id(linked.get("id")):
            detail = (
                "This token belongs to no Page with a linked Instagram account. Connect through "
                "Facebook and choose the account, or link it to the Page first."
            )
            raise ServiceError(C.VALIDATION_ERROR, detail, http_status=response.status)
        return account_of(linked)

    def renewable(self, credentials: Mapping[str, Any]) -> bool:
        """Tokens renew themselves; those of Pages do not end, and die with the person's login."""
        return not _by_facebook(credentials)

    async def refresh(self, http: Http, credentials: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self.renewed(
            http,
            f"{self.config.graph_base}/refresh_access_token",
            "ig_refresh_token",
            credentials,
        )

    def account_address(self, account: Account) -> str:
        return f"https://www.instagram.com/{account.username}/" if account.username else ""

    # --- what was posted ----------------------------------------------------------------------
    async def delete(self, http: Http, remote_id: str) -> None:
        if not (isinstance(http.auth, GraphToken) and http.auth.login == "facebook"):
            detail = (
                "Instagram lets applications delete only posts of accounts that were connected "
                "through Facebook. Delete this one in the Instagram app."
            )
            raise ServiceError(C.VALIDATION_ERROR, detail)
        await self.remove(http, remote_id)

    async def metrics(self, http: Http, remote_ids: Sequence[str]) -> list[PostMetrics]:
        found = []
        for remote_id in remote_ids:
            told = await self.insights(http, f"/{remote_id}/insights", tuple(METRIC_NAMES))
            if told:
                values = {METRIC_NAMES[name]: value for name, value in told.items()}
                found.append(PostMetrics(remote_id, values))
        return found


def _by_facebook(credentials: Mapping[str, Any]) -> bool:
    return credentials.get("login") == "facebook"
