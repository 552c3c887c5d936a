"""From tokens to connected accounts: the same path for consents at a network and for forms.

One account is kept at once; of several, people choose. A consent that repairs a connection keeps
just that account, if the network names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from engine.errors import ErrorCategory, ServiceError
from platforms import consents
from platforms.adapters.base import Target
from platforms.consents import Choice
from platforms.models import Consent, SocialConnection
from platforms.registry import adapter_for
from platforms.services import connect


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a consent: accounts that are connected now, or a choice that is still open.

    `missed` is the connection that was to be repaired when other accounts came back instead.
    """

    connected: tuple[SocialConnection, ...] = ()
    to_choose: Consent | None = None
    missed: SocialConnection | None = None


def settle(
    consent: Consent,
    targets: Sequence[Target],
    *,
    granted: Collection[str] = (),
    required: Collection[str] = (),
) -> Outcome:
    """Keep the account that the consent is for, or offer several to choose from.

    `granted` are the scopes that the network says it gave (none: it does not say). Raises
    ServiceError when there is nothing that could be published to.
    """
    choices = [_judged(target, granted, required) for target in targets]
    wanted = consent.connection
    if wanted is not None:
        same = [c for c in choices if c.target.account.external_id == wanted.external_id]
        choices, wanted = (same, None) if same else (choices, wanted)
    if not choices:
        raise ServiceError(
            ErrorCategory.PERMISSION,
            f"{adapter_for(consent.platform).name} lists no account that may be published to. "
            "Look there whether yours may, or sign in as somebody else.",
        )
    if len(choices) > 1:
        consents.offer(consent, choices)
        return Outcome(to_choose=consent, missed=wanted)
    if problem := choices[0].target.problem:
        raise ServiceError(ErrorCategory.PERMISSION, problem)
    return Outcome(connected=keep(consent, choices), missed=wanted)


def keep(consent: Consent, choices: Iterable[Choice]) -> tuple[SocialConnection, ...]:
    """Connect these accounts and forget the consent's secrets."""
    connected = tuple(
        connect(
            consent.workspace,
            consent.platform,
            choice.target.credentials,
            choice.target.account,
            consent.user,
            actor=f"user:{consent.user.get_username()}",
            missing=choice.missing,
            backend=consent.backend,
        )
        for choice in choices
    )
    consents.close(consent)
    return connected


def _judged(target: Target, granted: Collection[str], required: Collection[str]) -> Choice:
    """Return a target with its scopes: the network's own list per account, else the consent's."""
    scopes = target.account.scopes or tuple(granted)
    missing = [name for name in required if scopes and not _covers(scopes, name)]
    return Choice(
        replace(target, account=replace(target.account, scopes=scopes)), tuple(sorted(missing))
    )


def _covers(scopes: Collection[str], needed: str) -> bool:
    """Say whether a scope was given, by its name or, as at Mastodon, "write" for "write:media"."""
    return needed in scopes or needed.partition(":")[0] in scopes
