"""Instagram Login: no Facebook Page needed; a token of an hour, which the adapter makes last.

Source: developers.facebook.com, Instagram API with Instagram Login, Business Login, read 2026-11.
"""

from __future__ import annotations

from platforms.backends.meta import MetaOAuth2


class InstagramOAuth2(MetaOAuth2):
    name = "instagram"
    platform = "instagram"
    way = "with Instagram"

    def authorization_url(self) -> str:
        return str(self.config.authorize_url)

    def access_token_url(self) -> str:
        return f"{self.config.oauth_base}/oauth/access_token"
