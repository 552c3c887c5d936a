"""TikTok: the client's id goes by another name, scopes are separated by commas, no PKCE on the web.

Without `disable_auto_auth` people who agreed once are sent straight back, and could neither tick
more nor take another account.
Source: developers.tiktok.com/doc/login-kit-web, oauth-user-access-token-management, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from platforms.backends.base import OAuth2


class TikTokOAuth2(OAuth2):
    name = "tiktok"
    platform = "tiktok"
    DEFAULT_USE_PKCE = False
    SCOPE_SEPARATOR = ","
    extra_arguments: ClassVar[Mapping[str, str]] = {"disable_auto_auth": "1"}

    def authorization_url(self) -> str:
        return f"{self.config.auth_base}/{self.config.api_version}/auth/authorize/"

    def access_token_url(self) -> str:
        return f"{self.config.api_base}/{self.config.api_version}/oauth/token/"

    def auth_params(self, state: str | None = None) -> dict[str, str]:
        return _renamed(super().auth_params(state))  # type: ignore[no-untyped-call]

    def auth_complete_params(self, state: str | None = None) -> dict[str, str]:
        return _renamed(super().auth_complete_params(state))


def _renamed(params: Mapping[str, str]) -> dict[str, str]:
    return {"client_key" if name == "client_id" else name: v for name, v in params.items()}
