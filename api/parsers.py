"""Request bodies: JSON that the database can keep, or a clear 400."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser


class StrictJSONParser(BaseParser):
    """UTF-8 JSON without NaN, NUL characters and lone surrogates: PostgreSQL keeps none of them."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body as Python objects; raises ParseError."""
        try:
            text = stream.read().decode()
            if not text.strip():
                return {}
            loaded = json.loads(text, parse_constant=_refuse_constant)
            _check(loaded)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        except UnicodeError:
            raise ParseError("The body is not UTF-8 text.") from None
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}.") from None
        return loaded


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("texts must not contain the NUL character")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("a text contains half of a surrogate pair") from None
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    elif isinstance(value, list):
        for item in value:
            _check(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check(name)
            _check(item)


class CSVText(str):
    """A body that came as a CSV file, as text."""

    __slots__ = ()


class CSVParser(BaseParser):
    """A CSV file in UTF-8, with or without a byte order mark."""

    media_type = "text/csv"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body as text; raises ParseError."""
        try:
            return CSVText(stream.read().decode("utf-8-sig"))
        except UnicodeError:
            raise ParseError("The file is not UTF-8 text: save it as “CSV UTF-8”.") from None
