"""The account on X: who it is, its tokens, and what became of its posts.

Sources: as in `platforms.adapters.x`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Basic, Bearer, Http, Response
from platforms.adapters.base import Account, PostMetrics, is_id
from platforms.adapters.x_client import XClient
from platforms.adapters.x_reading import counters_of, data_of, has_id


class XAccount(XClient):
    """The half of the adapter that needs no draft."""

    async def validate(self, http: Http) -> Account:
        response = await http.get("/2/users/me", params={"user.fields": "profile_image_url"})
        if not response.ok:
            raise self._error(http, response)
        data = data_of(response)
        if not is_id(data.get("id")) or not is_id(data.get("username")):
            raise self.unreadable(response)
        return Account(
            external_id=data["id"],
            username=data["username"],
            display_name=str(data.get("name") or ""),
            avatar_url=str(data.get("profile_image_url") or ""),
        )

    async def refresh(self, http: Http, credentials: Mapping[str, Any]) -> Mapping[str, Any]:
        config = self.config
        form = {
            "grant_type": "refresh_token",
            "refresh_token": str(credentials.get("refresh_token") or ""),
        }
        if not form["refresh_token"]:
            raise ServiceError(
                C.AUTH_ERROR, "There is no refresh token.", provider_code="invalid_grant"
            )
        auth = Basic(config.client_id, config.client_secret) if config.client_secret else None
        if auth is None:
            form["client_id"] = config.client_id
        response = await http.post(config.token_url, form=form, auth=auth, writes=True)
        if not response.ok:
            raise self._refresh_error(response)
        answer = response.json_object()
        if not isinstance(answer.get("access_token"), str) or not answer["access_token"]:
            raise self.unreadable(response, wrote=True)
        life = answer.get("expires_in")
        life = life if isinstance(life, int) and 0 < life < 10**8 else 7200
        ends = response.received_at + timedelta(seconds=life)
        return {
            **credentials,
            "access_token": answer["access_token"],
            "refresh_token": answer.get("refresh_token") or form["refresh_token"],
            "expires_at": ends.isoformat(),
        }

    def _refresh_error(self, response: Response) -> ServiceError:
        """400 means that the refresh token is used up; 401 that the application is not accepted."""
        error = self.error(response)
        if response.status == 400:
            error = ServiceError(
                C.AUTH_ERROR,
                "X no longer accepts the refresh token. Connect the account again.",
                provider_code="invalid_grant",
                http_status=400,
                request_id=response.request_id,
            )
        elif response.status == 401:
            detail = "X refuses the application: check TWITTER_CLIENT_ID and TWITTER_CLIENT_SECRET."
            error = ServiceError(
                C.PERMISSION, detail, http_status=401, provider_code="invalid_client", app_wide=True
            )
        return error

    async def revoke(self, http: Http) -> None:
        if not isinstance(http.auth, Bearer):
            detail = (
                "X cannot revoke an OAuth 1.0a token: remove the app at "
                "x.com/settings/connected_apps."
            )
            raise ServiceError(C.VALIDATION_ERROR, detail)
        config = self.config
        form = {"token": http.auth.token, "client_id": config.client_id}
        auth = Basic(config.client_id, config.client_secret) if config.client_secret else None
        response = await http.post("/2/oauth2/revoke", form=form, auth=auth)
        if not response.ok:
            raise self._error(http, response)

    async def delete(self, http: Http, remote_id: str) -> None:
        response = await http.delete(f"/2/tweets/{remote_id}")
        if not response.ok and response.status != 404:
            raise self._error(http, response)

    async def metrics(self, http: Http, remote_ids: Sequence[str]) -> list[PostMetrics]:
        found: list[PostMetrics] = []
        for start in range(0, len(remote_ids), 100):
            params = {
                "ids": ",".join(remote_ids[start : start + 100]),
                self.config.post_fields_param: "public_metrics",
            }
            response = await http.get("/2/tweets", params=params)
            if not response.ok:
                raise self._error(http, response)
            posts = response.json_object().get("data", [])
            if not isinstance(posts, list):
                raise self.unreadable(response)
            found += [PostMetrics(post["id"], counters_of(post)) for post in posts if has_id(post)]
        return found
