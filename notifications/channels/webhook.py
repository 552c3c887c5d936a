"""Callbacks over HTTP, signed as Standard Webhooks asks: to posts' own addresses and to endpoints.

`webhook-id` is the event's id, the same for every attempt: receivers that have seen it ignore it.
`webhook-timestamp` and `webhook-signature` belong to the attempt. Addresses given by users lead to
public hosts only (PRIVATE_HOSTS_ALLOWED lists exceptions) and are never redirected. Only the
address from our own settings gets SERVICE_TOKEN, and only that one may be private. An endpoint's
events are signed with its own secrets, and its settings give no address any trust.
Source: Standard Webhooks 1.0.0 (standard-webhooks/standard-webhooks, spec).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.conf import settings

from engine import correlation, wall_clock
from engine.errors import ErrorCategory, ServiceError
from engine.http import HttpPool, Response
from notifications.callbacks import body_of, is_default
from notifications.deliveries import ClaimedDelivery
from notifications.signing import sign

MAX_ANSWER_BYTES = 64 * 1024  # read at most; 500 characters of it are kept
GONE = 410


class WebhookSender:
    """Posts events to their targets."""

    def __init__(self) -> None:
        self._pool = HttpPool()

    def missing(self) -> str:
        """Return "": callbacks need no configuration."""
        return ""

    async def send(self, delivery: ClaimedDelivery) -> str:
        """Post the event; return the receiver's request id, "" without one."""
        ours = is_default(delivery.target)
        headers = {"X-Service-Token": settings.SERVICE_TOKEN} if ours else {}
        return await self._post(
            delivery,
            delivery.target,
            _body(delivery, delivery.target),
            is_trusted=ours,
            more={name: value for name, value in headers.items() if value},
        )

    async def _post(
        self,
        delivery: ClaimedDelivery,
        url: str,
        body: bytes,
        *,
        is_trusted: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> str:
        http = self._pool.http(
            deadline=settings.CALLBACK_DEADLINE,
            guard_private=not is_trusted,
            allow_private=settings.PRIVATE_HOSTS_ALLOWED,
            max_body=MAX_ANSWER_BYTES,
        )
        headers = _headers(str(delivery.notification_id), body, delivery.secrets)
        correlation_id = str(delivery.context.get("data", {}).get("correlation_id") or "")
        if correlation.is_valid(correlation_id):
            headers[correlation.HEADER] = correlation_id
        headers |= more or {}
        try:
            answer = await http.post(url, body=body, headers=headers, writes=True)
        except ServiceError as error:
            if 200 <= error.http_status < 300:
                return error.request_id  # taken; only the rest of the answer was lost
            raise
        if answer.ok:
            return answer.request_id
        raise _refusal(answer)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()


class EndpointSender(WebhookSender):
    """Posts events to a workspace's endpoints."""

    async def send(self, delivery: ClaimedDelivery) -> str:
        """Post the event; return the receiver's request id, "" without one."""
        return await self._post(delivery, delivery.address, _body(delivery, ""))


def _body(delivery: ClaimedDelivery, url: str) -> bytes:
    data = delivery.context.get("data", {})
    return body_of(delivery.event, delivery.happened_at, data, url)


def _headers(message_id: str, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    now = int(wall_clock.now())
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(message_id, now, body, secrets),
    }


def _refusal(answer: Response) -> ServiceError:
    """Return what an answer other than 2xx means."""
    category, detail = ErrorCategory.UNKNOWN, f"The receiver answered {answer.status}."
    if answer.status == GONE:
        category = ErrorCategory.VALIDATION_ERROR
        detail = "The receiver answered 410: it wants no more callbacks at this address."
    elif answer.status == 429:
        category = ErrorCategory.RATE_LIMIT
    elif answer.status >= 500:
        category = ErrorCategory.SERVER_ERROR
    elif 300 <= answer.status < 400:
        detail = f"The receiver answered {answer.status}: callbacks follow no redirects."
    return ServiceError(
        category,
        detail,
        retry_after=answer.retry_after,
        http_status=answer.status,
        request_id=answer.request_id,
        excerpt=answer.excerpt,
    )
