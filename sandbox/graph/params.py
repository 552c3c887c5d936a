"""The parameters of one Graph call, wherever they were sent: query, form, JSON or multipart."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.exchange import Call, Malformed, Part
from sandbox.graph.errors import bad_parameter, refused

_LATEST = 4_102_444_800  # the year 2100
_DATE_DIGITS = 8  # 20261122 is a date, a longer number epoch seconds
_INDEXED = re.compile(r"(\w+)\[(\d*)\]")


class Params:
    """Values by name; the body's win over the query's. A wrong type is refused with code 100."""

    def __init__(self, values: Mapping[str, Any], files: Mapping[str, Part]) -> None:
        self._values, self._files = values, files

    @classmethod
    def of(cls, call: Call) -> Params:
        values: dict[str, Any] = dict(call.query)
        files: dict[str, Part] = {}
        try:
            if call.content_type.startswith("application/json") and call.body:
                values |= call.json_object()
            elif call.content_type.startswith("multipart/form-data"):
                files = call.multipart()
                values |= {
                    name: part.data.decode("utf-8", "replace")
                    for name, part in files.items()
                    if part.mime_type == "text/plain"
                }
            else:
                values |= dict(call.form())
        except Malformed as malformed:
            raise refused(f"Unable to parse the request: {malformed}", 100) from None
        return cls(values, files)

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) not in (None, "")

    def text(self, name: str) -> str:
        """The value as text, without surrounding space; empty when it is absent."""
        value = self._values.get(name)
        if isinstance(value, dict | list):
            raise bad_parameter(f"Param {name} must be a string")
        return "" if value is None else str(value).strip()

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.text(name).lower()
        if value in ("true", "1"):
            return True
        if value in ("false", "0"):
            return False
        if value:
            raise bad_parameter(f"Param {name} must be a boolean")
        return default

    def number(self, name: str) -> int | None:
        value = self.text(name)
        if not value:
            return None
        if not re.fullmatch(r"-?\d+", value):
            raise bad_parameter(f"Param {name} must be an integer")
        return int(value)

    def instant(self, name: str) -> float | None:
        """Epoch seconds, or a date as ISO 8601; without a zone it means UTC."""
        value = self.text(name)
        if not value:
            return None
        try:
            instant = datetime.fromisoformat(value)
            at = (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            at = -1.0
        if value.isdecimal() and len(value) > _DATE_DIGITS:
            at = float(value)
        if not 0 <= at <= _LATEST:
            raise bad_parameter(f"Param {name} must be a valid time")
        return at

    def items(self, name: str) -> list[Any]:
        """A list: JSON, `name[0]=...`, or separated by commas; JSON inside is read too."""
        value = self._values.get(name)
        if value is None:
            value = self._indexed(name)
        if isinstance(value, str):
            value = _parsed(value) if value.lstrip().startswith(("[", "{")) else value.split(",")
        if not isinstance(value, list):
            raise bad_parameter(f"Param {name} must be an array.")
        return [_parsed(item) if isinstance(item, str) else item for item in value if item != ""]

    def ids(self, name: str) -> list[str]:
        return [str(item).strip() for item in self.items(name)]

    def object(self, name: str) -> dict[str, Any]:
        value = self._values.get(name, {})
        value = _parsed(value) if isinstance(value, str) else value
        if not isinstance(value, dict):
            raise bad_parameter(f"Param {name} must be a JSON object")
        return value

    def file(self, name: str) -> Part | None:
        return self._files.get(name)

    def _indexed(self, name: str) -> list[Any]:
        found = [
            (int(match[2] or 0), value)
            for key, value in self._values.items()
            if (match := _INDEXED.fullmatch(key)) and match[1] == name
        ]
        return [value for _, value in sorted(found, key=lambda pair: pair[0])]


def _parsed(text: str) -> Any:
    """JSON objects and lists as such; everything else stays the text it was."""
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
