"""What every network adapter is: stateless, frozen data in and out, one request at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeGuard

from engine.errors import ErrorCategory, ServiceError
from engine.http import Http, Response

ErrorTable = Mapping[
    tuple[int, str], ErrorCategory
]  # (HTTP status, provider code or "") -> category


class Capability(StrEnum):
    """What a network can do beyond publishing a text."""

    THREADS = "threads"
    IMAGES = "images"
    VIDEOS = "videos"
    GIFS = "gifs"
    ALT_TEXT = "alt_text"
    FIRST_COMMENT = "first_comment"
    IDEMPOTENCY_KEY = "idempotency_key"
    FIND = "find"
    DELETE = "delete"
    METRICS = "metrics"
    REFRESH = "refresh"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the network accepts; `checked` is the date it was read and `source` where.

    Numbers of files are per segment, sizes in bytes, lengths in the unit that the network counts
    in (`Adapter.excess`); 0 files of a kind: it takes none. `files` bounds all kinds together.
    A connection's own limits carry the same names.
    """

    text_chars: int
    images: int
    image_bytes: int
    alt_text_chars: int
    thread_segments: int
    checked: str
    source: str
    image_types: frozenset[str] = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
    videos: int = 0
    video_bytes: int = 0
    video_seconds: int = 0  # 0: no limit known
    video_types: frozenset[str] = frozenset({"video/mp4", "video/quicktime"})
    gifs: int = 0
    gif_bytes: int = 0
    files: int = 0  # 0: as many as the largest kind
    mixes: bool = False  # whether one segment may hold files of several kinds
    needs_file: bool = False  # whether a segment without a file is refused
    comment_chars: int = 0  # of a first comment; 0: as `text_chars`


@dataclass(frozen=True, slots=True)
class Bucket:
    """One allowance: `calls` per `window` and scope ("connection", "app" or "host").

    `name` is the operation it is for (publish, prepare, find, ...; "other" for those without one
    of their own), followed by a dot and more where an operation has several: "publish.24h".
    An operation may also be a kind of call that `Adapter.call_kind` names.
    `counted`: the network's answers do not tell what is left, so we count. Such a bucket may have
    a `pool` that several operations draw from, `cost` units a call (then `calls` are units), and
    may be refilled at midnight in the time zone `refilled_in` instead of a `window` after its
    first call.
    """

    name: str
    scope: str
    calls: int
    window: timedelta
    counted: bool = False
    cost: int = 1
    pool: str = ""
    refilled_in: str = ""

    @property
    def operation(self) -> str:
        """Return the kind of call this bucket is for."""
        return self.name.partition(".")[0]


class Safety(StrEnum):
    """How an unknown outcome is cleared up."""

    KEY = "key"  # a repeat under the same key or handle returns the original
    FIND = "find"  # the network can be asked whether the post is there
    PERSON = "person"  # nobody but a person can tell


@dataclass(frozen=True, slots=True)
class RetrySafety:
    """How safe a repeat is: `kind`, and the ages between which it holds.

    KEY: a repeat is safe while min_wait < age < ttl - 5 min; `per_server`: servers differ, so
    `find` is asked first where there is one. `find_lag`: how long a new post may be missing from
    what `find` reads; "not there" counts only later than that after the last possible landing.
    """

    kind: Safety
    ttl: timedelta
    min_wait: timedelta = timedelta()
    find_lag: timedelta = timedelta(seconds=15)
    per_server: bool = False


class Reader(Protocol):
    """Yields the bytes of a file, in chunks of at most 1 MiB, each time it is called."""

    def __call__(self, start: int = 0, size: int | None = None) -> AsyncIterator[bytes]:
        """Read `size` bytes (default: to the end) from byte `start` on."""


