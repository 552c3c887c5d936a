"""What the imitation post offices delivered: mails, texts, pushes, Slack messages, callbacks.

The page at `/inbox` shows it, newest first, each in the shape that its reader would see.
`/_inbox.json` is the judge's book: every message that was accepted, copies too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.world import Letter, World

OFFICES = ("sendgrid", "twilio", "fcm", "slack", "callbacks")  # networks that deliver letters
_PAGE = Path(__file__).parent / "page"
_SHOWN = 200
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A mail's HTML runs nothing and loads nothing; it may only look as its own styles say.
_MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups"


@dataclass(slots=True)
class Counter:
    """How many letters with the same content each reader got."""

    seen: dict[bytes, int] = field(default_factory=dict)


def deliver(
    world: World, office: str, *, to: str, sender: str, content: dict[str, Any], id: str
) -> Letter:
    """Put a message into the inbox; one equal to an earlier one is marked as a copy."""
    said = json.dumps([to, content], sort_keys=True).encode()
    print_ = hashlib.blake2b(office.encode() + said, digest_size=16).digest()
    counts = world.site(office).books(Counter).seen
    counts[print_] = counts.get(print_, 0) + 1
    letter = Letter(id, office, to, sender, world.now(), content, is_copy=counts[print_] > 1)
    world.letters.append(letter)
    world.revision += 1
    return letter


def add_routes(app: web.Application, world: World) -> None:
    """Add the page, its data, and the mails' HTML."""
    inbox = _Inbox(world)
    app.router.add_get("/inbox", inbox.page)
    app.router.add_get("/_inbox.json", inbox.data)
    app.router.add_get("/_inbox/{id}.html", inbox.html)


class _Inbox:
    def __init__(self, world: World) -> None:
        self._world = world
        self._page = (_PAGE / "inbox.html").read_bytes()

    async def page(self, _request: web.Request) -> web.Response:
        return _guarded(self._page, _POLICY, frame="DENY")

    async def data(self, request: web.Request) -> web.Response:
        """Newest first; `office`, `to` and `limit` narrow it. `after` may spare the letters."""
        world, query = self._world, request.query
        revision = f"{world.run_id}-{world.revision}"
        answer: dict[str, Any] = {
            "revision": revision,
            "now": world.now(),
            "rules": world.switches.as_json(),
        }
        if query.get("after") == revision:
            return web.json_response(answer)
        limit = int(query["limit"]) if query.get("limit", "").isdecimal() else _SHOWN
        wanted = {key: query[key] for key in ("office", "to") if key in query}
        found = [
            letter
            for letter in reversed(world.letters)
            if all(getattr(letter, key) == value for key, value in wanted.items())
        ]
        counts = {
            office: sum(letter.office == office for letter in world.letters) for office in OFFICES
        }
        letters = [_letter_json(letter) for letter in found[:limit]]
        return web.json_response(
            {**answer, "total": len(found), "counts": counts, "letters": letters}
        )

    async def html(self, request: web.Request) -> web.Response:
        """The HTML part of a mail, for a sandboxed frame."""
        for letter in self._world.letters:
            if letter.id == request.match_info["id"] and letter.content.get("html"):
                return _guarded(letter.content["html"].encode(), _MAIL_POLICY, frame="SAMEORIGIN")
        raise web.HTTPNotFound


def _letter_json(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "office": letter.office,
        "to": letter.to,
        "sender": letter.sender,
        "at": letter.at,
        "is_copy": letter.is_copy,
        "status": letter.status,
        "content": letter.content,
    }


def _guarded(body: bytes, policy: str, *, frame: str) -> web.Response:
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": frame,
        "Cache-Control": "no-cache",
    }
    return web.Response(body=body, headers=headers, content_type="text/html", charset="utf-8")
