"""The preflight's calls: read-only, through the gate, never more than some at once.

`Calls.ask` is the one place where the preflight asks the gate.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections

from engine.clock import DatabaseClock
from engine.errors import ErrorCategory, ServiceError
from engine.gate import Gate, Hold
from engine.http import HttpPool
from media.models import Asset
from platforms.adapters.base import Account
from scheduling.accounts import ConnectedAccount
from scheduling.calling import Calling
from scheduling.preflight_checks import PreflightWarning

log = logging.getLogger("carillon.preflight")

C = ErrorCategory
AT_ONCE = 10
DEADLINE = timedelta(seconds=15)
RUN_MOST = timedelta(seconds=60)  # for all calls of one round; who was not asked is asked later
REFUSALS = frozenset({C.AUTH_ERROR, C.TOKEN_EXPIRED, C.PERMISSION, C.VALIDATION_ERROR})


@dataclass(frozen=True, slots=True)
class Answer:
    """What asking brought; `is_final` is False when it must be asked again soon."""

    warning: PreflightWarning | None = None
    is_final: bool = True
    limits: Mapping[str, int] = field(default_factory=dict)
    mime_type: str = ""
    size_bytes: int = 0


class Calls:
    """All calls of one round; `open` and `close` need the database, `make` runs a loop."""

    def __init__(self) -> None:
        self._gate = Gate()
        self.clock = DatabaseClock()

    def open(self) -> None:
        """Read the clock and the gate."""
        self.clock.sample()
        self._gate.db_read()

    def close(self) -> None:
        """Write what the gate learnt."""
        self._gate.db_write()

    def make(
        self, accounts: Iterable[ConnectedAccount], assets: Iterable[Asset]
    ) -> tuple[dict[object, Answer], dict[object, Answer]]:
        """Ask every account and look at every address; returns the answers by primary key.

        Who is missing in them could not be asked in time.
        """
        of_accounts: dict[object, Answer] = {}
        of_assets: dict[object, Answer] = {}

        async def everything() -> None:
            pool, turns = HttpPool(max_connections=AT_ONCE), asyncio.Semaphore(AT_ONCE)

            async def ask(account: ConnectedAccount) -> None:
                async with turns:
                    of_accounts[account.connection.pk] = await self.ask(account, pool)

            async def look(asset: Asset) -> None:
                async with turns:
                    of_assets[asset.pk] = await _look(asset, pool)

            try:
                async with asyncio.timeout(RUN_MOST.total_seconds()):
                    await asyncio.gather(*map(ask, accounts), *map(look, assets))
            except TimeoutError:
                log.warning("preflight.ran_out_of_time")
            finally:
                await pool.close()

        asyncio.run(everything())
        return of_accounts, of_assets

    def may(self, account: ConnectedAccount, operation: str) -> bool:
        """Say whether the gate lets a call through now."""
        return self.hold(account, operation) is None

    def hold(self, account: ConnectedAccount, operation: str) -> Hold | None:
        """Return what keeps a call from starting now, if anything does."""
        return self._gate.hold(account.passages[operation], self.clock.now())

    def ask_now(self, account: ConnectedAccount) -> Account:
        """Ask one network whose credentials these are, whatever the gate says; at most DEADLINE.

        Raises ServiceError and nothing else.
        """

        async def ask() -> Account:
            pool = HttpPool(max_connections=2)
            try:
                async with asyncio.timeout(DEADLINE.total_seconds()):
                    with self.calling(account, "validate", pool) as door:
                        return await account.adapter.validate(door)
            except TimeoutError:
                detail = (
                    f"{account.adapter.name} took longer than {DEADLINE.total_seconds():.0f} s."
                )
                raise ServiceError(C.NETWORK_ERROR, detail) from None
            finally:
                await pool.close()

        try:
            return asyncio.run(ask())
        except ServiceError:
            raise
        except Exception:
            extra = {"connection_id": str(account.connection.pk)}
            log.exception("account_check.crashed", extra=extra)
            raise ServiceError(C.UNKNOWN, "Carillon itself failed here; it was logged.") from None

    def calling(self, account: ConnectedAccount, operation: str, pool: HttpPool) -> Calling:
        """Open the account's door for one call; the gate learns how it went."""
        http = pool.http(
            base_url=account.base_url,
            auth=account.auth,
            deadline=DEADLINE,
            on_response=account.adapter.rate_hints,
            guard_private=account.adapter.user_given_host(),
            allow_private=settings.PRIVATE_HOSTS_ALLOWED,
        )
        return Calling(self._gate, self.clock, account, operation, http, self._share)

    async def ask(self, account: ConnectedAccount, pool: HttpPool) -> Answer:
        """Ask the network whose credentials these are, if the gate lets this call through."""
        connection = account.connection
        if not self.may(account, "validate"):
            return Answer(is_final=False)
        try:
            with self.calling(account, "validate", pool) as door:
                found = await account.adapter.validate(door)
        except ServiceError as error:
            return _failure(account, error)
        except Exception:  # one adapter's fault must not end the look at the others
            log.exception("preflight.crashed", extra={"connection_id": str(connection.pk)})
            return Answer(is_final=False)
        return Answer(limits=dict(found.limits))

    def _share(self) -> None:
        """Tell the publishers at once that an account, or the app, must wait."""
        asyncio.get_running_loop().run_in_executor(None, self._write_gate)

    def _write_gate(self) -> None:
        try:
            self._gate.db_write()
        except (DatabaseError, InterfaceError):
            log.info("preflight.gate_not_written")  # `close` writes it again
        finally:
            connections.close_all()


