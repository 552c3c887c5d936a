"""Posts for every network, and how to reach its imitation: what the journeys play with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FILM = (HERE / "film.mp4").read_bytes()  # 4 s, upright, silent, 80 KB at least
PICTURE = (HERE / "picture.jpg").read_bytes()  # 320 x 320


@dataclass(frozen=True)
class File:
    """A file of a sample."""

    kind: str
    mime_type: str
    content: bytes
    name: str
    alt_text: str = ""


IMAGE = File("image", "image/jpeg", PICTURE, "picture.jpg", "a grey square")
BARE_IMAGE = File("image", "image/jpeg", PICTURE, "picture.jpg")
PUBLIC = "PUBLIC_TO_EVERYONE"
VIDEO = File("video", "video/mp4", FILM, "film.mp4")


@dataclass(frozen=True)
class Sample:
    """A post as a person would write it for one network. `parts` that go live are counted."""

    texts: tuple[str, ...]
    files: tuple[File, ...] = ()
    first_comment: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    is_counted: bool = True  # whether the network has figures at once

    @property
    def parts(self) -> int:
        return len(self.texts) + bool(self.first_comment)


class Several(Sample):
    """A post whose every file goes live by itself."""

    @property
    def parts(self) -> int:
        return len(self.files)


@dataclass(frozen=True)
class Network:
    """How a network is reached at the sandbox: settings by its address, credentials by a name."""

    site: str
    config: Callable[[str], Mapping[str, Any]]
    credentials: Callable[[str, str], Mapping[str, str]]
    samples: Mapping[str, Sample]
    can_delete: bool = True
    can_find: bool = True


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
    "bluesky": Network(
        "bluesky",
        lambda url: {
            "service_url": f"{url}/bluesky",
            "appview_url": f"{url}/bluesky",
            "video_url": f"{url}/bluesky",
            "plc_url": f"{url}/bluesky",
        },
        lambda url, name: {"handle": f"{name}.bsky.social", "app_password": f"app-{name}"},
        {
            "thread": Sample(("One #tag", "Two https://example.org/a"), (IMAGE,), "And three"),
            "gated": Sample(("Only some may answer",), options={"replies_from": ["mention"]}),
            "video": Sample(("A film",), (VIDEO,)),
        },
    ),
    "instagram": Network(
        "instagram",
        lambda url: {
            "graph_base": f"{url}/instagram",
            "upload_base": f"{url}/instagram",
            "oauth_base": f"{url}/instagram",
            "facebook_base": f"{url}/facebook",
        },
        bearer,
        {
            "picture": Sample(("A picture #tag",), (IMAGE,), "First!"),
            "carousel": Sample(("Several",), (IMAGE, VIDEO)),
            "reel": Sample(("A reel",), (VIDEO,)),
            "story": Sample(("",), (BARE_IMAGE,), options={"kind": "story"}, is_counted=False),
        },
        can_delete=False,  # only what was connected through Facebook
    ),
    "youtube": Network(
        "youtube",
        lambda url: {
            "api_base": f"{url}/youtube",
            "upload_base": f"{url}/youtube",
            "token_url": f"{url}/youtube/token",
            "revoke_url": f"{url}/youtube/revoke",
            "client_id": "sandbox-client",
            "client_secret": "sandbox-client-secret",
        },
        bearer,
        {
            "video": Sample(
                ("A film about bells\nAnd its description",),
                (VIDEO,),
                "First!",
                {"made_for_kids": False},
            ),
        },
    ),
    "threads": Network(
        "threads",
        lambda url: {"graph_base": f"{url}/threads", "auth_base": f"{url}/threads"},
        bearer,
        {
            "thread": Sample(("One #tag", "Two https://example.org/a"), (IMAGE,), "And three"),
            "video": Sample(("A film",), (VIDEO,)),
            "carousel": Sample(("Several",), (IMAGE, VIDEO)),
        },
    ),
    "facebook": Network(
        "facebook",
        lambda url: {
            "graph_base": f"{url}/facebook",
            "video_base": f"{url}/facebook",
            "upload_base": f"{url}/facebook",
            "dialog_base": f"{url}/facebook",
        },
        bearer,
        {
            "text": Sample(("Hello from the tower",), first_comment="First!"),
            "pictures": Sample(("Two pictures",), (IMAGE, IMAGE)),
            "video": Sample(("A film",), (VIDEO,)),
        },
    ),
    "tiktok": Network(
        "tiktok",
        lambda url: {"api_base": f"{url}/tiktok", "auth_base": f"{url}/tiktok"},
        bearer,
        {
            "video": Sample(("A film #tag",), (VIDEO,), options={"privacy_level": PUBLIC}),
            "photos": Sample(("Photos",), (BARE_IMAGE,), options={"privacy_level": PUBLIC}),
        },
    ),
    "linkedin": Network(
        "linkedin",
        lambda url: {"api_base": f"{url}/linkedin", "oauth_base": f"{url}/linkedin/oauth/v2"},
        lambda url, name: {**bearer(url, name), "author": "me"},
        {
            "text": Sample(("Hello (from) the tower_ #tag @you",)),
            "pictures": Sample(("Two pictures",), (IMAGE, IMAGE)),
            "video": Sample(("A film",), (VIDEO,)),
        },
        can_find=False,  # members' posts cannot be listed
    ),
    "deviantart": Network(
        "deviantart",
        lambda url: {
            "api_base": f"{url}/deviantart/api/v1/oauth2",
            "oauth_base": f"{url}/deviantart/oauth2",
            "client_id": "sandbox-client",
            "client_secret": "sandbox-client-secret",
        },
        bearer,
        {
            "picture": Sample(("Autumn\nFive colours",), (IMAGE,), "First!"),
            "series": Several(
                ("Autumn",), (IMAGE, BARE_IMAGE, IMAGE), options={"uploadMode": "multiple"}
            ),
            "status": Sample(("Hello from the tower",)),
            "journal": Sample(("Hello from the tower",), options={"title": "News"}),
        },
    ),
    "telegram": Network(
        "telegram",
        lambda url: {"api_base": f"{url}/telegram"},
        lambda url, name: {"bot_token": "123456:ABC-def", "chat_id": f"@{name}"},
        {
            "thread": Sample(("One <b>", "Two & three"), (IMAGE,), "And four"),
            "album": Sample(("Several",), (IMAGE, VIDEO)),
        },
    ),
    "sandbox": Network(
        "sandbox",
        lambda url: {"api_base": url},
        bearer,
        {"thread": Sample(("One", "Two"), (IMAGE,), "And three")},
    ),
}
