"""What a draft becomes on DeviantArt: one deviation, one for each file, a journal or a status.

Sources: as in `platforms.adapters.deviantart`. Recalled: at most 30 tags, 30 MB for an image and
200 MB for a film; how long descriptions may be is unpublished, the bound is ours.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from platforms.adapters.base import Draft, Media, Notice, Violation

TITLE_CHARS = 50
MOST_TAGS = 30
TAG = re.compile(r"\w+")
UUID = "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
LICENSES: Mapping[str, Mapping[str, str]] = {  # our name -> license_options
    "none": {"creative_commons": "0"},
    "cc-by": {"creative_commons": "1", "commercial": "1", "modify": "yes"},
    "cc-by-sa": {"creative_commons": "1", "commercial": "1", "modify": "share"},
    "cc-by-nd": {"creative_commons": "1", "commercial": "1", "modify": "no"},
    "cc-by-nc": {"creative_commons": "1", "commercial": "0", "modify": "yes"},
    "cc-by-nc-sa": {"creative_commons": "1", "commercial": "0", "modify": "share"},
    "cc-by-nc-nd": {"creative_commons": "1", "commercial": "0", "modify": "no"},
}

OPTIONS: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "uploadMode": {
            "type": "string",
            "enum": ["single", "multiple"],
            "description": "single: one deviation with one file; multiple: one for each file",
        },
        "text_kind": {
            "type": "string",
            "enum": ["status", "journal"],
            "description": "what a text without a file becomes",
        },
        "title": {
            "type": "string",
            "maxLength": TITLE_CHARS,
            "description": "the title; without it, the text's first line is taken",
        },
        "format": {"type": "string", "enum": ["text", "html"]},
        "tags": {"type": "array", "maxItems": MOST_TAGS, "items": {"type": "string"}},
        "galleries": {
            "type": "array",
            "items": {
                "type": "string",
                "pattern": UUID,
                "example": "1f0c2a44-5b1e-4f6e-9d0a-3a1b2c3d4e5f",
            },
        },
        "is_mature": {"type": "boolean"},
        "mature_level": {"type": "string", "enum": ["moderate", "strict"]},
        "mature_classification": {
            "type": "array",
            "items": {
                "type": "string",
                "enum": ["nudity", "sexual", "gore", "language", "ideology"],
            },
        },
        "ai_generated": {"type": "boolean", "description": "it was made with AI tools"},
        "noai": {"type": "boolean", "description": "nobody may train AI with it (default: yes)"},
        "feature": {"type": "boolean", "description": "show it in Featured (default: yes)"},
        "allow_comments": {"type": "boolean", "description": "default: yes"},
        "allow_free_download": {"type": "boolean", "description": "default: no"},
        "display_resolution": {
            "type": "integer",
            "minimum": 0,
            "maximum": 8,
            "description": "0: original; 1 to 8: at most 400, 600, 800, 900, 1024, 1280, 1600, "
            "1920 pixels wide",
        },
        "add_watermark": {"type": "boolean", "description": "needs display_resolution above 0"},
        "sharing": {
            "type": "string",
            "enum": ["allow", "hide_share_buttons", "hide_and_members_only"],
        },
        "license": {"type": "string", "enum": list(LICENSES)},
    },
}


def is_multiple(draft: Draft) -> bool:
    """Say whether each file becomes a deviation of its own."""
    return draft.options.get("uploadMode") == "multiple"


def is_journal(draft: Draft) -> bool:
    """Say whether a text without a file becomes a journal (else a status)."""
    kind = draft.options.get("text_kind")
    return not draft.files and (kind == "journal" or (kind is None and "title" in draft.options))


def has_title(draft: Draft) -> bool:
    """Say whether what the draft becomes has a title: all but a status."""
    return bool(draft.files) or is_journal(draft)


def title_of(draft: Draft) -> str:
    """Return the title: the option, or else the first line of the text."""
    chosen = draft.options.get("title")
    return (chosen if isinstance(chosen, str) else _lines(draft)[0]).strip()


def body_of(draft: Draft) -> str:
    """Return the description, journal or status as HTML, without the line that is the title."""
    first, rest = _lines(draft)
    takes_line = has_title(draft) and "title" not in draft.options
    return to_html(draft, rest.strip() if takes_line else f"{first}\n{rest}".strip())


def to_html(draft: Draft, text: str) -> str:
    """Return a text as DeviantArt takes it: HTML, unless it is HTML already."""
    if draft.options.get("format") == "html":
        return text
    return html.escape(text, quote=False).replace("\n", "<br />")


def _lines(draft: Draft) -> tuple[str, str]:
    text = draft.segments[0].text.strip() if draft.segments else ""
    first, _, rest = text.partition("\n")
    return first, rest


def tag_of(tag: str) -> str:
    """Return a tag as DeviantArt writes it."""
    return "_".join(tag.strip().removeprefix("#").split())


def publish_form(draft: Draft, item_id: str) -> list[tuple[str, str]]:
    """Return the form that publishes one file of Sta.sh. What is left out means yes there."""
    options = draft.options
    form = [
        ("itemid", item_id),
        ("agree_submission", "1"),
        ("agree_tos", "1"),
        *_mature(draft),
        ("feature", _flag(options.get("feature", True))),
        ("allow_comments", _flag(options.get("allow_comments", True))),
        ("allow_free_download", _flag(options.get("allow_free_download", False))),
        ("display_resolution", str(options.get("display_resolution", 0))),
        ("add_watermark", _flag(options.get("add_watermark", False))),
        ("is_ai_generated", _flag(options.get("ai_generated", False))),
        ("noai", _flag(options.get("noai", True))),
        *_tags(draft),
        *(("galleryids[]", gallery) for gallery in options.get("galleries", ())),
        *_license(draft),
    ]
    if "sharing" in options:
        form.append(("sharing", options["sharing"]))
    return form


def journal_form(draft: Draft) -> list[tuple[str, str]]:
    """Return the form that makes a journal."""
    return [
        ("title", title_of(draft)),
        ("body", body_of(draft)),
        *_mature(draft),
        ("allow_comments", _flag(draft.options.get("allow_comments", True))),
        *_tags(draft),
        *_license(draft),
    ]


def _flag(value: object) -> str:
    return "1" if value else "0"


def _tags(draft: Draft) -> Iterator[tuple[str, str]]:
    for tag in draft.options.get("tags", ()):
        yield "tags[]", tag_of(tag)


def _mature(draft: Draft) -> Iterator[tuple[str, str]]:
    options = draft.options
    yield "is_mature", _flag(options.get("is_mature"))
    if options.get("is_mature"):
        yield "mature_level", options.get("mature_level", "strict")
        for name in options.get("mature_classification", ()):
            yield "mature_classification[]", name


def _license(draft: Draft) -> Iterator[tuple[str, str]]:
    for name, value in LICENSES[draft.options.get("license", "none")].items():
        yield f"license_options[{name}]", value


def scopes_of(draft: Draft) -> frozenset[str]:
    """Return the scopes that this draft needs beyond those of every deviation."""
    needed = {"comment.post"} if draft.first_comment else set()
    return frozenset(needed if draft.files else {*needed, "user.manage"})


def violations(draft: Draft) -> Iterator[Violation]:
    """Yield what is wrong beyond counts, sizes and options one by one."""
    options, place = draft.options, "segments[0].text"
    if any(len(segment.media) > 1 for segment in draft.segments) and not is_multiple(draft):
        message = (
            "A deviation has one file. Remove the others, or set uploadMode to multiple: then each "
            "file becomes a deviation."
        )
        yield Violation("segments[0].media", "several_files", message)
    if draft.segments and has_title(draft):
        yield from _title(draft, place)
    for number, tag in enumerate(options.get("tags") or ()):
        if not TAG.fullmatch(tag_of(str(tag))):
            message = "Tags have letters, digits and _ only; spaces become _. Change it."
            yield Violation(f"options.tags[{number}]", "invalid_tag", message)
    if options.get("is_mature") and "mature_level" not in options:
        message = "Choose how mature it is: moderate or strict."
        yield Violation("options.mature_level", "option_missing", message)
    if options.get("add_watermark") and not options.get("display_resolution"):
        message = "A watermark needs a display_resolution above 0."
        yield Violation("options.add_watermark", "needs_resolution", message)
    granted = frozenset(draft.account.scopes)
    if granted and (missing := sorted(scopes_of(draft) - granted)):
        message = f"The connection lacks {', '.join(missing)}. Connect the account again."
        yield Violation("connection", "scope_missing", message)


def _title(draft: Draft, place: str) -> Iterator[Violation]:
    title = title_of(draft)
    where = "options.title" if "title" in draft.options else place
    if not title and (draft.files or draft.segments[0].text.strip()):
        message = "A deviation needs a title: write a first line, or set the option title."
        yield Violation(where, "title_missing", message)
    if where == place and len(title) > TITLE_CHARS:
        message = (
            f"The first line is the title and has {len(title)} characters; at most {TITLE_CHARS} "
            "are accepted. Shorten it, or set the option title."
        )
        yield Violation(where, "title_too_long", message)


def file_name_of(file: Media, place: str) -> str:
    """Return a file's name; DeviantArt answers 500 to a file without one."""
    return file.file_name or f"file-{place.replace('.', '-')}"


def notices(draft: Draft) -> list[Notice]:
    """Return what people should know before they publish."""
    found = [
        Notice(
            "policy",
            "By publishing you agree to DeviantArt's Submission Policy and Terms of Service. What "
            "is published can be removed at deviantart.com only, not by an application.",
        )
    ]
    if is_multiple(draft) and len(draft.files) > 1:
        message = f"{len(draft.files)} deviations will be published, one for each file."
        found.append(Notice("several_posts", message))
    return found
