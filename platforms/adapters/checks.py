"""What all `violations` have in common: counts, sizes, types and options."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from platforms.adapters.base import Draft, Limits, Media, Violation

Excess = Callable[[str, int], int]  # (text, limit) -> by how many characters it is too long, or 0
UNKNOWN_TYPES = frozenset({"", "application/octet-stream"})  # a file that is not fetched yet
KINDS = ("image", "video", "gif")
GIF_TYPES = frozenset({"image/gif"})
JSON_TYPES: Mapping[str, type] = {"string": str, "boolean": bool, "integer": int, "array": list}


def limit_of(draft: Draft, limits: Limits, name: str) -> int:
    """Return one limit: the account's own if it has one, else the network's."""
    own = draft.limits.get(name)
    return own if isinstance(own, int) else int(getattr(limits, name))


def draft_violations(
    draft: Draft,
    limits: Limits,
    schema: Mapping[str, Any],
    *,
    excess: Excess,
    unit: str = "characters",
    comments: bool = True,
) -> list[Violation]:
    """Return what is wrong with a draft's texts, files and options.

    `excess` counts as the network does, in `unit`s; `comments` says whether it takes a first
    comment.
    """
    found: list[Violation] = []
    if not draft.segments:
        found.append(Violation("segments", "segments_missing", "Write at least one text."))
    most = limits.thread_segments
    if len(draft.segments) > most:
        message = (
            f"A thread has at most {most} parts; this one has {len(draft.segments)}."
            if most > 1
            else f"There are no threads here: one text only; there are {len(draft.segments)}."
        )
        found.append(Violation("segments", "too_many_segments", message))
    for number, segment in enumerate(draft.segments):
        place = f"segments[{number}]"
        if limits.needs_file and not segment.media:
            message = f"A text alone cannot be published here. Add {_wanted(limits)}."
            found.append(Violation(f"{place}.media", "file_missing", message))
        elif not segment.text.strip() and not segment.media:
            message = "Write a text or add an image."
            found.append(Violation(f"{place}.text", "text_missing", message))
        most = limit_of(draft, limits, "text_chars")
        found += _text(f"{place}.text", segment.text, most, excess, unit)
        found += _files(f"{place}.media", segment.media, draft, limits)
    most = limit_of(draft, limits, "comment_chars") or limit_of(draft, limits, "text_chars")
    if draft.first_comment and not comments:
        message = "The network takes no first comment from applications. Leave it empty."
        found.append(Violation("first_comment", "first_comment_unsupported", message))
    else:
        found += _text("first_comment", draft.first_comment, most, excess, unit)
    found += _options(draft.options, schema)
    return found


def _wanted(limits: Limits) -> str:
    if limits.images and limits.videos:
        return "an image or a video"
    return "an image" if limits.images else "a video"


def _text(place: str, text: str, limit: int, excess: Excess, unit: str) -> Iterator[Violation]:
    if (over := excess(text, limit)) > 0:
        message = f"The text is {over} over the limit of {limit} {unit}. Shorten it."
        yield Violation(place, "text_too_long", message)


def _files(
    place: str, media: tuple[Media, ...], draft: Draft, limits: Limits
) -> Iterator[Violation]:
    numbers = {kind: sum(1 for file in media if file.kind == kind) for kind in KINDS}
    for kind, number in numbers.items():
        most = limit_of(draft, limits, f"{kind}s")
        if most and number > most:
            plural = kind if most == 1 else f"{kind}s"
            fits = "fits" if most == 1 else "fit"
            message = f"At most {most} {plural} {fits}; there are {number}. Remove some."
            yield Violation(place, f"too_many_{kind}s", message)
    if not limits.mixes and sum(1 for number in numbers.values() if number) > 1:
        message = "Images and videos cannot be in one post here. Keep one kind."
        yield Violation(place, "mixed_media", message)
    if limits.files and len(media) > limits.files:
        message = f"At most {limits.files} files fit; there are {len(media)}. Remove some."
        yield Violation(place, "too_many_files", message)
    for number, file in enumerate(media):
        for code, message in _file(file, draft, limits):
            yield Violation(f"{place}[{number}]", code, message)


def _file(file: Media, draft: Draft, limits: Limits) -> Iterator[tuple[str, str]]:
    if file.kind not in KINDS or not limit_of(draft, limits, f"{file.kind}s"):
        kinds = [f"{kind}s" for kind in KINDS if limit_of(draft, limits, f"{kind}s")]
        known = " and ".join(kinds) or "no files"
        yield "media_unsupported", f"Only {known} can be sent; this is a {file.kind}."
        return
    types = {"image": limits.image_types, "video": limits.video_types, "gif": GIF_TYPES}[file.kind]
    if file.mime_type not in types | UNKNOWN_TYPES:
        known = ", ".join(sorted(name.partition("/")[2] for name in types))
        yield "media_unsupported", f"{file.mime_type} is not accepted. Use one of: {known}."
    most_bytes = limit_of(draft, limits, f"{file.kind}_bytes")
    if most_bytes and file.size_bytes > most_bytes:
        size, most = file.size_bytes / 1024 / 1024, most_bytes / 1024 / 1024
        message = f"The {file.kind} has {size:.1f} MiB; at most {most:.0f} are accepted."
        yield f"{file.kind}_too_large", message
    longest = limit_of(draft, limits, "video_seconds")
    if file.kind == "video" and longest and file.seconds > longest:
        message = f"The video lasts {file.seconds:.0f} s; at most {longest} are accepted. Cut it."
        yield "video_too_long", message
    if len(file.alt_text) > (most_alt := limit_of(draft, limits, "alt_text_chars")) > 0:
        yield "alt_text_too_long", f"The alt text may have at most {most_alt} characters."


def card_violations(draft: Draft) -> list[Violation]:
    """Return what is wrong with a link's card: options card_url, card_title, card_description."""
    options = draft.options
    if not options.get("card_url"):
        unused = [name for name in ("card_title", "card_description") if options.get(name)]
        message = "A card needs a link: fill in card_url, or leave this empty."
        return [Violation(f"options.{name}", "card_without_link", message) for name in unused]
    if not str(options.get("card_title") or "").strip():
        message = "Give the card a title: nothing is fetched from the link."
        return [Violation("options.card_title", "card_without_title", message)]
    if draft.segments and draft.segments[0].media:
        message = "A post has files or a card, not both. Remove one of them."
        return [Violation("options.card_url", "card_and_files", message)]
    return []