@dataclass(frozen=True, slots=True)
class Media:
    """One file of a post. `width`, `height` and `seconds` are 0 while they are not known.

    `url` is a public address from which the network can fetch the file for at least 25 hours;
    "" where this installation has none (PUBLIC_URL is not set).
    """

    kind: str  # "image", "gif" or "video"
    mime_type: str
    size_bytes: int
    alt_text: str
    file_name: str
    read: Reader = field(repr=False, compare=False)
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    url: str = field(default="", repr=False)

    def part(self, start: int, size: int) -> Callable[[], AsyncIterator[bytes]]:
        """Return how to read a part of the file, for `engine.http.Stream` and `Part`."""
        return lambda: self.read(start, size)


@dataclass(frozen=True, slots=True)
class Segment:
    """One post of a thread (a single post is a thread of one)."""

    text: str
    media: tuple[Media, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """The connected account, as `validate` reports it."""

    external_id: str
    username: str
    display_name: str = ""
    avatar_url: str = ""
    instance_url: str = ""
    scopes: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """One account that a consent lets us publish to, with the credentials kept for it.

    `problem` says why it cannot be chosen, with the remedy; "" when it can.
    """

    account: Account
    credentials: Mapping[str, Any] = field(repr=False)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be published, for one account. `limits` are this account's own, if it has any."""

    segments: tuple[Segment, ...]
    account: Account
    first_comment: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[Segment, ...]:
        """Return all that is published, in order: the segments, then the first comment if any."""
        if not self.first_comment:
            return self.segments
        return (*self.segments, Segment(self.first_comment))

    @property
    def files(self) -> list[tuple[str, Media]]:
        """Return every file with its place, "segment.position", as progress names it."""
        return [
            (f"{number}.{position}", file)
            for number, segment in enumerate(self.segments)
            for position, file in enumerate(segment.media)
        ]


# JSON; see the adapter's docstring for its keys. "sealed" holds an object with what gives power to
# whoever has it, such as the addresses of uploads: it is encrypted at rest and shown nowhere.
Progress = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """One reason why a draft cannot be published as it is, with the remedy in the message."""

    field: str  # e.g. "segments[0].text"
    code: str  # e.g. "text_too_long"
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What people should know of a draft that is in order: a cost, a policy of the network.

    `cost_usd` is what publishing it costs at the network, None for what costs nothing.
    """

    code: str  # e.g. "costs_money"
    message: str
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """A version of a network's interface that a setting pins, and the day it stops working.

    `ends` is None for a version whose end we do not know.
    """

    variable: str
    value: str
    ends: date | None


@dataclass(frozen=True, slots=True)
class Continue:
    """One step done; commit `progress`, then call again."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Ready:
    """Nothing is left to prepare."""

    progress: Progress
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Processing:
    """The network works on it; ask again with `check` after `poll_after`."""

    progress: Progress
    poll_after: timedelta


@dataclass(frozen=True, slots=True)
class Published:
    """It is live: the ids of all segments in order, and the public address of the first."""

    remote_ids: tuple[str, ...]
    permalink: str = ""
    progress: Progress = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PostMetrics:
    remote_id: str
    values: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RateHint:
    """What an answer's headers say about one bucket of this connection (or app)."""

    bucket: str
    scope: str = "connection"
    limit: int | None = None
    remaining: int | None = None
    resets_at: datetime | None = None


class Config(Protocol):
    """Each adapter has its own frozen config dataclass, filled from settings.PLATFORMS[slug]."""


@dataclass(frozen=True, slots=True)
class NoConfig:
    """For networks that need no settings."""


class Adapter:
    """Base of all adapters; see docs/adding-a-platform.md.

    Adapters keep no state, read no settings, never sleep, never retry, log nothing, and raise
    ServiceError only. `publish` and `prepare` make at most ONE protected request per call.
    `credentials` are the decrypted JSON object of the connection; keys are documented per adapter
    in `credential_keys` (name -> what it is and where to get it; a trailing "?" on the name means
    optional).
    """

    slug: ClassVar[str]
    name: ClassVar[str]
    limits: ClassVar[Limits]
    capabilities: ClassVar[frozenset[Capability]]
    errors: ClassVar[ErrorTable]
    buckets: ClassVar[tuple[Bucket, ...]] = ()
    adaptive_spacing: ClassVar[bool] = False  # its limits are secret: keep an account's calls apart
    retry_safety: ClassVar[RetrySafety]
    credential_keys: ClassVar[Mapping[str, str]] = {}
    required_scopes: ClassVar[frozenset[str]] = frozenset()  # without which no post goes out
    text_unit: ClassVar[str] = "characters"  # what `excess` counts, in words for people
    review_gates: ClassVar[Sequence[str]] = ()  # what the network asks of an application first
    # How long before its end a token is renewed although nothing is due (it must be this old, too,
    # where the network says so); None: tokens are renewed for posts only.
    keep_alive: ClassVar[timedelta | None] = None
    # How long before the moment files are prepared; None: with the look-ahead, some minutes. Long
    # where the network takes its time with a file, short where it forgets what nobody uses.
    prepare_ahead: ClassVar[timedelta | None] = None
    # How long after a text the same account may have the same text refused; zero: never.
    same_text_after: ClassVar[timedelta] = timedelta()
    options_schema: ClassVar[Mapping[str, Any]] = {}  # JSON Schema of `Draft.options`
    in_flight_per_connection: ClassVar[int] = 4
    in_flight_per_app: ClassVar[int | None] = None  # None: the slot's own concurrency bounds it
    app_wide_codes: ClassVar[frozenset[str]] = frozenset()  # provider codes that concern the app
    config_class: ClassVar[type[Any]] = NoConfig
    config_variables: ClassVar[Mapping[str, str]] = {}  # config field -> environment variable
    post_address: ClassVar[str] = ""  # an example; "" where addresses do not tell the remote id

    def __init__(self, config: Any = None) -> None:
        self.config = config if config is not None else self.config_class()

    # --- what the http layer needs of us --------------------------------------------------
    def base_url(self, credentials: Mapping[str, Any]) -> str:
        """Return the address all relative paths are joined to."""
        raise NotImplementedError

    def user_given_host(self) -> bool:
        """Say whether base_url comes from a user (then private addresses are refused)."""
        return False

    def authorize(self, credentials: Mapping[str, Any]) -> Any:
        """Return the `engine.http` auth object (Bearer, OAuth1) for these credentials."""
        raise NotImplementedError

    def rate_hints(self, response: Response) -> Sequence[RateHint]:
        """Read an answer's rate-limit headers; called for every answer, good or bad."""
        return ()

    # --- the account's credentials --------------------------------------------------------
    async def sign_in(self, http: Http, entered: Mapping[str, Any]) -> Mapping[str, Any]:
        """Turn what a person entered, or a consent brought, into the credentials that are kept.

        Networks with app passwords make a session here, others swap a token of an hour for one of
        months; `http` carries no authorization.
        """
        return entered

    def renewable(self, credentials: Mapping[str, Any]) -> bool:
        """Say whether a fresh access token can be had without the account's owner."""
        return Capability.REFRESH in self.capabilities and bool(credentials.get("refresh_token"))

    async def targets(self, http: Http, credentials: Mapping[str, Any]) -> list[Target]:
        """Return the accounts these credentials may publish to; most networks have one.

        Networks where people sign in but pages, channels or organizations publish list them here,
        each with its own credentials. An empty list: there is nothing to publish to.
        """
        return [Target(await self.validate(http), credentials)]

    # --- the life of a post ---------------------------------------------------------------
    def excess(self, text: str, limit: int) -> int:
        """Return by how much `text` is over `limit` as the network counts, or 0."""
        return max(0, len(text) - limit)

    def length(self, text: str) -> int:
        """Return how long `text` is as the network counts."""
        return self.excess(text, 0)

    def notices(self, draft: Draft) -> list[Notice]:
        """Return what people should know before they publish this draft; no network call."""
        return []

    def api_versions(self) -> Sequence[ApiVersion]:
        """Return the versions of the network's interface that are in use."""
        return ()

    def violations(self, draft: Draft) -> list[Violation]:
        """Return why the network would refuse this draft; no network call."""
        raise NotImplementedError

    def call_kind(self, operation: str, draft: Draft, progress: Progress) -> str:
        """Return which kind of call the next step of `operation` ("prepare" or "publish") is.

        For networks that count calls of several kinds in one operation: `buckets` have its name.
        The first step of "publish" is always one of the kind "publish".
        """
        return operation

    def safety(self, draft: Draft, progress: Progress) -> RetrySafety:
        """Return how safe a repeat of the next request of `publish` is.

        `retry_safety`, unless posts of several kinds, or parts of one, differ.
        """
        return self.retry_safety

    @classmethod
    def part_texts(
        cls, texts: Sequence[str], *, files: int, options: Mapping[str, Any]
    ) -> Sequence[str]:
        """Return the texts of the parts that go live one by one, without the first comment.

        One for each segment, unless each of a segment's files becomes a post of its own. Progress
        key "published" has an id for each part that is live.
        """
        return texts

    def needs_preparation(self, draft: Draft) -> bool:
        """Say whether something can be uploaded ahead of the moment (no network call)."""
        return any(segment.media for segment in draft.segments)

    async def prepare(
        self, http: Http, draft: Draft, progress: Progress
    ) -> Continue | Processing | Ready:
        """Do one invisible step ahead of time (upload one file, or one chunk); free to repeat.

        Processing: the network still works on a file; the same step is asked again later. How long
        that may take is the adapter's to judge: it raises MEDIA_ERROR when it has lost patience.
        Progress key "resumed" is true, put there by the engine for this call only, when it goes on
        where another run left off: that one's last request may have arrived although its progress
        was not kept.
        """
        return Ready(progress)

    async def publish(
        self, http: Http, draft: Draft, progress: Progress, *, key: str
    ) -> Continue | Processing | Published:
        """Make the next protected request. `key` is this segment's idempotency key.

        Progress key "published": remote ids of the finished segments (the first comment is the
        last one). When none is left to do, Published comes back without a request. Progress key
        "repeated" is true, put there by the engine for this call only, when this segment may have
        been sent before and the answer was lost: networks that name the original in a refusal
        ("duplicate of ...") adopt it then, unless it is one of `spoken_for(progress)`.
        """
        raise NotImplementedError

    async def check(
        self, http: Http, draft: Draft, progress: Progress
    ) -> Processing | Ready | Published:
        """Ask, read-only, how far the network is.

        When its work has failed, so that nothing is live, the error says `starts_over`.
        """
        raise NotImplementedError

    async def find(
        self, http: Http, draft: Draft, progress: Progress, *, segment: int, since: datetime
    ) -> Published | None:
        """Look for segment number `segment` among the account's posts made after `since`.

        Returns Published with `remote_ids` of just that segment, or None when it is not there.
        Never one of `spoken_for(progress)`: those are other segments, or other posts of the same
        text. Raises OUTCOME_UNKNOWN when the answer cannot be trusted (truncated list).
        """
        raise NotImplementedError

    async def discard(self, http: Http, progress: Progress) -> None:
        """Remove from the network what was prepared and will not be published; free to repeat.

        For networks that show it somewhere (a private video, a draft); what expires by itself
        needs none. What is gone already is no error.
        """

    async def validate(self, http: Http) -> Account:
        """Return whose credentials these are; raises AUTH_ERROR when nobody's."""
        raise NotImplementedError

    async def refresh(self, http: Http, credentials: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return new credentials; raises AUTH_ERROR with code invalid_grant when it is over.

        One request, made with `writes=True` where refresh tokens work once: OUTCOME_UNKNOWN then
        says that the answer with the new pair is lost, NETWORK_ERROR that nothing was sent. Only
        invalid_grant ends a connection; everything else is tried again later.
        """
        raise NotImplementedError

    async def revoke(self, http: Http) -> None:
        """Tell the network that the token is no longer wanted."""
        raise NotImplementedError

    async def delete(self, http: Http, remote_id: str) -> None:
        """Remove a published post."""
        raise NotImplementedError

    async def metrics(self, http: Http, remote_ids: Sequence[str]) -> list[PostMetrics]:
        """Return the present counters of published posts."""
        raise NotImplementedError

    # --- what people see ------------------------------------------------------------------
    def account_address(self, account: Account) -> str:
        """Return the account's public page, for people to look at; "" when it is not known."""
        return ""

    def remote_id_in(self, address: str, account: Account) -> str:
        """Return the remote id that a post's public address tells; "" when it tells none.

        Adapters that can read addresses say how one looks in `post_address`.
        """
        return ""

    # --- shared judgement -----------------------------------------------------------------
    def provider_code(self, response: Response) -> str:
        """Return the network's machine-readable code in an error answer, or ""."""
        return ""

    def retry_after(self, response: Response) -> timedelta | None:
        """Return how long the network asks us to wait; networks without Retry-After override it."""
        return response.retry_after

    def error(
        self,
        response: Response,
        *,
        wrote: bool = False,
        upload: bool = False,
        table: ErrorTable | None = None,
    ) -> ServiceError:
        """Turn a bad answer into a ServiceError by the table (status, code), then by status.

        `wrote` marks a request that may have made something visible: a 5xx to it is
        OUTCOME_UNKNOWN unless the table says otherwise. `upload` marks one whose content is a
        file: a refusal of it is MEDIA_ERROR. `table` replaces the adapter's own.
        """
        code = self.provider_code(response)[:100]
        table = self.errors if table is None else table
        category = table.get((response.status, code)) or table.get((response.status, ""))
        if category is None:
            category = default_category(response.status, wrote=wrote)
        if upload and category is ErrorCategory.VALIDATION_ERROR:
            category = ErrorCategory.MEDIA_ERROR
        return ServiceError(
            category,
            sentence(response.redact(self.explain(response))),
            retry_after=self.retry_after(response),
            provider_code=code,
            http_status=response.status,
            request_id=response.request_id,
            excerpt=response.excerpt,
            app_wide=code in self.app_wide_codes,
        )

    def unreadable(self, response: Response, *, wrote: bool = False) -> ServiceError:
        """Return the error for a 2xx answer that does not say what it should."""
        category = ErrorCategory.OUTCOME_UNKNOWN if wrote else ErrorCategory.UNKNOWN
        return ServiceError(
            category,
            f"{self.name} answered HTTP {response.status}, but not in the form it documents.",
            http_status=response.status,
            request_id=response.request_id,
            excerpt=response.excerpt,
        )

    def explain(self, response: Response) -> str:
        """Return the network's own reason in words for people (no secrets)."""
        return f"{self.name} answered HTTP {response.status}."


def spoken_for(progress: Progress) -> frozenset[str]:
    """Return the remote ids that `find` must pass over.

    Progress key "published": this post's own finished segments; "taken": ids that belong to
    other posts, put there by the engine for the question only.
    """
    return frozenset([*progress.get("published", ()), *progress.get("taken", ())])


def sentence(text: str) -> str:
    """End a network's words as a sentence: a remedy is often written after them."""
    text = text.rstrip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def is_id(value: object) -> TypeGuard[str]:
    """Say whether something out of an answer can be a remote id."""
    return isinstance(value, str) and bool(value)


def default_category(status: int, *, wrote: bool) -> ErrorCategory:
    """Return the category of an HTTP status that no table mentions."""
    if status == 429:
        return ErrorCategory.RATE_LIMIT
    if status == 401:
        return ErrorCategory.AUTH_ERROR
    if status == 403:
        return ErrorCategory.PERMISSION
    if 400 <= status < 500:
        return ErrorCategory.VALIDATION_ERROR
    if status >= 500:
        return ErrorCategory.OUTCOME_UNKNOWN if wrote else ErrorCategory.SERVER_ERROR
    return ErrorCategory.OUTCOME_UNKNOWN if wrote else ErrorCategory.UNKNOWN
