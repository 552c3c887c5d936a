"""Mastodon's statuses: create under an Idempotency-Key, read, list, delete; content is HTML."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator
from typing import Any

from sandbox.exchange import Answer, Call, Malformed, redirect
from sandbox.growth import grown
from sandbox.mastodon import errors, media
from sandbox.mastodon.instance import MEDIA_LIMIT, TEXT_LIMIT, describe_account, instance_url
from sandbox.records import Media, Post, iso
from sandbox.text import mastodon_length, web_links

_KEY_LIFE_SECONDS = 3600.0
_FORGETFUL = "mastodon/forgetful"
_VISIBILITIES = ("public", "unlisted", "private", "direct")
_OWN_FIELDS = ("visibility", "sensitive", "spoiler_text", "language")
_HASHTAG = re.compile(r"(?<![\w&/])#(\w*[^\W\d]\w*)")


def create(call: Call) -> Answer:
    """`POST /api/v1/statuses` -> 200; a repeat under a living key gets the original status."""
    key = call.headers.get("Idempotency-Key", "")
    if key and call.site.name != _FORGETFUL:
        original = call.site.remembered(call.account, key, life_seconds=_KEY_LIFE_SECONDS)
        if original is not None and original.deleted_at is not None:
            raise errors.refused(404)
        if original is not None:
            return Answer(200, _shape(original, call))
    body = _body(call)
    text = str(body.get("status") or "").strip()
    attached = _attachments(call, body.get("media_ids") or [])
    post = call.site.publish(
        call.site.new_id(),
        call.account,
        text,
        media=attached,
        parent=_parent(call, body.get("in_reply_to_id")),
        received_at=call.received_at,
        due_at=_due_at(call),
        extra=_extra(body, text, has_media=bool(attached)),
    )
    post.extra["url"] = _address(post, call)
    if key:
        call.site.remember(call.account, key, post)
    return Answer(200, _shape(post, call))


def _body(call: Call) -> dict[str, Any]:
    """JSON, or a form with `media_ids[]`."""
    form = call.form()
    if not form:
        try:
            return call.json_object()
        except Malformed as malformed:
            raise errors.refused(400, str(malformed)) from None
    body: dict[str, Any] = dict(form)
    body["media_ids"] = [value for name, value in form if name == "media_ids[]"]
    body["sensitive"] = body.get("sensitive") in ("true", "1", "on")
    return body


def _attachments(call: Call, ids: Any) -> tuple[Media, ...]:
    if not isinstance(ids, list):
        raise errors.failed_validation("Media ids must be a list")
    if len(ids) > MEDIA_LIMIT:
        raise errors.refused(422, f"Cannot attach more than {MEDIA_LIMIT} files")
    found = [call.site.usable_media(str(media_id), call.account) for media_id in ids]
    ready = tuple(item for item in found if item is not None and not item.attached)
    if len(ready) < len(ids):
        lost = ", ".join(str(i) for i in ids if call.site.media.get(str(i)) not in ready)
        raise errors.failed_validation(
            f"Media {lost} not found or already attached to another post"
        )
    if len(ready) > 1 and not all(item.is_image and not item.category for item in ready):
        raise errors.refused(422, "Cannot attach a video to a post that already contains images")
    if not all(media.is_ready(item, call) for item in ready):
        text = "Cannot attach files that have not finished processing. Try again in a moment!"
        raise errors.refused(422, text)
    return ready


def _parent(call: Call, parent_id: Any) -> Post | None:
    if parent_id in (None, ""):
        return None
    parent = call.site.living(str(parent_id))
    if parent is None:
        raise errors.refused(404, "The post you are trying to reply to does not appear to exist.")
    return parent


def _due_at(call: Call) -> float | None:
    try:
        return call.due_at()
    except Malformed as malformed:
        raise errors.refused(400, str(malformed)) from None


def _extra(body: dict[str, Any], text: str, *, has_media: bool) -> dict[str, Any]:
    """The remaining fields of a status, checked."""
    spoiler = str(body.get("spoiler_text") or "")
    if not text and not has_media:
        raise errors.failed_validation("Text can't be blank")
    if mastodon_length(spoiler + text) > TEXT_LIMIT:
        raise errors.failed_validation(f"Text character limit of {TEXT_LIMIT} exceeded")
    visibility = body.get("visibility") or "public"
    if visibility not in _VISIBILITIES:
        raise errors.failed_validation("Visibility is not included in the list")
    return {
        "visibility": visibility,
        "sensitive": bool(body.get("sensitive")) or bool(spoiler),
        "spoiler_text": spoiler,
        "language": body.get("language") or "en",
        "options": {"content warning": spoiler} if spoiler else {},
    }


def read(call: Call) -> Answer:
    post = call.site.visible(call.params["id"], call.account.name)
    if post is None:
        raise errors.refused(404)
    return Answer(200, _shape(post, call))


def page(call: Call) -> Answer:
    """A status's public address leads to its place on the feed page."""
    name = call.site.name
    return redirect(f"/?network={name}#{name.replace('/', '-')}-{call.params['id']}")


