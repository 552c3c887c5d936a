"""An imitation of Bluesky: PDS, entryway, AppView, video service and PLC directory in one place.

Source: AT Protocol lexicons and PDS code, read 2026-11. OAuth (PAR, DPoP) and the
multipart video upload are not imitated. Guesses: what an unknown video job, a used-up daily video
allowance and an unconfirmed e-mail address are called. Stricter than the PDS on purpose: a reply
or quote must name an existing record by its present cid, and a facet must cut the text at whole
characters within its bounds; the real PDS takes both and the AppView then shows nothing.
"""

from __future__ import annotations

from sandbox.bluesky.protocol import PROTOCOL

__all__ = ["PROTOCOL"]
