"""What a draft becomes on LinkedIn: a post with its files, or with a link's card.

Sources: as in `platforms.adapters.linkedin`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from platforms.adapters.base import Draft, Progress
from platforms.adapters.linkedin_text import escape


def body_of(draft: Draft, progress: Progress) -> dict[str, Any]:
    """Return the post; a repeat must have the same bytes, so all of it comes from the draft."""
    segment, options = draft.segments[0], draft.options
    body: dict[str, Any] = {
        "author": draft.account.external_id,
        "commentary": escape(segment.text),
        "visibility": options.get("visibility", "PUBLIC"),
        "distribution": {
            "feedDistribution": "MAIN_FEED",
            "targetEntities": [],
            "thirdPartyDistributionChannels": [],
        },
        "lifecycleState": "PUBLISHED",
        "isReshareDisabledByAuthor": bool(options.get("no_reshares")),
    }
    if segment.media:
        body["content"] = _files(draft, progress)
    elif options.get("card_url"):
        body["content"] = {"article": _card(options)}
    return body


def _files(draft: Draft, progress: Progress) -> dict[str, Any]:
    media, uploaded = draft.segments[0].media, progress.get("media", {})
    entries = [uploaded.get(f"0.{position}", {}) for position in range(len(media))]
    if not all(entry.get("ready") for entry in entries):
        raise ServiceError(C.UNKNOWN, "The files are not uploaded yet.")
    shown = []
    for file, entry in zip(media, entries, strict=True):
        item = {"id": entry["id"]}
        if file.kind == "video" and draft.options.get("title"):
            item["title"] = draft.options["title"]
        elif file.kind != "video" and file.alt_text:
            item["altText"] = file.alt_text
        shown.append(item)
    return {"media": shown[0]} if len(shown) == 1 else {"multiImage": {"images": shown}}


def _card(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a link's card from what the draft says: LinkedIn fetches nothing from the link."""
    card = {"source": options["card_url"], "title": options["card_title"]}
    if options.get("card_description"):
        card["description"] = options["card_description"]
    return card
