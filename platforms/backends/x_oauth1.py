"""X, OAuth 1.0a: three legs, tokens that never end; no scopes, the application's own rights count.

The request token is what the network sends back, so it is the consent's state: used once, by the
user who asked for it. Its secret lies encrypted in the consent's row meanwhile.
Source: docs.x.com/fundamentals/authentication/oauth-1-0a, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from django.http import HttpResponse
from social_core.backends.oauth import BaseOAuth1
from social_core.exceptions import (
    AuthCanceled,
    AuthCredentialError,
    AuthResponseError,
    AuthSessionError,
)

from engine.http import OAuth1
from platforms import consents
from platforms.backends.base import ConnectBackend


class XOAuth1(ConnectBackend, BaseOAuth1[HttpResponse]):
    name = "x-oauth1"
    platform = "x"
    way = "with OAuth 1.0a"
    client_fields = ("consumer_key", "consumer_secret")
    asks_scopes = False

    @classmethod
    def required_scopes(cls) -> frozenset[str]:
        return frozenset()

    def authorization_url(self) -> str:
        return f"{self.config.api_base}/oauth/authorize"

    def set_unauthorized_token(self) -> Any:
        """Fetch a request token and let its return be the consent's answer."""
        signer = OAuth1(*self.get_key_and_secret(), callback=self.redirect_address())
        token = self._token("request_token", signer, "begin")
        consents.rebind(self.consent, token["oauth_token"])
        consents.remember(self.consent, request_token=token)
        return token

    def oauth_authorization_request(self, token: Mapping[str, str]) -> str:
        return f"{self.authorization_url()}?oauth_token={token['oauth_token']}"

    def auth_complete(self, *args: Any, **kwargs: Any) -> Any:
        """Use the request token up, then swap it; social-auth's own way binds it to nobody."""
        denied = self.data.get("denied")
        self.validate_association_state(denied or self.data.get("oauth_token"), kwargs.get("user"))
        if denied:
            raise AuthCanceled(self, code="authorization_declined", stage="callback")
        token = consents.opened(self.consent).get("request_token")
        if not token:
            raise AuthSessionError(self, code="session_context_missing", stage="callback")
        self._bind_association_user(kwargs)
        signer = OAuth1(
            *self.get_key_and_secret(),
            token["oauth_token"],
            token["oauth_token_secret"],
            verifier=self.data.get("oauth_verifier", ""),
        )
        kwargs["response"] = self._token("access_token", signer, "token_exchange")
        return self.strategy.authenticate(self, *args, **kwargs)

    def _token(self, endpoint: str, signer: OAuth1, stage: Any) -> dict[str, str]:
        """Return the token that one of the legs gives."""
        response = self.ask("POST", f"{self.config.api_base}/oauth/{endpoint}", auth=signer)
        if response.status in {400, 401}:
            ours = stage == "begin"  # nothing but the application's own keys were sent
            raise AuthCredentialError(
                self,
                code="invalid_setting" if ours else "authorization_code_rejected",
                stage=stage,
                status_code=response.status,
            )
        if not response.ok:
            raise self.refusal(response, stage)
        token = dict(parse_qsl(response.body.decode("utf-8", "replace")))
        if not token.get("oauth_token") or not token.get("oauth_token_secret"):
            raise AuthResponseError(self, code="malformed_response", stage=stage)
        return token

    def credentials(self, response: Mapping[str, Any]) -> dict[str, Any]:
        return {name: str(response[name]) for name in ("oauth_token", "oauth_token_secret")}
