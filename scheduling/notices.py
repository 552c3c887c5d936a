"""What people should know of a post that is in order: what it costs, when its access ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.words import moment
from platforms.adapters.base import Notice
from platforms.credentials import CredentialError
from platforms.models import SocialConnection
from platforms.registry import adapter_for
from scheduling.drafts import Attachment, draft_of
from scheduling.models import ScheduledPost
from scheduling.states import EDITABLE


@dataclass(frozen=True, slots=True)
class Notices:
    """All notices of one post; `cost_usd` is their sum, None where nothing costs."""

    found: tuple[Notice, ...]

    @property
    def cost_usd(self) -> float | None:
        """Return what publishing costs at the network, in US dollars."""
        costs = [notice.cost_usd for notice in self.found if notice.cost_usd is not None]
        return round(sum(costs), 4) if costs else None


def notices_of(post: ScheduledPost) -> Notices:
    """Return the notices of a post that is still to be published (connection, post_media read).

    A post that is out, or will not go out, has none.
    """
    if post.state not in EDITABLE:
        return Notices(())
    attachments = [Attachment(row.asset, row.segment, row.alt_text) for row in post.media_rows]
    return notices_for(post, attachments)


def notices_for(post: ScheduledPost, attachments: Sequence[Attachment]) -> Notices:
    """Return the notices of a post with these media; it need not be saved."""
    draft = draft_of(
        post.connection,
        segments=post.segments,
        first_comment=post.first_comment,
        options=post.options,
        attachments=attachments,
    )
    adapter = adapter_for(post.platform)
    ends = _access_ends(post.connection, post.due_at or post.scheduled_at)
    return Notices((*adapter.notices(draft), *ends))


def _access_ends(connection: SocialConnection, due_at: datetime) -> Iterable[Notice]:
    """Yield a notice when the access ends before the post's moment and nobody can renew it."""
    ends = connection.expires_at
    if ends is None or ends > due_at:
        return
    try:
        if adapter_for(connection.platform).renewable(connection.get_credentials()):
            if connection.refresh_expires_at is None or connection.refresh_expires_at > due_at:
                return
            ends = max(ends, connection.refresh_expires_at)
    except CredentialError:
        return  # preflight and the connection itself say so
    yield Notice(
        "access_ends",
        f"The access to {connection} ends at {moment(ends)}, before this post's moment: connect "
        "the account again before then.",
    )
