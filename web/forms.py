"""Forms that follow from the adapters: what a network asks for is what people are asked for."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from accounts.models import User
from engine.http import SECRET_FIELD
from platforms.adapters.base import Adapter

WORDS = {"pds": "PDS", "url": "address", "id": "id"}
MACHINES = frozenset({"expires_at", "refresh_expires_at"})  # nobody types these


class CredentialsForm(forms.Form):
    """One field per key that the adapter documents; secrets are never shown again."""

    def __init__(self, adapter: Adapter, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for key, label, meaning in asked_for(adapter):
            name = key.rstrip("?")
            self.fields[name] = forms.CharField(
                label=label,
                help_text=meaning,
                required=not key.endswith("?"),
                max_length=5000,
                widget=_widget(name),
            )

    def entered(self) -> dict[str, str]:
        """Return what was filled in."""
        return {name: value for name, value in self.cleaned_data.items() if value}

    def last_secret(self) -> str | None:
        """Return the field that a refusal by the network most likely is about."""
        secret = [name for name in self.fields if SECRET_FIELD.search(name)]
        return secret[-1] if secret else None


def suggested_server() -> str:
    """Return the server that this installation suggests."""
    return str(settings.MASTODON_SERVER)


class ServerForm(forms.Form):
    """Which server of a network that has many."""

    server = forms.CharField(
        max_length=200,
        initial=suggested_server,
        help_text="Where your account is, for example mastodon.social. Your whole handle will do.",
        widget=forms.TextInput(
            attrs={
                "autocapitalize": "none",
                "autocomplete": "url",
                "spellcheck": "false",
                "placeholder": "mastodon.social",
            }
        ),
    )


def asked_for(adapter: Adapter) -> list[tuple[str, str, str]]:
    """Return key, label and meaning of what people enter for a network."""
    return [
        (key, _label(key.rstrip("?")), meaning)
        for key, meaning in adapter.credential_keys.items()
        if key.rstrip("?") not in MACHINES
    ]


def _label(name: str) -> str:
    words = [WORDS.get(word, word) for word in name.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def _widget(name: str) -> forms.Widget:
    quiet = {"autocapitalize": "none", "spellcheck": "false"}
    if SECRET_FIELD.search(name):
        # "new-password": browsers must not offer, or keep, the password of this site here.
        return forms.PasswordInput(attrs={**quiet, "autocomplete": "new-password"})
    return forms.TextInput(attrs={**quiet, "autocomplete": "off"})


class CodeForm(forms.Form):
    """Six digits of the authenticator app, or a recovery code."""

    code = forms.CharField(
        max_length=20,
        help_text="The six digits your authenticator app shows, or one of your recovery codes.",
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}
        ),
    )


class PasswordForm(forms.Form):
    """The present password, asked for again before the login is weakened."""

    password = forms.CharField(
        max_length=4096,
        strip=False,
        label="Your password",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user

    def clean_password(self) -> str:
        """Compare it."""
        password: str = self.cleaned_data["password"]
        if not self._user.check_password(password):
            raise forms.ValidationError("That is not your password.")
        return password
