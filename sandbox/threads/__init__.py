"""An imitation of the Threads API v1.0, after its reference; graph.threads.net is `/threads`.

Guesses where the reference is silent: whatever cannot be published (unfinished, published, expired,
unknown) is 24/4279009; a container of text is ready at once; the caps are code 9 as on Instagram;
an image is fetched before the call is answered and a video afterwards; only one's own posts can be
read; there are no usage headers.
"""

from __future__ import annotations

from sandbox.threads.protocol import PROTOCOL

__all__ = ["PROTOCOL"]
