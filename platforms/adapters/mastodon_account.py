"""The account on a Mastodon server: who it is, the server's limits, what became of its statuses.

Sources: as in `platforms.adapters.mastodon`.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from engine.http import Http
from platforms.adapters.base import Account, Adapter, PostMetrics, is_id
from platforms.adapters.mastodon_reading import counters_of, limits_of


class MastodonAccount(Adapter):
    """The half of the adapter that needs no draft."""

    async def validate(self, http: Http) -> Account:
        response = await http.get("/api/v1/accounts/verify_credentials")
        if not response.ok:
            raise self.error(response)
        found = response.json_object()
        if not is_id(found.get("id")) or not is_id(found.get("username")):
            raise self.unreadable(response)
        instance = await http.get("/api/v2/instance")  # 404 before Mastodon 4.0 and elsewhere
        return Account(
            external_id=f"{urlsplit(http.base_url).netloc}:{found['id']}",
            username=found["username"],
            display_name=str(found.get("display_name") or ""),
            avatar_url=str(found.get("avatar") or ""),
            instance_url=http.base_url,
            limits=limits_of(instance.json_object()) if instance.ok else {},
        )

    async def delete(self, http: Http, remote_id: str) -> None:
        response = await http.delete(f"/api/v1/statuses/{remote_id}")
        if not response.ok and response.status != 404:
            raise self.error(response)

    async def metrics(self, http: Http, remote_ids: Sequence[str]) -> list[PostMetrics]:
        found: list[PostMetrics] = []
        for remote_id in remote_ids:  # reading many at once needs Mastodon 4.3
            response = await http.get(f"/api/v1/statuses/{remote_id}")
            if response.status == 404:
                continue
            if not response.ok:
                raise self.error(response)
            found.append(PostMetrics(remote_id, counters_of(response.json_object())))
        return found
