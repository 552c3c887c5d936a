"""DeviantArt: files go to Sta.sh ahead and are published from there; journals and statuses.

Sources: deviantart.readme.io (API v1, minor version 20240701), wix-incubator/DeviantArt-API
(issues 134, 148, 238), read 2026-11. Recalled: that a status is a deviation whose id is its own.

Progress: `items` maps "segment.position" to {"id" (in Sta.sh), "at" (epoch seconds)}; `checked` is
the place for whose upload the token was tried; `permalink` is the first work's address.
`published` lists the works, one for each file, then the comment.
Publishing the same Sta.sh item twice is refused ("already published"), so a repeat is safe; texts
and comments have nothing of the kind and are looked for. Its limits are secret: calls to one
account are kept apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Auth, Bearer, Http, Part
from platforms.adapters import deviantart_post as post
from platforms.adapters.base import (
    Account,
    ApiVersion,
    Bucket,
    Capability,
    Continue,
    Draft,
    Limits,
    Media,
    Notice,
    Progress,
    Published,
    Ready,
    RetrySafety,
    Safety,
    Violation,
    is_id,
)
from platforms.adapters.checks import draft_violations
from platforms.adapters.deviantart_account import DeviantArtAccount
from platforms.adapters.deviantart_finding import (
    COMMENT,
    address_of,
    count_works,
)
from platforms.adapters.deviantart_reading import (
    APP_WIDE,
    ERRORS,
    id_of,
    kind_of,
)

MB = 1000 * 1000
LARGE_BYTES = 5 * MB  # from here on the token is tried before the upload
UPLOAD_DEADLINE = timedelta(seconds=90)
KEPT_FOR = timedelta(days=30)  # ours: Sta.sh keeps what nobody deletes
LISTS_LATE = timedelta(seconds=60)  # ours: how long a new work may be missing from the lists


class DeviantArt(DeviantArtAccount):
    slug = "deviantart"
    name = "DeviantArt"
    limits = Limits(
        text_chars=60_000,  # ours: unpublished
        images=20,  # ours, of uploadMode multiple; a deviation has one file
        image_bytes=30 * MB,
        alt_text_chars=0,
        thread_segments=1,
        checked="2026-11-25",
        source="deviantart.readme.io/reference/stash_submit, /stash_publish; sizes recalled",
        videos=5,
        video_bytes=200 * MB,
        video_types=frozenset({"video/mp4", "video/quicktime", "video/webm", "video/x-msvideo"}),
        gifs=20,
        gif_bytes=30 * MB,
        files=20,
        mixes=True,
    )
    capabilities = frozenset(
        {
            Capability.IMAGES,
            Capability.VIDEOS,
            Capability.GIFS,
            Capability.FIRST_COMMENT,
            Capability.FIND,
            Capability.METRICS,
            Capability.REFRESH,
            Capability.REVOKE,
        }
    )
    errors = ERRORS
    app_wide_codes = APP_WIDE
    # Unpublished; 60 calls an hour and account is what others measured after bursts.
    buckets = (Bucket("publish", "connection", 60, timedelta(hours=1)),)
    adaptive_spacing = True
    in_flight_per_connection = 1
    prepare_ahead = timedelta(hours=1)  # calls are kept apart, so files take turns
    retry_safety = RetrySafety(
        Safety.KEY, ttl=timedelta(days=7), min_wait=LISTS_LATE, find_lag=LISTS_LATE
    )
    credential_keys: ClassVar[Mapping[str, str]] = {
        "access_token": "Access token with the scopes user, browse, stash, publish, user.manage "
        "(journals, statuses) and comment.post (first comments)",
        "refresh_token?": "Refresh token; it works once",
        "expires_at?": "When the access token ends, ISO 8601",
    }
    required_scopes = frozenset({"user", "browse", "stash", "publish"})
    review_gates = (
        "New applications must use OAuth 2.1 with PKCE, and redirect addresses that match exactly; "
        "there is no review.",
    )
    options_schema = post.OPTIONS
    config_variables: ClassVar[Mapping[str, str]] = {
        "client_id": "DEVIANTART_CLIENT_ID",
        "client_secret": "DEVIANTART_CLIENT_SECRET",
    }

    # --- what the http layer needs ----------------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        return self.config.api_base

    def authorize(self, credentials: Mapping[str, Any]) -> Auth:
        token = str(credentials.get("access_token") or "").strip()
        if not token:
            raise ServiceError(C.AUTH_ERROR, "The connection to DeviantArt has no access token.")
        return Bearer(token)

    def api_versions(self) -> Sequence[ApiVersion]:
        return (ApiVersion("DEVIANTART_API_VERSION", self.config.api_version, None),)

    # --- before publishing --------------------------------------------------------------------
    def violations(self, draft: Draft) -> list[Violation]:
        found = draft_violations(draft, self.limits, self.options_schema, excess=self.excess)
        return [*found, *post.violations(draft)]

    def notices(self, draft: Draft) -> list[Notice]:
        return post.notices(draft)

    @classmethod
    def part_texts(
        cls, texts: Sequence[str], *, files: int, options: Mapping[str, Any]
    ) -> Sequence[str]:
        is_series = options.get("uploadMode") == "multiple" and files > 1
        return list(texts[:1]) * files if is_series else texts

    def safety(self, draft: Draft, progress: Progress) -> RetrySafety:
        if draft.files and len(progress.get("published", ())) < len(draft.files):
            return self.retry_safety
        return RetrySafety(Safety.FIND, ttl=timedelta(), find_lag=LISTS_LATE)

    async def prepare(self, http: Http, draft: Draft, progress: Progress) -> Continue | Ready:
        items = dict(progress.get("items", {}))
        for place, file in draft.files[len(progress.get("published", ())) :]:
            if place in items:
                continue
            if file.size_bytes > LARGE_BYTES and progress.get("checked") != place:
                await self._get(http, "/placebo")
                return Continue({**progress, "checked": place})
            items[place] = await self._submit(http, draft, place, file)
            return Continue({**progress, "items": items})
        first = min((item["at"] for item in items.values()), default=None)
        return Ready(progress, first and datetime.fromtimestamp(first, UTC) + KEPT_FOR)

    async def _submit(self, http: Http, draft: Draft, place: str, file: Media) -> dict[str, Any]:
        """Put a file into Sta.sh, where nobody sees it; tags and folders are lost there."""
        name = post.file_name_of(file, place)
        response = await http.post(
            "/stash/submit",
            multipart=[
                Part("title", post.title_of(draft)),
                Part("artist_comments", post.body_of(draft)),
                Part("file", file.read, file.size_bytes, name, file.mime_type),
            ],
            headers=self._version,
            timeout=UPLOAD_DEADLINE,
        )
        item_id = id_of(self._success(response, upload=True).get("itemid"))
        if not item_id:
            raise self.unreadable(response)
        return {"id": item_id, "at": int(response.received_at.timestamp())}

    async def discard(self, http: Http, progress: Progress) -> None:
        for item in progress.get("items", {}).values():
            form = {"itemid": item["id"]}
            response = await http.post("/stash/delete", form=form, headers=self._version)
            if response.status >= 500 or response.status in (401, 403, 429):
                raise self.error(response)

    # --- publishing ---------------------------------------------------------------------------
    async def publish(
        self, http: Http, draft: Draft, progress: Progress, *, key: str
    ) -> Continue | Published:
        done, works = list(progress.get("published", ())), count_works(draft)
        total = works + bool(draft.first_comment)
        if len(done) < works:
            make = self._publish_file if draft.files else self._publish_text
            remote_id, address = await make(http, draft, progress)
            if not done:
                progress = {**progress, "permalink": address}
            done.append(remote_id)
        elif len(done) < total:
            done.append(await self._comment(http, draft, done[0]))
        progress = {**progress, "published": done}
        if len(done) < total:
            return Continue(progress)
        return Published(tuple(done), address_of(draft, progress), progress)

    async def _publish_file(self, http: Http, draft: Draft, progress: Progress) -> tuple[str, str]:
        """Publish the next file out of Sta.sh; returns the deviation's id and address."""
        place, _ = draft.files[len(progress.get("published", ()))]
        item = progress.get("items", {}).get(place)
        if item is None:
            raise ServiceError(C.UNKNOWN, "The file is not uploaded yet.")
        form = post.publish_form(draft, item["id"])
        response = await http.post("/stash/publish", form=form, headers=self._version, writes=True)
        if kind_of(response) == "already-published":
            return await self._already_published(http, draft, progress, item)
        answer = self._success(response, wrote=True)
        deviation = answer.get("deviationid")
        if not is_id(deviation):
            raise self.unreadable(response, wrote=True)
        return deviation, str(answer.get("url") or "")

    async def _already_published(
        self, http: Http, draft: Draft, progress: Progress, item: Mapping[str, Any]
    ) -> tuple[str, str]:
        """Return the deviation an item became in an earlier try; DeviantArt does not name it."""
        since = datetime.fromtimestamp(item["at"], UTC) - timedelta(minutes=2)
        found = await self._find_work(http, draft, progress, since)
        if found is None:
            detail = "DeviantArt has published the file already and does not show it yet."
            raise ServiceError(C.OUTCOME_UNKNOWN, detail, provider_code="already-published")
        return found

    async def _publish_text(self, http: Http, draft: Draft, progress: Progress) -> tuple[str, str]:
        is_journal = post.is_journal(draft)
        path = "/deviation/journal/create" if is_journal else "/user/statuses/post"
        form = post.journal_form(draft) if is_journal else [("body", post.body_of(draft))]
        response = await http.post(path, form=form, headers=self._version, writes=True)
        answer = self._success(response, wrote=True)
        remote_id = answer.get("deviationid" if is_journal else "statusid")
        if not is_id(remote_id):
            raise self.unreadable(response, wrote=True)
        return remote_id, str(answer.get("url") or "") or await self._address_of(http, remote_id)

    async def _address_of(self, http: Http, remote_id: str) -> str:
        """Ask for the address of a text; without it the account's own must do."""
        try:
            answer = await self._get(http, f"/deviation/{remote_id}")
        except ServiceError:
            return ""
        return str(answer.get("url") or "")

    async def _comment(self, http: Http, draft: Draft, on: str) -> str:
        response = await http.post(
            f"/comments/post/deviation/{on}",
            form={"body": post.to_html(draft, draft.first_comment)},
            headers=self._version,
            writes=True,
        )
        comment_id = self._success(response, wrote=True).get("commentid")
        if not is_id(comment_id):
            raise self.unreadable(response, wrote=True)
        return f"{COMMENT}{comment_id}"

    # --- what people see ------------------------------------------------------------------------
    def account_address(self, account: Account) -> str:
        return f"https://www.deviantart.com/{account.username}" if account.username else ""
