"""What an account at DeviantArt is asked beside its posts: who it is, its tokens, its counters.

Sources: as in `platforms.adapters.deviantart`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.http import Bearer, Http, Response
from platforms.adapters.base import Account, PostMetrics, is_id
from platforms.adapters.deviantart_finding import DeviantArtLists
from platforms.adapters.deviantart_reading import counters_of
from platforms.adapters.oauth import refreshed


class DeviantArtAccount(DeviantArtLists):
    """The part of the adapter that is about the account."""

    async def validate(self, http: Http) -> Account:
        response = await http.get("/user/whoami", headers=self._version)
        found = self._success(response)
        if not is_id(found.get("userid")) or not is_id(found.get("username")):
            raise self.unreadable(response)
        return Account(
            external_id=found["userid"],
            username=found["username"],
            display_name=found["username"],
            avatar_url=str(found.get("usericon") or ""),
        )

    async def refresh(self, http: Http, credentials: Mapping[str, Any]) -> Mapping[str, Any]:
        config = self.config
        client = {"client_id": config.client_id, "client_secret": config.client_secret}

        def is_over(response: Response) -> bool:
            # A dead refresh token is called invalid_request; all else of the request is in order.
            error = response.json_object().get("error")
            dead = {"invalid_grant", "invalid_request"} if config.client_id else {"invalid_grant"}
            return response.status == 400 and isinstance(error, str) and error in dead

        return await refreshed(
            self,
            http,
            f"{config.oauth_base}/token",
            client,
            credentials,
            rotates=True,
            is_over=is_over,
        )

    async def revoke(self, http: Http) -> None:
        token = http.auth.token if isinstance(http.auth, Bearer) else ""
        address = f"{self.config.oauth_base}/revoke"
        self._success(await http.post(address, form={"token": token}, auth=None))

    async def metrics(self, http: Http, remote_ids: Sequence[str]) -> list[PostMetrics]:
        ids = [remote_id for remote_id in remote_ids if "/" not in remote_id]
        found: list[PostMetrics] = []
        for start in range(0, len(ids), 10):
            pairs = [("deviationids[]", one) for one in ids[start : start + 10]]
            response = await http.get(
                "/deviation/metadata", params=[*pairs, ("ext_stats", "1")], headers=self._version
            )
            works = self._success(response).get("metadata")
            if not isinstance(works, list):
                raise self.unreadable(response)
            found += [
                PostMetrics(work["deviationid"], counters_of(work))
                for work in works
                if isinstance(work, dict) and is_id(work.get("deviationid"))
            ]
        return found
