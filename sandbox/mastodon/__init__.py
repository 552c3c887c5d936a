"""An imitation of Mastodon's REST API. Source: docs.joinmastodon.org (4.6), read 2026-11."""

from __future__ import annotations

from sandbox.mastodon.protocol import PROTOCOL

__all__ = ["PROTOCOL"]
