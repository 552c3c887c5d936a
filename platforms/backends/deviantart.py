"""DeviantArt: new applications use OAuth 2.1, so PKCE with S256 and an exact redirect address.

Source: deviantart.readme.io/docs/authentication, read 2026-11.
"""

from __future__ import annotations

from platforms.backends.base import OAuth2


class DeviantArtOAuth2(OAuth2):
    name = "deviantart"
    platform = "deviantart"

    def authorization_url(self) -> str:
        return f"{self.config.oauth_base}/authorize"

    def access_token_url(self) -> str:
        return f"{self.config.oauth_base}/token"
