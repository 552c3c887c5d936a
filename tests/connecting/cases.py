"""What each backend's tests need to know; a backend without a case here fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """How one network is connected.

    `posted` goes with Connect ("{site}" is the sandbox); `scope` is one without which no post goes
    out ("" where there are none).
    """

    scope: str
    posted: Mapping[str, str] = field(default_factory=dict)
    refreshes: bool = False  # the consent brings a refresh token
    ends_there: bool = True  # disconnecting ends the tokens at the network, too


CASES: dict[str, Case] = {
    "x": Case(scope="tweet.write", refreshes=True),
    "x-oauth1": Case(scope="", ends_there=False),
    "linkedin": Case(scope="w_member_social"),
    "mastodon": Case(scope="write:statuses", posted={"server": "{site}/mastodon/one"}),
    "instagram": Case(scope="instagram_business_content_publish", ends_there=False),
    "instagram-facebook": Case(scope="instagram_content_publish", ends_there=False),
    "threads": Case(scope="threads_content_publish", ends_there=False),
    "facebook": Case(scope="pages_manage_posts", ends_there=False),
    "youtube": Case(scope="https://www.googleapis.com/auth/youtube.upload", refreshes=True),
    "deviantart": Case(scope="publish", refreshes=True),
    "tiktok": Case(scope="video.publish", refreshes=True),
}
