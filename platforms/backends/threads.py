"""Threads: an application of its own; a token of an hour, which the adapter makes last.

The token's answer does not say what was ticked, so the token is asked about itself.
Source: developers.facebook.com/docs/threads/get-started, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import ServiceError
from engine.http import Bearer
from platforms.backends.meta import MetaOAuth2


class ThreadsOAuth2(MetaOAuth2):
    name = "threads"
    platform = "threads"

    def authorization_url(self) -> str:
        return f"{self.config.auth_base}/oauth/authorize"

    def access_token_url(self) -> str:
        return f"{self.config.graph_base}/oauth/access_token"

    def granted_scopes(self, response: Mapping[str, Any]) -> list[str]:
        token = str(response["access_token"])
        url = f"{self.config.graph_base}/{self.config.version}/debug_token"
        try:
            told = self.ask("GET", url, params={"input_token": token}, auth=Bearer(token))
        except ServiceError:
            return []  # what is missing shows when it is needed
        data = told.json_object().get("data")
        scopes = data.get("scopes") if isinstance(data, dict) else None
        return super().granted_scopes({"scope": scopes if isinstance(scopes, list) else ""})
