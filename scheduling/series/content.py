"""What the post of one account is made from: the series' content, with that account's changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from scheduling.drafts import Attachment
from scheduling.models import ScheduledPost
from scheduling.rules import late_limit_of
from scheduling.series.models import PostSeries, SeriesMedia, SeriesTarget

VARIED = ("segments", "first_comment", "options")  # what a target may have of its own
SHARED = ("priority", "late_policy", "late_limit_minutes", "callback_url", "time_zone")
CONTENT = (*VARIED, *SHARED)


def content_for(series: PostSeries, target: SeriesTarget) -> dict[str, Any]:
    """Return the columns of this account's posts."""
    own = {name: getattr(series, name) for name in CONTENT}
    return {**own, **{name: target.changes[name] for name in VARIED if name in target.changes}}


def attachments_of(series: PostSeries) -> list[Attachment]:
    """Return the media of a saved series."""
    rows = series.series_media.select_related("asset")
    return [Attachment(row.asset, row.segment, row.alt_text) for row in rows]


def attach(series: PostSeries, attachments: Sequence[Attachment]) -> None:
    """Replace the media of a series; assets that are still unsaved are saved with them."""
    series.series_media.all().delete()
    places: dict[int, int] = {}
    for item in attachments:
        if item.asset._state.adding:  # noqa: SLF001 - documented API of models
            item.asset.save()
        position = places.get(item.segment, 0)
        places[item.segment] = position + 1
        SeriesMedia.objects.create(
            series=series,
            asset=item.asset,
            segment=item.segment,
            position=position,
            alt_text=item.alt_text,
        )


def is_made_of(
    post: ScheduledPost, content: Mapping[str, Any], attachments: Sequence[Attachment]
) -> bool:
    """Say whether a post has this content and these media already (post_media is read)."""
    media = [(row.asset_id, row.segment, row.alt_text) for row in post.post_media.all()]
    wanted = [(item.asset.pk, item.segment, item.alt_text) for item in attachments]
    return media == wanted and all(getattr(post, name) == content[name] for name in content)


def late_limit(series: PostSeries) -> timedelta:
    """Return how late an occurrence may still go out by itself."""
    return late_limit_of(
        ScheduledPost(late_limit_minutes=series.late_limit_minutes), series.workspace
    )