def _failure(account: ConnectedAccount, error: ServiceError) -> Answer:
    """Return what a failed question means: a refusal is a finding, the rest may pass."""
    connection = account.connection
    outlives = error.category is C.TOKEN_EXPIRED and account.is_renewable
    if error.category in REFUSALS and not outlives:
        return Answer(
            PreflightWarning(
                "account_refused",
                f"{account.adapter.name} does not accept the access of {connection}: "
                f"{error.detail} Connect the account again.",
            )
        )
    if error.category in {C.NETWORK_ERROR, C.SERVER_ERROR}:
        warning = PreflightWarning(
            "account_silent",
            f"{account.adapter.name} could not be asked about {connection}: {error.detail} "
            "Carillon asks again; if this stays, look at the network's status page.",
        )
        return Answer(warning, is_final=False)
    return Answer(is_final=False)


async def _look(asset: Asset, pool: HttpPool) -> Answer:
    """Open a file's address as the fetch ahead will, take its type and size, and close it.

    A GET, not a HEAD: signed addresses of object stores are good for one method only.
    """
    http = pool.http(
        deadline=DEADLINE, guard_private=True, allow_private=settings.PRIVATE_HOSTS_ALLOWED
    )
    try:
        async with http.download(asset.source_url, max_bytes=settings.MEDIA_MAX_BYTES) as found:
            return Answer(mime_type=found.content_type, size_bytes=found.size_bytes or 0)
    except ServiceError as error:
        address = urlsplit(asset.source_url)
        name = f"{address.hostname}{address.path}"  # the query may hold a signature
        if error.category in {C.MEDIA_ERROR, C.VALIDATION_ERROR}:
            return Answer(
                PreflightWarning(
                    "media_unreadable",
                    f"The file {name} cannot be fetched: {error.detail} Replace it.",
                )
            )
        warning = PreflightWarning(
            "media_silent",
            f"The file {name} could not be looked at: {error.detail} Carillon looks again; if "
            "this stays, replace it.",
        )
        return Answer(warning, is_final=False)


def look_in_storage(asset: Asset) -> Answer:
    """Say whether a stored file is still there in the size that was recorded (no network of ours).

    Storages raise what they like, so anything but "not there" may pass.
    """
    path = asset.file.name or ""
    name = path.rsplit("/", 1)[-1]
    try:
        if not asset.file.storage.exists(path):
            return Answer(
                PreflightWarning(
                    "media_missing", f"The file {name} is gone from the storage: replace it."
                )
            )
        size = asset.file.storage.size(path)
    except Exception as error:  # noqa: BLE001 - see above
        log.warning("preflight.storage_failed", extra={"error": type(error).__name__})
        warning = PreflightWarning(
            "media_silent",
            f"The storage did not answer about the file {name}. Carillon looks again.",
        )
        return Answer(warning, is_final=False)
    if asset.size_bytes and size != asset.size_bytes:
        return Answer(
            PreflightWarning(
                "media_changed",
                f"The file {name} has {size:,} bytes in the storage, but {asset.size_bytes:,} "
                "were recorded: replace it.",
            )
        )
    return Answer()
