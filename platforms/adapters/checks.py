"""What all `violations` have in common: counts, sizes, types and options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from platforms.adapters.base import Draft, Limits, Media, Violation

Excess = Callable[[str, int], int]  # (text, limit) -> by how many characters it is too long, or 0
UNKNOWN_TYPES = frozenset({"", "application/octet-stream"})  # a file that is not fetched yet
JSON_TYPES: Mapping[str, type] = {"string": str, "boolean": bool, "integer": int}


def limit_of(draft: Draft, limits: Limits, name: str) -> int:
    """Return one limit: the account's own if it has one, else the network's."""
    own = draft.limits.get(name)
    return own if isinstance(own, int) else int(getattr(limits, name))


def draft_violations(
    draft: Draft, limits: Limits, schema: Mapping[str, Any], *, excess: Excess
) -> list[Violation]:
    """Return what is wrong with a draft of texts and images; `excess` counts like the network."""
    found: list[Violation] = []
    if not draft.segments:
        found.append(Violation("segments", "segments_missing", "Write at least one text."))
    most = limits.thread_segments
    if len(draft.segments) > most:
        message = f"A thread has at most {most} parts; this one has {len(draft.segments)}."
        found.append(Violation("segments", "too_many_segments", message))
    for number, segment in enumerate(draft.segments):
        place = f"segments[{number}]"
        if not segment.text.strip() and not segment.media:
            message = "Write a text or add an image."
            found.append(Violation(f"{place}.text", "text_missing", message))
        found += _text(f"{place}.text", segment.text, draft, limits, excess)
        found += _images(f"{place}.media", segment.media, draft, limits)
    found += _text("first_comment", draft.first_comment, draft, limits, excess)
    found += _options(draft.options, schema)
    return found


def _text(
    place: str, text: str, draft: Draft, limits: Limits, excess: Excess
) -> Iterator[Violation]:
    limit = limit_of(draft, limits, "text_chars")
    if (over := excess(text, limit)) > 0:
        message = f"The text is {over} over the limit of {limit} characters. Shorten it."
        yield Violation(place, "text_too_long", message)


def _images(
    place: str, media: tuple[Media, ...], draft: Draft, limits: Limits
) -> Iterator[Violation]:
    most = limit_of(draft, limits, "images")
    if len(media) > most:
        message = f"At most {most} images fit; there are {len(media)}. Remove some."
        yield Violation(place, "too_many_images", message)
    for number, file in enumerate(media):
        for code, message in _image(file, draft, limits):
            yield Violation(f"{place}[{number}]", code, message)


def _image(file: Media, draft: Draft, limits: Limits) -> Iterator[tuple[str, str]]:
    most_bytes = limit_of(draft, limits, "image_bytes")
    most_alt = limit_of(draft, limits, "alt_text_chars")
    if file.kind != "image":
        yield "media_unsupported", f"Only images can be sent; this is a {file.kind}."
    elif file.mime_type not in limits.image_types | UNKNOWN_TYPES:
        known = ", ".join(sorted(name.partition("/")[2] for name in limits.image_types))
        yield "media_unsupported", f"{file.mime_type} is not accepted. Use one of: {known}."
    if file.size_bytes > most_bytes:
        size, most = file.size_bytes / 1024 / 1024, most_bytes / 1024 / 1024
        yield "image_too_large", f"The image has {size:.1f} MiB; at most {most:.0f} are accepted."
    if len(file.alt_text) > most_alt:
        yield "alt_text_too_long", f"The alt text may have at most {most_alt} characters."


def _options(options: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Violation]:
    """Judge options by the part of JSON Schema we use: type, enum, maxLength."""
    known: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    for name, value in options.items():
        place = f"options.{name}"
        rule = known.get(name)
        if rule is None:
            names = ", ".join(sorted(known)) or "none"
            yield Violation(place, "unknown_option", f"Unknown option. Known options: {names}.")
        elif type(value) is not JSON_TYPES[rule["type"]]:
            yield Violation(place, "invalid_option", f"The value must be a {rule['type']}.")
        elif "enum" in rule and value not in rule["enum"]:
            choices = ", ".join(rule["enum"])
            yield Violation(place, "invalid_option", f"Choose one of: {choices}.")
        elif len(str(value)) > rule.get("maxLength", 10_000):
            message = f"At most {rule['maxLength']} characters."
            yield Violation(place, "invalid_option", message)