def delete(call: Call) -> Answer:
    """The answer is the deleted status with its plain `text`."""
    post = call.site.living(call.params["id"])
    if post is None or post.account is not call.account:
        raise errors.refused(404)
    call.site.delete(post)
    return Answer(200, {**_shape(post, call), "text": post.text})


def of_account(call: Call) -> Answer:
    """`limit` (20, at most 40), `max_id`, `since_id`, `min_id`, `exclude_replies`; newest first.

    `since_id` gives the newest page above the id, `min_id` the page directly above it.
    """
    account = call.site.accounts_by_id.get(call.params["id"])
    if account is None:
        raise errors.refused(404)
    query = call.query
    limit = min(_number(query, "limit") or 20, 40)
    above = _number(query, "min_id") or _number(query, "since_id") or 0
    below = _number(query, "max_id")
    skips_replies = query.get("exclude_replies") in ("true", "1")

    def wanted() -> Iterator[Post]:
        for post in call.site.newest_first(account, call.account.name):
            if int(post.id) <= above:
                return
            if (below is None or int(post.id) < below) and not (skips_replies and post.parent):
                yield post

    page = list(wanted() if "min_id" in query else itertools.islice(wanted(), limit))[-limit:]
    answer = Answer(200, [_shape(post, call) for post in page])
    if page:
        url = f"{call.base_url}{call.path}?limit={limit}"
        older, newer = f"{url}&max_id={page[-1].id}", f"{url}&min_id={page[0].id}"
        answer.headers["Link"] = f'<{older}>; rel="next", <{newer}>; rel="prev"'
    return answer


def _number(query: dict[str, str], name: str) -> int | None:
    text = query.get(name, "")
    return int(text) if text.isdecimal() else None


def _shape(post: Post, call: Call) -> dict[str, Any]:
    base, parent = instance_url(call), post.parent
    name = post.account.name
    tags = [{"name": t.lower(), "url": f"{base}/tags/{t}"} for t in _HASHTAG.findall(post.text)]
    return {
        "id": post.id,
        "created_at": iso(post.published_at),
        "in_reply_to_id": parent.id if parent else None,
        "in_reply_to_account_id": parent.account.id if parent else None,
        **{name: post.extra[name] for name in _OWN_FIELDS},
        "uri": f"{base}/users/{name}/statuses/{post.id}",
        "url": _address(post, call),
        **_counters(post, call),
        "edited_at": None,
        "content": content_html(post.text, base),
        "reblog": None,
        "application": {"name": "Sandbox", "website": None},
        "account": describe_account(call, post.account),
        "media_attachments": [media.shape(item, call) for item in post.media],
        "mentions": [],
        "tags": tags,
        "emojis": [],
        "card": None,
        "poll": None,
    }


def _counters(post: Post, call: Call) -> dict[str, int]:
    age_s = call.world.now() - post.published_at
    most = {"replies_count": 12, "reblogs_count": 60, "favourites_count": 200, "quotes_count": 6}
    return {name: grown(f"{post.id} {name}", age_s, most=n) for name, n in most.items()}


def _address(post: Post, call: Call) -> str:
    return f"{instance_url(call)}/@{post.account.name}/{post.id}"


def content_html(text: str, base: str) -> str:
    """The text as Mastodon renders it: paragraphs, breaks, shortened links, linked hashtags."""
    if not text:
        return ""
    pieces, position = [], 0
    for link in web_links(text):
        pieces.append(_plain_html(text[position : link.start], base))
        pieces.append(_link_html(link.text))
        position = link.end
    pieces.append(_plain_html(text[position:], base))
    body = re.sub(r"\n{2,}", "</p><p>", "".join(pieces).replace("\r\n", "\n"))
    return f"<p>{body}</p>".replace("\n", "<br />")


def _plain_html(text: str, base: str) -> str:
    return _HASHTAG.sub(
        lambda tag: (
            f'<a href="{base}/tags/{tag[1]}" class="mention hashtag" rel="tag">'
            f"#<span>{tag[1]}</span></a>"
        ),
        html.escape(text, quote=True),
    )


def _link_html(url: str) -> str:
    """Scheme and the part beyond 30 characters are in the markup, but not seen."""
    prefix = re.match(r"https?://(www\.)?", url, re.IGNORECASE)
    shown_from = prefix.end() if prefix else 0
    head, shown, rest = url[:shown_from], url[shown_from:][:30], url[shown_from + 30 :]
    head, shown, rest, target = (html.escape(part) for part in (head, shown, rest, url))
    return (
        f'<a href="{target}" target="_blank" rel="nofollow noopener noreferrer" translate="no">'
        f'<span class="invisible">{head}</span>'
        f'<span class="{"ellipsis" if rest else ""}">{shown}</span>'
        f'<span class="invisible">{rest}</span></a>'
    )
