"""X, OAuth 2.0: PKCE is compulsory, the client proves itself with HTTP Basic, codes live for 30 s.

Source: docs.x.com/fundamentals/authentication/oauth-2-0, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.http import Basic
from platforms.backends.base import OAuth2


class XOAuth2(OAuth2):
    name = "x"
    platform = "x"
    way = "with OAuth 2.0"
    secret_is_optional = True  # public clients have none
    ends_tokens = True  # both: a refresh token outlives its access token

    def authorization_url(self) -> str:
        return str(self.config.authorize_url)

    def access_token_url(self) -> str:
        return str(self.config.token_url)

    def use_basic_auth(self) -> bool:
        return bool(self.config.client_secret)

    @classmethod
    def end(cls, credentials: Mapping[str, Any]) -> None:
        config = cls.adapter().config
        auth = Basic(config.client_id, config.client_secret) if config.client_secret else None
        for name in ("refresh_token", "access_token"):
            form = {"token": str(credentials.get(name) or ""), "client_id": config.client_id}
            if form["token"]:
                url = f"{config.api_base}/2/oauth2/revoke"
                response = cls.ask("POST", url, form=form, auth=auth)
                if not response.ok:
                    raise cls.adapter().error(response)
