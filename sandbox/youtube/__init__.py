"""An imitation of YouTube's Data API v3 and Analytics API v2. Source: Google's discovery documents.

One prefix stands for youtube.googleapis.com, youtubeanalytics.googleapis.com, accounts.google.com
and oauth2.googleapis.com. Guesses, where the documentation is silent: a session lives a week, bytes
that were sent before are skipped and a gap is a 400, a channel takes 50 videos in 24 hours, failed
videos stay in the list of uploads, and the quota belongs to the one project that all clients share.
"""

from __future__ import annotations

from sandbox.youtube.protocol import PROTOCOL

__all__ = ["PROTOCOL"]
