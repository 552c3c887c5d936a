"""Bluesky's half about an account: its server and session, what is shown, counted or deleted there.

Sources: as in `platforms.adapters.bluesky`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Http, Response
from platforms.adapters.base import Account, Adapter, PostMetrics, RateHint, is_id
from platforms.adapters.bluesky_reading import error_name, hints_of, metrics_in, reason_of
from platforms.adapters.bluesky_records import POSTS
from platforms.adapters.bluesky_repository import place_of
from platforms.adapters.bluesky_session import Session, Sessions

POST_ADDRESS = re.compile(
    r"https://bsky\.app/profile/(?P<who>[\w.:%-]+)/post/(?P<rkey>[2-7a-z]{13})(?:[/?#].*)?"
)


@dataclass(frozen=True, slots=True)
class BlueskyConfig:
    """Where accounts sign in that name no server, and Bluesky's own services."""

    service_url: str = "https://bsky.social"
    appview_url: str = "https://public.api.bsky.app"
    video_url: str = "https://video.bsky.app"
    plc_url: str = "https://plc.directory"


class BlueskyAccount(Adapter):
    """The half of the adapter that needs no draft."""

    config: BlueskyConfig

    # --- what the http layer needs ----------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        address = str(credentials.get("pds_url") or "").strip().rstrip("/")
        if not address:
            return self.config.service_url
        return address if "://" in address else f"https://{address}"

    def user_given_host(self) -> bool:
        return True  # the DID document's word on where the account lives is the account's own

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token = str(credentials.get("access_token") or "")
        if not token:
            raise ServiceError(C.AUTH_ERROR, "The connection to Bluesky has no session.")
        return Session(token, refresh_token=str(credentials.get("refresh_token") or ""))

    def rate_hints(self, response: Response) -> Sequence[RateHint]:
        return hints_of(response)

    # --- the account ------------------------------------------------------------------------
    async def sign_in(self, http: Http, entered: Mapping[str, Any]) -> Mapping[str, Any]:
        return await Sessions(self, http, self.config.plc_url).open(entered)

    def renewable(self, credentials: Mapping[str, Any]) -> bool:
        return bool(credentials.get("refresh_token") or credentials.get("app_password"))

    async def refresh(self, http: Http, credentials: Mapping[str, Any]) -> Mapping[str, Any]:
        return await Sessions(self, http, self.config.plc_url).renew(credentials)

    async def revoke(self, http: Http) -> None:
        if isinstance(http.auth, Session):
            await Sessions(self, http, self.config.plc_url).end(http.auth)

    async def validate(self, http: Http) -> Account:
        response = await http.get("/xrpc/com.atproto.server.getSession")
        if not response.ok:
            raise self.error(response)
        found = response.json_object()
        if not is_id(found.get("did")) or not is_id(found.get("handle")):
            raise self.unreadable(response)
        if found.get("active") is False:
            status = str(found.get("status") or "not active")
            detail = f"Bluesky says that this account is {status}. Sign in there to see why."
            raise ServiceError(C.PERMISSION, response.redact(detail), http_status=response.status)
        shown = await self._profile(http, found["did"])
        return Account(
            external_id=found["did"],
            username=found["handle"],
            display_name=str(shown.get("displayName") or ""),
            avatar_url=str(shown.get("avatar") or ""),
            instance_url=http.base_url,
        )

    async def _profile(self, http: Http, did: str) -> dict[str, Any]:
        """Return how the account is shown; an account does without when nobody tells."""
        url = f"{self.config.appview_url}/xrpc/app.bsky.actor.getProfile"
        try:
            return (await http.get(url, params={"actor": did}, auth=None)).json_object()
        except ServiceError:
            return {}

    # --- afterwards -----------------------------------------------------------------------------
    async def delete(self, http: Http, remote_id: str) -> None:
        repo, collection, rkey = place_of(remote_id)
        body = {"repo": repo, "collection": collection, "rkey": rkey}
        response = await http.post("/xrpc/com.atproto.repo.deleteRecord", json=body)
        if not response.ok:
            raise self.error(response)

    async def metrics(self, http: Http, remote_ids: Sequence[str]) -> list[PostMetrics]:
        found: list[PostMetrics] = []
        url = f"{self.config.appview_url}/xrpc/app.bsky.feed.getPosts"
        for start in range(0, len(remote_ids), 25):
            params = [("uris", uri) for uri in remote_ids[start : start + 25]]
            response = await http.get(url, params=params, auth=None)
            if not response.ok:
                raise self.error(response)
            listed = metrics_in(response.json_object())
            if listed is None:
                raise self.unreadable(response)
            found += listed
        return found

    # --- what people see ------------------------------------------------------------------------
    def account_address(self, account: Account) -> str:
        return f"https://bsky.app/profile/{account.username or account.external_id}"

    def remote_id_in(self, address: str, account: Account) -> str:
        found = POST_ADDRESS.fullmatch(address.strip())
        if found is None or found["who"].lower() not in {account.external_id, account.username}:
            return ""
        return f"at://{account.external_id}/{POSTS}/{found['rkey']}"

    # --- errors -----------------------------------------------------------------------------
    def provider_code(self, response: Response) -> str:
        return error_name(response)

    def retry_after(self, response: Response) -> timedelta | None:
        """Without Retry-After a refusal lasts until the allowance is refilled."""
        hints = hints_of(response)
        if response.retry_after is not None or response.status != 429 or not hints:
            return response.retry_after
        return response.wait_until(hints[0].resets_at) if hints[0].resets_at else None

    def explain(self, response: Response) -> str:
        return reason_of(response)
