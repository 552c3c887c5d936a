"""The Page and what is on it already: tokens, addresses, figures, and removing posts.

Sources: as in `platforms.adapters.facebook`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http
from platforms.adapters.base import (
    Account,
    PostMetrics,
    Target,
    is_id,
)
from platforms.adapters.facebook_reading import (
    ADDRESS,
    COUNTERS,
    INSIGHTS,
    account_of,
    counters_of,
    granted,
)
from platforms.adapters.graph import GraphAdapter, proof_of
from platforms.adapters.graph_reading import (
    GONE_CODES,
    page_problem,
)


@dataclass(frozen=True, slots=True)
class FacebookConfig:
    """The Facebook app. `dialog_base` is where people consent, `video_base` takes videos."""

    graph_base: str = "https://graph.facebook.com"
    video_base: str = "https://graph-video.facebook.com"
    upload_base: str = "https://rupload.facebook.com"
    dialog_base: str = "https://www.facebook.com"
    version: str = "v26.0"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)


class FacebookAccount(GraphAdapter):
    """What is asked of a Page outside publishing."""

    config: FacebookConfig

    # --- what people see ----------------------------------------------------------------------
    def account_address(self, account: Account) -> str:
        return f"https://www.facebook.com/{account.external_id}"

    def remote_id_in(self, address: str, account: Account) -> str:
        """Read the id in a post's or video's address; those with "pfbid" tell none."""
        found = ADDRESS.fullmatch(address.strip())
        if found is None:
            return ""
        post = found["post"] or found["story"]
        return found["whole"] or found["video"] or f"{account.external_id}_{post}"

    # --- the account --------------------------------------------------------------------------
    async def sign_in(self, http: Http, entered: Mapping[str, Any]) -> Mapping[str, Any]:
        """Swap a person's token of an hour for one of 60 days: its Pages' tokens do not end."""
        config = self.config
        app = (config.client_id, config.client_secret)
        return await self.long_lived_user(http, self.base_url({}), app, entered)

    async def targets(self, http: Http, credentials: Mapping[str, Any]) -> list[Target]:
        """Return the Pages that the person ticked, each with its own token."""
        if credentials.get("page_id"):
            return await super().targets(http, credentials)
        try:
            told = await self.ask(http, "/me/permissions", {})
            scopes = granted(told.json_object())
        except ServiceError:
            scopes = ()  # what is missing shows when it is needed
        params = {"fields": "id,name,username,access_token,tasks,picture", "limit": "100"}
        try:
            return [
                Target(
                    account_of(page, scopes),
                    {"access_token": str(page.get("access_token") or "")},
                    page_problem(page),
                )
                async for page in self.listed(http, "/me/accounts", params)
            ]
        except ServiceError as error:
            if error.provider_code.partition("/")[0] != "100":
                raise
            return await super().targets(http, credentials)  # a Page's own token has no Pages

    async def validate(self, http: Http) -> Account:
        response = await http.get(
            "/me", params={"fields": "id,name,username,picture", **proof_of(http)}
        )
        if self.provider_code(response).partition("/")[0] == "100":
            detail = (
                "This token is not a Page's. Connect through Facebook and choose a Page, or enter "
                "the Page's own token together with its id."
            )
            raise ServiceError(C.VALIDATION_ERROR, detail, http_status=response.status)
        if not response.ok:
            raise self.error(response)
        found = response.json_object()
        if not is_id(found.get("id")):
            raise self.unreadable(response)
        return account_of(found)

    async def delete(self, http: Http, remote_id: str) -> None:
        await self.remove(http, remote_id)

    async def metrics(self, http: Http, remote_ids: Sequence[str]) -> list[PostMetrics]:
        found = []
        for remote_id in remote_ids:
            values = await self._counters(http, remote_id)
            if values is None:
                continue
            try:
                told = await self.insights(http, f"/{remote_id}/insights", tuple(INSIGHTS))
            except ServiceError as error:
                if error.category is not C.PERMISSION:
                    raise
                told = {}  # without read_insights there are still likes and comments
            values |= {INSIGHTS[name]: value for name, value in told.items() if name in INSIGHTS}
            found.append(PostMetrics(remote_id, values))
        return found

    async def _counters(self, http: Http, remote_id: str) -> dict[str, int] | None:
        """Return what a post counts itself; videos and comments have fewer counters."""
        for fields in (COUNTERS, "comments.limit(0).summary(true),likes.limit(0).summary(true)"):
            params = {"fields": fields, **proof_of(http)}
            response = await http.get(f"/{remote_id}", params=params)
            code = self.provider_code(response)
            if response.ok:
                return counters_of(response.json_object())
            if response.status == 404 or code in GONE_CODES:
                return None
            if code.partition("/")[0] != "100":
                raise self.error(response)
        return {}
