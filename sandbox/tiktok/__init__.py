"""An imitation of TikTok's Content Posting and Display APIs v2. Source: developers.tiktok.com.

One prefix stands for open.tiktokapis.com, www.tiktok.com and open-upload.tiktokapis.com. Guesses,
where the documentation is silent: unknown fields are refused, moderation takes as long as the
processing, a token in the upload is refused, pictures may come by plain http, and every host is a
verified one unless its name begins with `unverified`.
"""

from __future__ import annotations

from sandbox.tiktok.protocol import PROTOCOL

__all__ = ["PROTOCOL"]
