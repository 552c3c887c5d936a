"""One content for several accounts: what the network's and the account's variant replace of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from accounts.access import Access
from api.attachments import attachments_from
from api.base import as_uuid
from api.problems import Problem
from platforms.models import SocialConnection
from platforms.registry import UnknownPlatform, slug_of
from scheduling.drafts import Attachment, FieldError

COLUMNS = ("segments", "first_comment", "options")
Layer = Mapping[str, Any]  # validated words of a request: the common ones, or a variant


@dataclass(frozen=True, slots=True)
class Content:
    """What one account gets: columns of the post, and media (None: nobody gave any)."""

    columns: dict[str, Any]
    media: list[Attachment] | None
    says_text: bool  # its segments were written as one `text`


class Variants:
    """The common content and its variants; what is wrong with them gathers in `errors`."""

    def __init__(self, access: Access, wish: Layer) -> None:
        self.errors: list[FieldError] = []
        self._access = access
        self._common = wish
        self._networks: dict[str, Layer] = {}
        self._media: dict[int, list[Attachment] | None] = {}
        self._keep_media(wish, "")
        for name, variant in (wish.get("platforms") or {}).items():
            try:
                self._networks[slug_of(name)] = variant
            except UnknownPlatform as error:
                self.errors.append(FieldError(f"platforms.{name}", "unknown", str(error)))
            self._keep_media(variant, f"platforms.{name}.")

    def require_used(self, slugs: set[str]) -> None:
        """Note variants of networks that no account is of: they were meant for something."""
        self.errors += [
            FieldError(f"platforms.{slug}", "unused", f"None of the accounts is one of {slug}.")
            for slug in self._networks.keys() - slugs
        ]

    def content(self, slug: str, own: Layer | None = None, place: str = "") -> Content:
        """Return what an account of the network `slug` gets.

        `own` is its own variant, found at `place` in the request ("targets[2].").
        """
        layers = [self._common, self._networks.get(slug, {}), own or {}]
        columns: dict[str, Any] = {}
        media: list[Attachment] | None = None
        says_text = False
        for layer in layers:
            columns |= {name: layer[name] for name in COLUMNS if name in layer}
            if "segments" in layer:
                says_text = "says_text" in layer
            if "media" in layer:
                self._keep_media(layer, place)
                media = self._media[id(layer)]
        return Content(columns, media, says_text)

    def _keep_media(self, layer: Layer, place: str) -> None:
        """Read a layer's media once: accounts that share them share the files."""
        if "media" not in layer or id(layer) in self._media:
            return
        try:
            self._media[id(layer)] = attachments_from(self._access, layer["media"])
        except Problem as problem:
            self._media[id(layer)] = None
            self.errors += [replace(e, field=f"{place}{e.field}") for e in problem.errors]


def connections_of(access: Access, names: Sequence[str]) -> dict[str, SocialConnection]:
    """Return the workspace's connections among these ids (one query), by the id as given."""
    keys = {name: key for name in names if (key := as_uuid(name))}
    rows = SocialConnection.objects.filter(workspace=access.workspace, pk__in=set(keys.values()))
    found = {one.pk: one for one in rows}
    for one in found.values():
        one.workspace = access.workspace
    return {name: found[key] for name, key in keys.items() if key in found}


def no_connection(field: str) -> FieldError:
    """Return what is wrong with an id of no connection."""
    return FieldError(
        field,
        "unknown",
        "There is no such connection in this workspace: GET /api/v1/connections lists them.",
    )
