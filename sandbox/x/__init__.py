"""An imitation of X's API v2. Source: docs.x.com and its OpenAPI document 2.167, read 2026-11."""

from __future__ import annotations

from sandbox.x.protocol import PROTOCOL

__all__ = ["PROTOCOL"]
