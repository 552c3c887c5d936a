"""Posts for every network, and how to reach its imitation: what the journeys play with."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# The smallest JPEG that decoders accept: 1 x 1, grey.
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////"
    "////////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA="
)
MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42" + bytes(300_000)


@dataclass(frozen=True)
class File:
    """A file of a sample."""

    kind: str
    mime_type: str
    content: bytes
    name: str
    alt_text: str = ""


IMAGE = File("image", "image/jpeg", JPEG, "dot.jpg", "a dot")
BARE_IMAGE = File("image", "image/jpeg", JPEG, "dot.jpg")
VIDEO = File("video", "video/mp4", MP4, "film.mp4")


@dataclass(frozen=True)
class Sample:
    """A post as a person would write it for one network. `parts` that go live are counted."""

    texts: tuple[str, ...]
    files: tuple[File, ...] = ()
    first_comment: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parts(self) -> int:
        return len(self.texts) + bool(self.first_comment)


@dataclass(frozen=True)
class Network:
    """How a network is reached at the sandbox: settings by its address, credentials by a name."""

    site: str
    config: Callable[[str], Mapping[str, Any]]
    credentials: Callable[[str, str], Mapping[str, str]]
    samples: Mapping[str, Sample]
    can_delete: bool = True


def bearer(url: str, name: str) -> Mapping[str, str]:
    return {"access_token": f"demo-{name}"}


NETWORKS: Mapping[str, Network] = {
    "x": Network(
        "x",
        lambda url: {
            "api_base": f"{url}/x",
            "token_url": f"{url}/x/2/oauth2/token",
            "client_id": "sandbox-client",
            "client_secret": "sandbox-client-secret",
        },
        bearer,
        {
            "text": Sample(("Hello from the tower",)),
            "thread": Sample(("One", "Two https://example.org/a"), (IMAGE,), "And three"),
        },
    ),
    "mastodon": Network(
        "mastodon/one",
        lambda url: {},
        lambda url, name: {**bearer(url, name), "instance_url": f"{url}/mastodon/one"},
        {
            "text": Sample(("Hello from the tower",)),
            "thread": Sample(("One", "Two https://example.org/a"), (IMAGE,), "And three"),
        },
    ),
    "youtube": Network(
        "youtube",
        lambda url: {"api_base": f"{url}/youtube", "upload_base": f"{url}/youtube"},
        bearer,
        {
            "video": Sample(
                ("Hello from the tower",), (VIDEO,), "And a comment", {"made_for_kids": False}
            ),
        },
    ),
    "sandbox": Network(
        "sandbox",
        lambda url: {"api_base": url},
        bearer,
        {"thread": Sample(("One", "Two"), (IMAGE,), "And three")},
    ),
}
