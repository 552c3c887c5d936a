"""How every network is asked for consent: social-auth's flow for a user who is logged in here.

The backends do two things: send people to the network, and turn the code they come back with into
tokens. Whatever is secret in between lies encrypted in the consent's row (`platforms.consents`),
never in the session or in social-auth's tables; what comes after is `platforms.pipeline`. No
network ever logs anybody in: the backends are not among AUTHENTICATION_BACKENDS.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpResponse
from social_core.backends.base import BaseAuth
from social_core.backends.oauth import BaseOAuth2PKCE
from social_core.exceptions import (
    AuthCredentialError,
    AuthInputError,
    AuthProviderError,
    AuthSessionError,
    SocialAuthBaseException,
)
from social_django.strategy import DjangoStrategy

from accounts.models import User
from engine import wall_clock
from engine.http import Auth, Basic, Response
from platforms import consents
from platforms.adapters.base import Adapter
from platforms.connecting import Outcome
from platforms.models import Consent
from platforms.registry import adapter_for
from platforms.verification import OpenDoor, converse

COMPLETE_PATH = "/oauth/complete/{name}/"
LONGEST_LIFE_SECONDS = 20 * 365 * 86_400


class Strategy(DjangoStrategy):
    """Runs the pipeline of the backend that asks, without Django's login machinery."""

    def authenticate(self, backend: BaseAuth[Any], **kwargs: Any) -> Any:
        """Return what the pipeline returns."""
        kwargs |= {"strategy": self, "storage": self.storage, "backend": backend}
        return backend.authenticate(**kwargs)

    def clean_authenticate_args(
        self, *args: Any, **kwargs: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments as they are; Django's login would have put a request first."""
        return args, kwargs


class ConnectBackend(BaseAuth[HttpResponse]):
    """What all backends share: whose consent it is, and the settings it is asked with."""

    ASSOCIATION_ONLY = True
    REDIRECT_STATE = False  # networks compare the redirect address to the letter
    platform: ClassVar[str]
    way: ClassVar[str] = ""  # how it differs from the platform's other backends, for people
    client_fields: ClassVar[Sequence[str]] = ("client_id", "client_secret")  # in its config
    secret_is_optional: ClassVar[bool] = False
    extra_arguments: ClassVar[Mapping[str, str]] = {}  # of the authorization request
    asks_scopes: ClassVar[bool] = True
    ends_tokens: ClassVar[bool] = False  # `end` does what the adapter cannot do by itself
    consent: Consent
    state: str

    # --- settings -------------------------------------------------------------------------------
    @classmethod
    def adapter(cls) -> Adapter:
        """Return the adapter that the tokens are for."""
        return adapter_for(cls.platform)

    @property
    def config(self) -> Any:
        """Return the network's addresses and our application there."""
        return self.adapter().config

    @classmethod
    def redirect_address(cls) -> str:
        """Return where the network sends people back to; registered there to the letter."""
        own: str = settings.OAUTH_REDIRECT_URIS.get(cls.name, "")
        return own or settings.PUBLIC_URL + COMPLETE_PATH.format(name=cls.name)

    @classmethod
    def scopes_variable(cls) -> str:
        """Return the variable that replaces the scopes we ask for."""
        return f"{cls.name.upper().replace('-', '_')}_SCOPES"

    @classmethod
    def scopes(cls) -> list[str]:
        """Return the scopes we ask for."""
        if not cls.asks_scopes:
            return []
        name = cls.name.upper().replace("-", "_")
        return list(getattr(settings, f"SOCIAL_AUTH_{name}_SCOPE"))

    @classmethod
    def required_scopes(cls) -> Collection[str]:
        """Return the scopes without which no post goes out."""
        return cls.adapter().required_scopes

    @classmethod
    def variables(cls) -> list[str]:
        """Return the variables that hold our application's id and secret."""
        return [cls.adapter().config_variables[name] for name in cls.client_fields]

    @classmethod
    def unset_variables(cls) -> list[str]:
        """Return the variables without which people cannot be sent to this network."""
        config = cls.adapter().config
        needed = cls.client_fields[:1] if cls.secret_is_optional else cls.client_fields
        named = zip(cls.client_fields, cls.variables(), strict=True)
        return [
            variable for name, variable in named if name in needed and not getattr(config, name)
        ]

    @classmethod
    def is_half_configured(cls) -> bool:
        """Say whether somebody began to configure it and something is still missing."""
        given = [name for name in cls.client_fields if getattr(cls.adapter().config, name)]
        return bool(given) and bool(cls.unset_variables())

    def get_key_and_secret(self) -> tuple[str, str]:
        key, secret = (str(getattr(self.config, name)) for name in self.client_fields)
        return key, secret

    def get_scope(self) -> list[str]:
        return self.scopes()

    def auth_extra_arguments(self) -> dict[str, str]:
        return dict(self.extra_arguments)

    # --- whose consent it is --------------------------------------------------------------------
    def begin(self, consent: Consent, state: str) -> HttpResponse:
        """Send the consent's user to the network."""
        self.consent, self.state = consent, state
        return self.start()

    def answered(self, user: User) -> Outcome:
        """Take the network's answer to this request; raises what the pipeline's steps raise."""
        outcome: object = self.complete(user=user)
        if not isinstance(outcome, Outcome):
            raise AuthSessionError(self, code="unknown_error", stage="pipeline")
        return outcome

    def get_association_state(self) -> str:
        """Return the state of the consent that is being asked for."""
        return self.state

    def validate_association_state(self, request_state: Any, user: Any = None) -> str:
        """Use the state up, if it is this user's; raises ConsentRefused."""
        if not isinstance(request_state, str) or not request_state:
            raise AuthInputError(
                self, parameter="state", code="missing_parameter", stage="callback"
            )
        if not isinstance(user, User):
            raise AuthSessionError(self, code="session_context_missing", stage="callback")
        self.consent = consents.claim(self.name, request_state, user)
        return request_state

    # --- what it brought ------------------------------------------------------------------------
    def credentials(self, response: Mapping[str, Any]) -> dict[str, Any]:
        """Return the token response as our credentials, with instants instead of lifetimes.

        Also what else the adapter documents among its keys.
        """
        now = wall_clock.instant()
        documented = [name.rstrip("?") for name in self.adapter().credential_keys]
        found = {name: response[name] for name in documented if _is_scalar(response.get(name))}
        found = {name: str(value) for name, value in found.items()}
        for name in ("access_token", "refresh_token"):
            if response.get(name):
                found[name] = str(response[name])
        ends = _end(now, response, "expires_in")
        refresh_ends = _end(now, response, "refresh_expires_in", "refresh_token_expires_in")
        for name, instant in (("expires_at", ends), ("refresh_expires_at", refresh_ends)):
            found.pop(name, None)
            if instant is not None:
                found[name] = instant.isoformat()
        return found

    def granted_scopes(self, response: Mapping[str, Any]) -> list[str]:
        """Return the scopes that the network says it gave; empty when it does not say."""
        given = response.get("scope") or response.get("permissions") or ""
        if isinstance(given, list):
            given = " ".join(map(str, given))
        # TikTok and LinkedIn answer with commas, also where the request had spaces.
        return sorted(set(str(given).replace(",", " ").split()))

    @classmethod
    def end(cls, credentials: Mapping[str, Any]) -> None:
        """Ask the network to end these credentials (only where `ends_tokens`)."""
        raise NotImplementedError

    # --- the network's own endpoints ------------------------------------------------------------
    @classmethod
    def ask(
        cls,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        auth: Auth | None = None,
    ) -> Response:
        """Return the answer to one request; raises ServiceError when there is none.

        Our own client asks, not social-auth's: it follows no redirect with a secret, reads no more
        than it should, and guards addresses that users name.
        """
        parts = urlsplit(url)
        accept = {"Accept": "application/json"}

        async def talk(open_door: OpenDoor) -> Response:
            http = open_door(base_url=f"{parts.scheme}://{parts.netloc}")
            return await http.request(
                method, url, form=form, params=params, auth=auth, headers=accept
            )

        adapter = cls.adapter()
        return converse(adapter.name, talk, user_given_host=adapter.user_given_host())

    def refusal(self, response: Response, stage: Any) -> AuthProviderError:
        """Return what an answer means that is no success and does not say more itself."""
        code = "unavailable" if response.status >= 500 else "http_error"
        return AuthProviderError(
            self,
            code="rate_limited" if response.status == 429 else code,
            stage=stage,
            status_code=response.status,
            retry_after=response.headers.get("retry-after"),
        )


class OAuth2(ConnectBackend, BaseOAuth2PKCE[HttpResponse]):
    """OAuth 2.0 with an authorization code; PKCE S256 unless a network has none."""

    PKCE_DEFAULT_CODE_VERIFIER_LENGTH = 64

    def create_code_verifier(self, state: str | None = None) -> str:
        verifier: str = self.strategy.random_string(self.PKCE_DEFAULT_CODE_VERIFIER_LENGTH)
        consents.remember(self.consent, code_verifier=verifier)
        return verifier

    def get_code_verifier(self, state: str | None = None) -> str:
        verifier = consents.opened(self.consent).get("code_verifier")
        if not verifier:
            raise AuthSessionError(self, code="session_context_missing", stage="callback")
        return str(verifier)

    def auth_complete_params(self, state: str | None = None) -> dict[str, str]:
        params: dict[str, str] = super().auth_complete_params(state)  # type: ignore[no-untyped-call]
        if not params.get("client_secret"):  # a public client has none
            params.pop("client_secret", None)
        return params

    def get_provider_error(
        self,
        data: object,
        *,
        stage: Any = "callback",
        status_code: int | None = None,
        retry_after: str | None = None,
    ) -> SocialAuthBaseException | None:
        """Take a code that is over for what it is: some networks call it an invalid request."""
        error = super().get_provider_error(
            data, stage=stage, status_code=status_code, retry_after=retry_after
        )
        if error is None or stage != "token_exchange" or error.provider_code != "invalid_request":
            return error
        return AuthCredentialError(
            self,
            code="authorization_code_rejected",
            stage=stage,
            provider_code=error.provider_code,
            status_code=status_code,
        )

    def request_access_token(
        self,
        url: str,
        method: str = "POST",
        headers: Mapping[str, Any] | None = None,
        data: Mapping[str, str] | None = None,
        json: Any = None,
        auth: Any = None,
        params: Mapping[str, str] | None = None,
        *,
        stage: Any = "token_exchange",
    ) -> dict[str, Any]:
        """Return the token response; raises what `get_provider_error` makes of a refusal."""
        basic = Basic(*auth) if auth else None
        response = self.ask(method, url, form=data, params=params, auth=basic)
        body = response.json_object()
        error = self.get_provider_error(
            body,
            stage=stage,
            status_code=response.status,
            retry_after=response.headers.get("retry-after"),
        )
        if error is not None:
            raise error
        if not response.ok:
            raise self.refusal(response, stage)
        return body


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _end(now: datetime, response: Mapping[str, Any], *names: str) -> datetime | None:
    """Return when something ends whose lifetime stands under one of these names, in seconds."""
    for name in names:
        value = response.get(name)
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, int) and 0 < value < LONGEST_LIFE_SECONDS:
            return now + timedelta(seconds=value)
    return None