def _options(options: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Violation]:
    """Judge options by the part of JSON Schema we use.

    Of all: type, enum, required; of strings: maxLength, pattern; of integers: minimum, maximum;
    of arrays of strings: items, maxItems.
    """
    known: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    for name, value in options.items():
        place = f"options.{name}"
        rule = known.get(name)
        if rule is None:
            names = ", ".join(sorted(known)) or "none"
            yield Violation(place, "unknown_option", f"Unknown option. Known options: {names}.")
        else:
            for message in _option(value, rule):
                yield Violation(place, "invalid_option", message)
    for name in schema.get("required", ()):
        if name not in options:
            title = known[name].get("description", name)
            message = f"Choose one; nothing is chosen for you: {title}."
            yield Violation(f"options.{name}", "option_missing", message)


def _option(value: Any, rule: Mapping[str, Any]) -> Iterator[str]:
    if type(value) is not JSON_TYPES[rule["type"]]:
        yield f"The value must be a {rule['type']}."
        return
    if "enum" in rule and value not in rule["enum"]:
        yield f"Choose one of: {', '.join(map(str, rule['enum']))}."
    if isinstance(value, str):
        if len(value) > rule.get("maxLength", 10_000):
            yield f"At most {rule['maxLength']} characters."
        if "pattern" in rule and not re.fullmatch(rule["pattern"], value):
            yield f"It must look like {rule.get('example', rule['pattern'])}."
    if isinstance(value, int):
        least, most = rule.get("minimum", value), rule.get("maximum", value)
        if not least <= value <= most:
            yield f"Give a number from {least} to {most}."
    if isinstance(value, list):
        if len(value) > rule.get("maxItems", 1000):
            yield f"At most {rule['maxItems']} entries."
        for item in value:
            yield from _option(item, rule["items"])
