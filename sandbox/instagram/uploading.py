"""The bytes of a container that was made with `upload_type=resumable`."""

from __future__ import annotations

from sandbox.exchange import Answer, Call
from sandbox.graph import rupload
from sandbox.graph.containers import Containers, accept, state_of
from sandbox.instagram.rules import JUDGE


def upload(call: Call) -> Answer:
    """A container that is already at work keeps its bytes: sending them again changes nothing."""
    rupload.check_scheme(call)
    container = call.site.books(Containers).of(call.params["container"], call.account)
    if container is None or container.upload is None:
        raise rupload.refused("ProcessingFailedError", "Request processing failed", status=404)
    if state_of(container, call) == "EXPIRED":
        raise rupload.refused("ProcessingFailedError", "The upload session has expired")
    if container.work is None and not container.error:
        rupload.receive(call, container.upload)
        accept(container, container.upload.data, call, JUDGE)
    return Answer(200, {"success": True, "message": "Upload successful."})
