"""An imitation of Facebook Pages. Source: the reference of Graph v26.0.

Everything is below `/facebook`: graph.facebook.com, graph-video, rupload and www.facebook.com.
Each person has the pages `<name>`, `<name>-two` and, without CREATE_CONTENT, `<name>-analyst`.

Guesses where the reference is silent: only the newest post of a page is compared for duplicates;
a video or reel is accepted by `finish` even if processing will fail, and is seen (post_id, lists)
when it is ready; `finish` said twice of a reel is a success that publishes nothing, and of an
upload session 100/33; a video's permalink_url is a path without a host, as Meta has it; posts that
Facebook would hold until later are refused, since nothing here would publish them.
"""

from __future__ import annotations

from sandbox.facebook.protocol import PROTOCOL

__all__ = ["PROTOCOL"]
