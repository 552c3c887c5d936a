"""The one door to the networks: whatever kind of call it is, the gate learns how it went."""

from __future__ import annotations

from collections.abc import Callable

from engine.clock import DatabaseClock
from engine.errors import ErrorCategory, ServiceError
from engine.gate import Gate
from engine.http import Http
from platforms.passages import owner_of
from scheduling.accounts import ConnectedAccount


class Calling:
    """One call: a context that gives its Http and teaches the gate what came of it.

    `share` is called when other processes should hear of it at once.
    """

    __slots__ = ("_account", "_clock", "_gate", "_http", "_passage", "_share")

    def __init__(
        self,
        gate: Gate,
        clock: DatabaseClock,
        account: ConnectedAccount,
        operation: str,
        http: Http,
        share: Callable[[], None],
    ) -> None:
        self._gate, self._clock, self._account = gate, clock, account
        self._passage, self._http, self._share = account.passages[operation], http, share

    def __enter__(self) -> Http:
        return self._http

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self._note_hints()
        if isinstance(error, ServiceError):
            changed = self._learn(error)
        elif error is None:
            changed = self._gate.succeeded(self._passage, self._clock.now())
        else:
            return
        if changed:
            self._share()

    def _note_hints(self) -> None:
        account = self._account
        for hint in self._http.hints:
            owner = owner_of(hint.scope, account.adapter, account.connection.pk, account.base_url)
            self._gate.note(
                (hint.scope, owner, hint.bucket),
                platform=account.adapter.slug,
                limit=hint.limit,
                remaining=hint.remaining,
                resets_at=hint.resets_at,
            )

    def _learn(self, error: ServiceError) -> bool:
        """Tell the gate of a failure, by its HTTP class; returns whether others should hear."""
        gate, passage, now = self._gate, self._passage, self._clock.now()
        if error.category in {ErrorCategory.RATE_LIMIT, ErrorCategory.QUOTA_EXCEEDED}:
            gate.refused(
                (passage.shared or passage.own) if error.app_wide else passage.own,
                platform=passage.platform,
                now=now,
                retry_after=error.retry_after,
                reason=error.detail,
                opens=error.category is ErrorCategory.QUOTA_EXCEEDED,
                resets_at=gate.refilled_at(passage, now),
            )
            return True
        if error.http_status >= 500 and passage.shared is not None:
            return gate.failed(
                passage.shared,
                platform=passage.platform,
                connection=str(self._account.connection.pk),
                now=now,
                reason=error.detail,
            )
        if error.http_status:  # a refusal of this one thing: the network itself is well
            return gate.succeeded(passage, now)
        return False
