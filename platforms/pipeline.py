"""social-auth's pipeline, ours: a token response becomes credentials, then accounts, then rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from accounts.access import Caller, UnknownWorkspace, resolve
from accounts.models import Role, User
from platforms.adapters.base import Target
from platforms.backends.base import ConnectBackend
from platforms.connecting import Outcome, settle
from platforms.consents import ConsentRefused
from platforms.verification import list_targets


def check_right(backend: ConnectBackend, user: User, **_: Any) -> None:
    """Refuse the tokens of somebody who lost the right to connect accounts while they were away."""
    workspace = backend.consent.workspace
    caller = Caller(actor=f"user:{user.get_username()}", user=user, is_browser=True)
    try:
        if resolve(caller, named=str(workspace.pk)).may(Role.EDITOR):
            return
    except UnknownWorkspace:
        pass
    raise ConsentRefused(
        f"You may no longer connect accounts in {workspace.name}. Ask one of its owners."
    )


def read_tokens(
    backend: ConnectBackend, response: Mapping[str, Any], **_: Any
) -> dict[str, Mapping[str, Any]]:
    """Turn the network's own words into credentials as the adapter documents them."""
    return {"credentials": backend.credentials(response)}


def ask_for_accounts(
    backend: ConnectBackend, credentials: Mapping[str, Any], **_: Any
) -> dict[str, Sequence[Target]]:
    """Swap short-lived tokens for lasting ones and list what they may publish to."""
    return {"targets": list_targets(backend.platform, credentials)}


def keep_accounts(
    backend: ConnectBackend, response: Mapping[str, Any], targets: Sequence[Target], **_: Any
) -> Outcome:
    """Keep the account, or offer several; this ends the pipeline."""
    return settle(
        backend.consent,
        targets,
        granted=backend.granted_scopes(response),
        required=backend.required_scopes(),
    )
