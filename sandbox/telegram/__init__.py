"""An imitation of Telegram's Bot API for bots that post into channels and groups.

Source: core.telegram.org/bots/api and the error texts of its open server, read 2026-11. There is no
reading back of what was sent, and no idempotency. Not imitated: Markdown (refused as unsupported),
stickers, keyboards, updates. Guesses: an album of one is refused; what an album of more than ten is
called; the shape of the limits in a chat (20 messages a minute, bursts allowed).

Chats exist from the first call that names them. What their name begins with decides how they treat
a bot: `@nobody` does not exist, `@closed...` has not let it in, `@kicked...` threw it out, in
`@readonly...` it may not post. A number -100... is a private channel, -5... a group that has become
the supergroup -1005..., any other negative number a group; people (positive numbers) never wrote.
"""

from __future__ import annotations

from sandbox.telegram.protocol import PROTOCOL

__all__ = ["PROTOCOL"]
