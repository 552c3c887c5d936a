"""An imitation of DeviantArt's OAuth2 HTTP API v1, minor version 20240701, and of its OAuth.

Source: deviantart.readme.io and reports of clients, read 2026-11. Guesses: the shape of the secret
limits (see tarpit.py), what bad authorization codes and missing things are called, the codes of
errors other than 5, that a part with an unknown name and no filename is the file that breaks the
upload. Accounts named `full...` have no Sta.sh space left, `unverified...` may not publish, and
works of `suspended...` are accepted and never appear. Each account has the folders Featured,
Scraps and Watchers Only; publishing into the last is a 500 that leaves the work published.
"""

from __future__ import annotations

from sandbox.deviantart.protocol import PROTOCOL

__all__ = ["PROTOCOL"]
