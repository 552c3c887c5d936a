"""What a person saw at the network, checked before it is believed: an address, a remote id."""

from __future__ import annotations

from platforms.registry import adapter_for
from scheduling.drafts import FieldError, account_of
from scheduling.models import ScheduledPost
from scheduling.ownership import owner_of
from scheduling.questions import Part
from scheduling.rules import Invalid


def seen_remote_id(post: ScheduledPost, part: Part, address: str, remote_id: str) -> str:
    """Return the remote id of a part that a person saw; "" when nothing tells it (last part only).

    Raises Invalid when the address is not one of a post there, contradicts the given id, or
    belongs to another post or part; and when more parts follow and nothing tells the id.
    """
    adapter = adapter_for(post.platform)
    told = adapter.remote_id_in(address, account_of(post.connection)) if address else ""
    if address and adapter.post_address and not told:
        raise _invalid(
            "permalink",
            "not_a_post_address",
            f"This is not the address of a post on {adapter.name} as its account sees it. One "
            f"looks like {adapter.post_address}",
        )
    if remote_id and told and remote_id != told:
        raise _invalid(
            "remote_id", "contradicts_permalink", f"The address tells another id: {told}."
        )
    seen = remote_id or told
    if not seen:
        if part.is_last:
            return ""
        raise _invalid(
            "permalink" if adapter.post_address else "remote_id",
            "required",
            f"Give the {'address' if adapter.post_address else 'id'} of {part.name} at "
            f"{adapter.name}: part {part.number + 1} is published below it.",
        )
    if seen in post.progress.get("published", ()):
        raise _invalid(
            "permalink", "another_part", f"This is an earlier part, not {part.name}. Look again."
        )
    if owner_of(seen, besides=post):  # which one is not said: it may be another workspace's
        raise _invalid(
            "permalink",
            "another_post",
            "This belongs to another scheduled post of the same account. Look again.",
        )
    return seen


def _invalid(field: str, code: str, message: str) -> Invalid:
    return Invalid([FieldError(field, code, message)])
