"""Thumbnails: one JPEG or PNG per video, in one request."""

from __future__ import annotations

from sandbox import recognise
from sandbox.exchange import Answer, Call
from sandbox.records import Media
from sandbox.youtube import errors, parameters, quota, videos

_LIMIT_BYTES = 50 * 1024 * 1024


def put(call: Call) -> Answer:
    """`thumbnails.set`: the picture is the whole body."""
    parameters.need(call, parameters.PUBLISH)
    quota.spend(call, 50)
    video = videos.own(call, *parameters.ids(call, "videoId", most=1))
    if not call.body:
        message = "The request does not include the image content."
        raise errors.refused(400, "mediaBodyRequired", message, domain="youtube.thumbnail")
    if len(call.body) > _LIMIT_BYTES:
        raise errors.refused(413, "uploadTooLarge", "Request Too Large", domain="global")
    kind = recognise.kind(call.body)
    if kind not in ("image/jpeg", "image/png"):
        message = "The provided image content is invalid."
        raise errors.refused(400, "invalidImage", message, domain="youtube.thumbnail")
    picture = Media(call.site.new_id(), call.account, kind, call.world.now(), category="thumbnail")
    picture.seal(call.body)
    call.site.media[picture.id] = picture
    video.thumbnail = picture
    if video.post is not None:
        video.post.extra["cover"] = picture.id
        call.world.revision += 1
    return Answer(
        200,
        {
            "kind": "youtube#thumbnailSetResponse",
            "etag": "sandbox",
            "items": [videos.thumbnails(video, call)],
        },
    )
