"""What every channel promises to the dispatcher, and how a provider's refusal becomes an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from django.conf import settings

from engine.answers import Response
from engine.errors import ErrorCategory, ServiceError
from engine.http import Auth, Http, HttpPool
from engine.redaction import redact
from notifications.deliveries import ClaimedDelivery

C = ErrorCategory
MAX_ANSWER_BYTES = 64 * 1024


class ChannelSender(Protocol):
    """One way to tell somebody; stateless towards deliveries, never retries, never sleeps."""

    def missing(self) -> str:
        """Return what must be configured before this channel works, or "" when it does."""

    async def send(self, delivery: ClaimedDelivery) -> str:
        """Deliver once; return the receiver's id for it. Raises ServiceError and nothing else.

        VALIDATION_ERROR means that this target will never take it (a TargetGone: nor anything
        else); AUTH_ERROR and PERMISSION that our configuration is wrong, for the whole channel if
        `app_wide`; everything else may pass.
        """

    async def close(self) -> None:
        """Let go of connections and threads."""


class TargetGone(ServiceError):
    """This target takes nothing more: `reason` is one of Suppression.Reason."""

    def __init__(self, category: ErrorCategory, detail: str, *, reason: str, **more: Any) -> None:
        super().__init__(category, detail, **more)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one documented error means: a sentence with the next step, and what we do.

    `gone` (one of Suppression.Reason) says that nothing more is sent to this target. `is_whole` is
    false where AUTH_ERROR or PERMISSION concerns only a part of the channel.
    """

    category: ErrorCategory
    says: str
    gone: str = ""
    is_whole: bool = True


ErrorTable = Mapping[tuple[int, str], Meaning]  # (status, provider's code); 0: any, "": any

UNLISTED: ErrorTable = {
    (401, ""): Meaning(C.AUTH_ERROR, "our credentials are refused"),
    (403, ""): Meaning(C.PERMISSION, "our credentials do not allow this"),
    (408, ""): Meaning(C.SERVER_ERROR, "it took too long there"),
    (413, ""): Meaning(C.VALIDATION_ERROR, "the message is too large"),
    (429, ""): Meaning(C.RATE_LIMIT, "too many messages at once"),
}
REDIRECTED = Meaning(
    C.UNKNOWN, "a redirect, which is never followed: look at the address in the settings"
)
REFUSED = Meaning(C.VALIDATION_ERROR, "the message is refused")
BROKEN = Meaning(C.SERVER_ERROR, "the provider has a fault of its own")
ODD = Meaning(C.UNKNOWN, "an answer that is not documented")


def meaning_of(status: int, code: str, table: ErrorTable) -> Meaning:
    """Return what an error means: by status and code, by either, else by the kind of status."""
    for key in ((status, code), (0, code), (status, "")):
        if (key[1] or key[0]) and key in table:
            return table[key]
    if (status, "") in UNLISTED:
        return UNLISTED[status, ""]
    if status >= 500:
        return BROKEN
    if status >= 400:
        return REFUSED
    return REDIRECTED if status >= 300 else ODD


def refusal(
    provider: str,
    answer: Response,
    table: ErrorTable,
    *,
    code: str = "",
    secrets: tuple[str, ...] = (),
    retry_after: timedelta | None = None,
) -> ServiceError:
    """Return an answer that is no success as an error; without `secrets`."""
    meaning = meaning_of(answer.status, code, table)
    number = f"{answer.status}, {code}" if code else str(answer.status)
    more: dict[str, Any] = {
        "retry_after": answer.retry_after if retry_after is None else retry_after,
        "provider_code": code,
        "http_status": answer.status,
        "request_id": answer.request_id,
        "excerpt": redact(answer.excerpt, secrets),
        "app_wide": meaning.is_whole and meaning.category in {C.AUTH_ERROR, C.PERMISSION},
    }
    detail = f"{provider} answered {number}: {meaning.says}."
    if meaning.gone:
        return TargetGone(meaning.category, detail, reason=meaning.gone, **more)
    return ServiceError(meaning.category, detail, **more)


def unreadable(provider: str, answer: Response) -> ServiceError:
    """Return a success that does not say what was made: it may have been sent."""
    return ServiceError(
        C.OUTCOME_UNKNOWN,
        f"{provider} answered {answer.status} with something unreadable: it may have been sent.",
        http_status=answer.status,
        request_id=answer.request_id,
        excerpt=answer.excerpt,
    )


class ProviderSender:
    """A channel that is one provider's HTTP API, at an address from our own settings."""

    def __init__(self) -> None:
        self.pool = HttpPool()

    def door(self, base_url: str, auth: Auth | None, delivery: ClaimedDelivery) -> Http:
        """Return the provider's door for one delivery; too late a call does not begin."""
        http = self.pool.http(
            base_url=base_url,
            auth=auth,
            deadline=settings.CHANNEL_DEADLINE,
            max_body=MAX_ANSWER_BYTES,
        )
        http.start_before = delivery.start_before
        return http

    async def close(self) -> None:
        """Close the connections."""
        await self.pool.close()
