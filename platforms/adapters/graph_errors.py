"""Errors of Meta's interfaces: judged by code and subcode; percents of use become allowances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Response
from platforms.adapters.base import Adapter, ErrorTable, RateHint
from platforms.adapters.graph_reading import (
    USAGE_SCALE,
    USAGE_WINDOW,
    category_of,
    object_of,
    usages,
)


class GraphErrors(Adapter):
    """How Instagram, Threads and Facebook say what went wrong and how much is left."""

    waits: ClassVar[Mapping[str, timedelta]] = {}  # code -> how long to wait
    remedies: ClassVar[Mapping[str, str]] = {}  # code -> what people can do, a sentence
    app_wide_codes = frozenset({"4"})

    # --- errors -------------------------------------------------------------------------------
    def error(
        self,
        response: Response,
        *,
        wrote: bool = False,
        upload: bool = False,
        table: ErrorTable | None = None,
    ) -> ServiceError:
        """Judge by code and subcode, then by the network's own word, then by status.

        What may pass by itself says nothing about whether a write took effect.
        """
        code = self.provider_code(response)
        category = category_of(response, code, self.errors if table is None else table)
        if wrote and category is C.SERVER_ERROR:
            category = C.OUTCOME_UNKNOWN
        known = {(response.status, code[:100]): category} if category else {}
        return super().error(response, wrote=wrote, upload=upload, table=known)

    def provider_code(self, response: Response) -> str:
        """Return "code/subcode" or "code"; of the upload host, the type of its complaint."""
        answer = response.json_object()
        error = object_of(answer.get("error"))
        code, subcode = error.get("code"), error.get("error_subcode")
        if type(code) is int:
            return f"{code}/{subcode}" if type(subcode) is int and subcode else str(code)
        kind = object_of(answer.get("debug_info")).get("type")
        return kind if isinstance(kind, str) else ""

    def retry_after(self, response: Response) -> timedelta | None:
        """Waits are told by Retry-After, by our table of codes, or by a usage header's minutes."""
        if response.retry_after is not None:
            return response.retry_after
        code = self.provider_code(response)
        number, _, subcode = code.partition("/")
        for key in (code, f"/{subcode}", number):
            if key in self.waits:
                return self.waits[key]
        ends = [usage.regained_in for usage in usages(response) if usage.is_used_up]
        return max(ends, default=None)

    def explain(self, response: Response) -> str:
        error = object_of(response.json_object().get("error"))
        reason = error.get("error_user_msg") or error.get("message")
        if not isinstance(reason, str) or not reason:
            reason = object_of(response.json_object().get("debug_info")).get("message")
        code = self.provider_code(response)
        number, _, subcode = code.partition("/")
        remedy = next(
            (self.remedies[k] for k in (code, f"/{subcode}", number) if k in self.remedies), ""
        )
        if not isinstance(reason, str) or not reason:
            return f"{super().explain(response)} {remedy}".strip()
        told = f"{self.name} answered HTTP {response.status}: {reason.rstrip()}"
        return f"{told.rstrip('.')}. {remedy}".strip() if remedy else told

    # --- allowances ---------------------------------------------------------------------------
    def rate_hints(self, response: Response) -> Sequence[RateHint]:
        """Turn percents into an allowance that is used up at 95: the rest is for other tools."""
        hints = []
        for usage in usages(response):
            left = 0 if usage.is_used_up else round((100 - usage.percent) * USAGE_SCALE)
            wait = usage.regained_in if usage.is_used_up else USAGE_WINDOW
            ends = response.received_at + wait
            hints += [
                RateHint(f"{operation}.{usage.bucket}", usage.scope, 100 * USAGE_SCALE, left, ends)
                for operation in ("publish", "other")
            ]
        return hints
