"""An imitation of LinkedIn's versioned API. Source: learn.microsoft.com, views 2025-12 to 2026-08.

One prefix stands for api.linkedin.com, www.linkedin.com and the upload host. Guesses, where the
documentation is silent: an address for uploads lives a day, the duplicate detector ten minutes
(it also remembers what was deleted), a comment has at most 1,250 characters, documents may be read
by members, and the protocol header is demanded outright.
"""

from __future__ import annotations

from sandbox.linkedin.protocol import PROTOCOL

__all__ = ["PROTOCOL"]
