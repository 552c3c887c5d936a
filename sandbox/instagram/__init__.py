"""An imitation of the Instagram Platform, both flavours. Source: the reference of Graph v26.0.

With Instagram Login everything is below `/instagram` (graph.instagram.com, api.instagram.com,
www.instagram.com and rupload.facebook.com in one). With Facebook Login the same endpoints are
below `/facebook`, with page tokens of Facebook; the posts are on this network either way.

Guesses where the reference is silent: publishing a container twice is 24/2207006, as for one that
never was; an image is fetched before the call is answered and a video afterwards; a carousel's
parent is refused with 9007/2207027 while an item is not FINISHED; the cap of containers is code 4.
"""

from __future__ import annotations

from sandbox.instagram.protocol import PROTOCOL, VIA_FACEBOOK

__all__ = ["PROTOCOL", "VIA_FACEBOOK"]
