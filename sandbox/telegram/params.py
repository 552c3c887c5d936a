"""Reading parameters: JSON, a form, multipart or the query; values may themselves be JSON text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sandbox.exchange import Call, Malformed, Part
from sandbox.telegram import errors


@dataclass(frozen=True, slots=True)
class Params:
    """The parameters of one call, and the files that came with it."""

    values: dict[str, Any]
    files: dict[str, Part]

    def text(self, name: str) -> str:
        """The value as text; numbers as they would be written."""
        value = self.values.get(name)
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, str | int) else ""

    def number(self, name: str) -> int | None:
        """An integer, given as number or text; None when missing or something else."""
        try:
            return int(self.text(name))
        except ValueError:
            return None

    def decoded(self, name: str, kind: type) -> Any:
        """An object or list, given as such or as JSON text; None when missing."""
        value = self.values.get(name)
        if isinstance(value, str) and value:
            try:
                value = json.loads(value)
            except ValueError:
                raise errors.bad_request(f"can't parse {name} JSON object") from None
        if value in (None, ""):
            return None
        if not isinstance(value, kind):
            raise errors.bad_request(f"object expected as {name}")
        return value


def read(call: Call) -> Params:
    """Query and body together, the body first; raises Refusal."""
    values: dict[str, Any] = dict(call.query)
    files: dict[str, Part] = {}
    kind = call.content_type.partition(";")[0].strip().lower()
    try:
        if kind == "application/json" and call.body:
            values |= call.json_object()
        elif kind == "multipart/form-data":
            for name, part in call.parts():
                if part.filename is None:
                    values[name] = part.data.decode("utf-8", "replace")
                else:
                    files[name] = part
        else:
            values |= dict(call.form())
    except Malformed as malformed:
        raise errors.bad_request(str(malformed)) from None
    return Params(values, files)


def due_at(call: Call) -> float | None:
    try:
        return call.due_at()
    except Malformed as malformed:
        raise errors.bad_request(str(malformed)) from None
