"""X: API v2 posts with images, GIFs and videos, threads as reply chains, OAuth 1.0a and 2.0 tokens.

Sources: docs.x.com and its OpenAPI document 2.167, read 2026-11; twitter-text config v3 (length).

Progress: `media` maps "segment.position" to what `x_uploads` knows of a file, and "described";
`published` lists the ids of the finished segments, the first comment last.
X has no idempotency key. Its duplicate detector forgets, so an unknown outcome is cleared up by
listing the account's own posts. How far that list lags is undocumented; 15 s is our assumption.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Bearer, Http, OAuth1, Response
from platforms.adapters.base import (
    Account,
    Bucket,
    Capability,
    Continue,
    Draft,
    Limits,
    Media,
    Notice,
    Processing,
    Progress,
    Published,
    RateHint,
    Ready,
    RetrySafety,
    Safety,
    Violation,
    is_id,
)
from platforms.adapters.checks import draft_violations
from platforms.adapters.x_account import XAccount
from platforms.adapters.x_counting import cost_of, doubts, excess, misfits, takes_words
from platforms.adapters.x_finding import XFinding, permalink
from platforms.adapters.x_reading import data_of, hint_of, operation_of
from platforms.adapters.x_uploads import Upload

INVALID = re.compile("[\ufffe\ufeff\uffff]")  # twitter-text: invalid characters
CASHTAG = re.compile(r"(?<![\w$])\$[A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?(?!\w)")
POST_ADDRESS = re.compile(  # also as the old names, the apps and their share buttons write it
    r"https?://(?:www\.|mobile\.|m\.)?(?:x|twitter)\.com/\w+(?:/web)?"
    r"/status(?:es)?/(?P<id>\d{1,19})(?:[/?#].*)?",
    re.IGNORECASE,
)


class X(XFinding, XAccount):
    slug = "x"
    name = "X"
    limits = Limits(
        text_chars=280,
        images=4,
        image_bytes=5 * 1024 * 1024,
        alt_text_chars=1000,
        thread_segments=25,  # ours: X sets no limit, but every part costs
        checked="2026-11-22",
        source="docs.x.com/x-api/media/quickstart/best-practices, twitter-text config v3",
        image_types=frozenset({"image/jpeg", "image/png", "image/webp"}),
        videos=1,
        video_bytes=512 * 1024 * 1024,
        video_seconds=140,  # accounts with Premium have limits of their own
        video_types=frozenset({"video/mp4", "video/quicktime", "video/webm"}),
        gifs=1,
        gif_bytes=15 * 1024 * 1024,
    )
    same_text_after = timedelta(days=1)  # undocumented; reports go from minutes to about a day
    capabilities = frozenset(
        {
            Capability.THREADS,
            Capability.IMAGES,
            Capability.VIDEOS,
            Capability.GIFS,
            Capability.ALT_TEXT,
            Capability.FIRST_COMMENT,
            Capability.FIND,
            Capability.DELETE,
            Capability.METRICS,
            Capability.REFRESH,
            Capability.REVOKE,
        }
    )
    app_wide_codes = frozenset(
        {"credits", "CreditsDepleted", "usage-capped", "client-forbidden", "app-limit-24hour"}
    )
    # docs.x.com/x-api/fundamentals/rate-limits; where two pages differ, the lower number.
    buckets = (
        Bucket("publish", "connection", 100, timedelta(minutes=15)),
        Bucket("publish.3h", "connection", 300, timedelta(hours=3)),
        Bucket("publish.24h", "app", 10_000, timedelta(hours=24)),
        Bucket("prepare", "connection", 500, timedelta(minutes=15)),
        Bucket("chunk", "connection", 1875, timedelta(minutes=15)),
        Bucket("chunk.24h", "app", 180_000, timedelta(hours=24)),
        Bucket("status", "connection", 1000, timedelta(minutes=15)),
        Bucket("describe", "connection", 500, timedelta(minutes=15)),
        Bucket("find", "connection", 900, timedelta(minutes=15)),
        Bucket("delete", "connection", 50, timedelta(minutes=15)),
        Bucket("metrics", "connection", 5000, timedelta(minutes=15)),
        Bucket("validate", "connection", 75, timedelta(minutes=15)),
    )
    retry_safety = RetrySafety(Safety.FIND, ttl=timedelta(days=7), find_lag=timedelta(seconds=15))
    credential_keys: ClassVar[Mapping[str, str]] = {
        "oauth_token?": "OAuth 1.0a: the user's access token (developer.x.com, Keys and tokens)",
        "oauth_token_secret?": "OAuth 1.0a: the secret that belongs to it",
        "access_token?": "OAuth 2.0: the access token (or another name for oauth_token)",
        "access_token_secret?": "OAuth 1.0a: another name for oauth_token_secret",
        "refresh_token?": "OAuth 2.0: the refresh token (scope offline.access)",
        "expires_at?": "OAuth 2.0: when the access token ends, ISO 8601",
    }
    options_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "reply_settings": {
                "type": "string",
                "enum": ["following", "mentionedUsers", "subscribers", "verified"],
            },
            "made_with_ai": {"type": "boolean"},
            "paid_partnership": {"type": "boolean"},
        },
    }
    prepare_ahead = timedelta(minutes=30)  # videos take a while; files are kept for a day
    required_scopes = frozenset({"tweet.read", "tweet.write", "users.read"})  # OAuth 2.0
    post_address = "https://x.com/ada/status/1234567890"
    config_variables: ClassVar[Mapping[str, str]] = {
        "consumer_key": "TWITTER_API_KEY",
        "consumer_secret": "TWITTER_API_SECRET",
        "client_id": "TWITTER_CLIENT_ID",
        "client_secret": "TWITTER_CLIENT_SECRET",
    }

    # --- what the http layer needs ----------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        return self.config.api_base

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token = str(credentials.get("oauth_token") or credentials.get("access_token") or "").strip()
        secret = credentials.get("oauth_token_secret") or credentials.get("access_token_secret")
        if not token:
            raise ServiceError(C.AUTH_ERROR, "The connection to X has no access token.")
        if not secret:
            return Bearer(token)
        config = self.config
        if not (config.consumer_key and config.consumer_secret):
            detail = "OAuth 1.0a tokens need TWITTER_API_KEY and TWITTER_API_SECRET to be set."
            raise ServiceError(C.VALIDATION_ERROR, detail, app_wide=True)
        return OAuth1(config.consumer_key, config.consumer_secret, token, str(secret).strip())

    def rate_hints(self, response: Response) -> Sequence[RateHint]:
        operation = operation_of(response)
        families = (  # header family, bucket, scope
            ("rate-limit", operation, "connection"),
            ("user-limit-24hour", f"{operation}.24h", "connection"),
            ("app-limit-24hour", f"{operation}.24h", "app"),
        )
        hints = (hint_of(response, *family) for family in families)
        return [hint for hint in hints if hint is not None]

    # --- before publishing --------------------------------------------------------------------
    def excess(self, text: str, limit: int) -> int:
        return excess(text, limit)

    def violations(self, draft: Draft) -> list[Violation]:
        found = draft_violations(draft, self.limits, self.options_schema, excess=excess)
        texts = [(f"segments[{n}].text", s.text) for n, s in enumerate(draft.segments)]
        for place, text in [*texts, ("first_comment", draft.first_comment)]:
            if len(CASHTAG.findall(text)) > 1:
                message = "X accepts at most one cashtag ($NAME) in a post. Remove the others."
                found.append(Violation(place, "too_many_cashtags", message))
            if INVALID.search(text):
                message = "X refuses an invisible character in this text. Type it anew."
                found.append(Violation(place, "invalid_characters", message))
        for number, segment in enumerate(draft.segments):
            for position, file in enumerate(segment.media):
                for code, message in misfits(file):
                    place = f"segments[{number}].media[{position}]"
                    found.append(Violation(place, code, message))
        return found

    def notices(self, draft: Draft) -> list[Notice]:
        return [cost_of(draft), *(notice for _, file in draft.files for notice in doubts(file))]

    def call_kind(self, operation: str, draft: Draft, progress: Progress) -> str:
        """X counts the steps of an upload apart."""
        place, file = _unfinished(draft, progress) if operation == "prepare" else ("", None)
        known = progress.get("media", {}).get(place, {})
        if file is None or (file.kind == "image" and not known):
            return operation
        if _is_uploaded(known):
            return "describe"
        return "status" if "since" in known else "chunk"

    async def prepare(
        self, http: Http, draft: Draft, progress: Progress
    ) -> Continue | Processing | Ready:
        media = progress.get("media", {})
        place, file = _unfinished(draft, progress)
        if file is None:
            ends = [entry["expires_at"] for entry in media.values()]
            return Ready(progress, datetime.fromtimestamp(min(ends), UTC) if ends else None)
        refused = partial(self._error, http, upload=True)
        upload, known = Upload(http, file, refused, self.unreadable), media.get(place, {})
        if _is_uploaded(known):
            step: dict[str, Any] | timedelta = await upload.describe(known)
        else:
            step = await upload.advance(known)
        if isinstance(step, timedelta):
            return Processing(progress, step)
        return Continue({**progress, "media": {**media, place: step}})

    # --- publishing ---------------------------------------------------------------------------
    async def publish(
        self, http: Http, draft: Draft, progress: Progress, *, key: str
    ) -> Continue | Published:
        done = list(progress.get("published", ()))
        total = len(draft.parts)
        if len(done) < total:
            body = self._body(draft, progress, done)
            response = await http.post("/2/tweets", json=body, writes=True)
            if not response.ok:
                raise self._error(http, response, wrote=True)
            created = data_of(response).get("id")
            if not is_id(created):
                raise self.unreadable(response, wrote=True)
            done.append(created)
            progress = {**progress, "published": done}
        if len(done) < total:
            return Continue(progress)
        return Published(tuple(done), permalink(draft, done[0]), progress)

    def _body(self, draft: Draft, progress: Progress, done: Sequence[str]) -> dict[str, Any]:
        """Return the next post: no unknown and no null keys, X answers 400 to both."""
        number = len(done)
        segment = draft.parts[number]
        body: dict[str, Any] = {"text": segment.text} if segment.text else {}
        if segment.media:
            uploaded = progress.get("media", {})
            places = [f"{number}.{position}" for position in range(len(segment.media))]
            if not all(_is_uploaded(uploaded.get(place, {})) for place in places):
                raise ServiceError(C.UNKNOWN, "The files are not uploaded yet.")
            body["media"] = {"media_ids": [uploaded[place]["id"] for place in places]}
        if done:
            body["reply"] = {"in_reply_to_tweet_id": done[-1]}
        elif "reply_settings" in draft.options:
            body["reply_settings"] = draft.options["reply_settings"]
        if number < len(draft.segments):
            for flag in ("made_with_ai", "paid_partnership"):
                if draft.options.get(flag):
                    body[flag] = True
        return body

    # --- what people see ------------------------------------------------------------------------
    def account_address(self, account: Account) -> str:
        return f"https://x.com/{account.username}" if account.username else ""

    def remote_id_in(self, address: str, account: Account) -> str:
        found = POST_ADDRESS.fullmatch(address.strip())
        return found["id"] if found else ""


def _unfinished(draft: Draft, progress: Progress) -> tuple[str, Media | None]:
    """Return the first file that is not ready to be posted, and its place."""
    media = progress.get("media", {})
    for place, file in draft.files:
        known = media.get(place, {})
        needs_words = takes_words(file) and bool(file.alt_text) and not known.get("described")
        if not _is_uploaded(known) or needs_words:
            return place, file
    return "", None


def _is_uploaded(known: Mapping[str, Any]) -> bool:
    return "id" in known and "next" not in known and "since" not in known
