"""From the framework's nested validation errors to a flat list of field, code and message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rest_framework.settings import api_settings

from scheduling.drafts import FieldError

# Codes that mean: this is not the JSON type we asked for. All other codes judge the value.
MALFORMED = frozenset({"wrong_type", "not_a_list", "not_a_dict", "null", "not_an_object"})


def flatten(detail: Any) -> list[FieldError]:
    """Return `detail` of a ValidationError as a list; fields read `segments[0].text`."""
    return list(_walk(detail, ""))


def is_malformed(errors: Iterable[FieldError]) -> bool:
    """Say whether any error is one of type, not of value."""
    return any(error.code in MALFORMED for error in errors)


def _walk(detail: Any, path: str) -> Iterator[FieldError]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _walk(inner, _joined(path, name))
    elif isinstance(detail, list):
        for number, inner in enumerate(detail):
            # A list of messages belongs to the field itself, a list of dicts to its items.
            yield from _walk(inner, f"{path}[{number}]" if isinstance(inner, dict) else path)
    else:
        yield FieldError(path, getattr(detail, "code", "invalid"), str(detail))


def _joined(path: str, name: Any) -> str:
    if name in ("", api_settings.NON_FIELD_ERRORS_KEY):
        return path
    if isinstance(name, int):  # items of a ListField come as {index: errors}
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else str(name)
