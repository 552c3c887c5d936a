"""Connected accounts as the publisher loop holds them: decrypted once, dropped when they change."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from engine.errors import ServiceError
from platforms.adapters.base import Account, Adapter
from platforms.credentials import CredentialError
from platforms.models import SocialConnection
from platforms.passages import Passages
from platforms.registry import adapter_for
from scheduling.drafts import account_of


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    """One connection, ready for calls. `problem` says why its credentials cannot be used."""

    connection: SocialConnection
    adapter: Adapter
    credentials: Mapping[str, Any] = field(repr=False)
    workspace_late_limit: int | None
    account: Account  # as drafts carry it
    passages: Passages = field(repr=False)
    base_url: str = ""
    auth: Any = field(default=None, repr=False)
    problem: str = ""

    @property
    def state(self) -> str:
        """Return the connection's state."""
        return self.connection.state

    @property
    def expires_at(self) -> datetime | None:
        """Return when the access token runs out, if it does."""
        return self.connection.expires_at

    @property
    def is_renewable(self) -> bool:
        """Say whether a fresh token can be had without the account's owner."""
        return self.adapter.renewable(self.credentials)


class AccountCache:
    """Keeps the accounts in use; every `load` asks for the versions, so nothing here is stale.

    The loop calls `get` for any post it holds, also while a load runs on a database thread: a known
    account is replaced, never missing. Only those that were not loaded for longest are let go.
    """

    MOST = 5000  # far more than the accounts of all posts that one slot holds

    def __init__(self) -> None:
        self._known: OrderedDict[uuid.UUID, ConnectedAccount] = OrderedDict()

    def get(self, connection_id: uuid.UUID) -> ConnectedAccount:
        """Return a loaded account."""
        return self._known[connection_id]

    def load(self, connection_ids: Iterable[uuid.UUID]) -> None:
        """Read what is new or has changed (at most two queries); runs on a database thread."""
        wanted = set(connection_ids)
        if not wanted:
            return
        versions = SocialConnection.objects.filter(pk__in=wanted).values_list(
            "pk", "version", "state", "workspace__late_limit_minutes"
        )
        stale = [pk for pk, *version in versions if self._version(pk) != version]
        if stale:
            rows = SocialConnection.objects.filter(pk__in=stale).select_related("workspace")
            for connection in rows:
                self._known[connection.pk] = _opened(connection)
        for pk in wanted & self._known.keys():
            self._known.move_to_end(pk)
        while len(self._known) > max(self.MOST, len(wanted)):
            self._known.popitem(last=False)

    def _version(self, pk: uuid.UUID) -> list[Any] | None:
        known = self._known.get(pk)
        if known is None:
            return None
        return [known.connection.version, known.state, known.workspace_late_limit]


def _opened(connection: SocialConnection) -> ConnectedAccount:
    adapter = adapter_for(connection.platform)
    unopened = ConnectedAccount(
        connection=connection,
        adapter=adapter,
        credentials={},
        workspace_late_limit=connection.workspace.late_limit_minutes,
        account=account_of(connection),
        passages=Passages(adapter, connection.pk, connection.instance_url),
    )
    try:
        credentials = connection.get_credentials()
        base_url = adapter.base_url(credentials)
        return replace(
            unopened,
            credentials=credentials,
            base_url=base_url,
            auth=adapter.authorize(credentials),
            passages=Passages(adapter, connection.pk, base_url),
        )
    except CredentialError as error:
        return replace(unopened, problem=str(error))
    except (ServiceError, KeyError, TypeError, ValueError):
        return replace(
            unopened,
            problem=f"The stored credentials of {connection} are incomplete: connect it again.",
        )
