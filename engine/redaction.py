"""Nothing secret reaches logs, rows or screens: text from outside is blotted here first."""

from __future__ import annotations

import re
from collections.abc import Iterable

BLOT = "[hidden]"
SHORTEST_SECRET = 6  # shorter "secrets" would blot out ordinary words

_LINE = re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)([\"']?\s*[:=]\s*)[^\r\n]*")
_NAME = r"[\w-]{0,40}(?:token|secret|password|passwd|api_?key|signature|assertion)[\w-]{0,40}"
_NAMED = re.compile(
    rf"""(?ix) \b ( {_NAME} ["']? \s* )
        (?: ([:=]\s*) ["'] [^"']* ["']?             # quoted: always
          | (=\s*) [^\s"'&,;}}<>]+                  # a form's or an URL's value: always
          | (:\s*) (?= \S*\d | \S{{16}} ) [^\s"'&,;}}<>]+ )  # after a colon: unless it is a word
    """
)
_SCHEME = re.compile(r"(?i)\b(bearer|basic|oauth)\s+(?=\S*[\d=.])[A-Za-z0-9._~+/=-]{8,}")
_OPAQUE = re.compile(r"(?=[A-Za-z_-]{0,200}\d)[A-Za-z0-9_-]{40,}")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` without `secrets` and without anything that looks like one.

    Blotted are: the given strings, Authorization and Cookie lines, values of token-like names
    (`access_token=...`, `"client_secret": "..."`), what follows Bearer, Basic or OAuth, and opaque
    strings of 40 characters or more that contain a digit.
    """
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, BLOT)
    text = _LINE.sub(rf"\1\2{BLOT}", text)
    text = _NAMED.sub(rf"\1\2\3\4{BLOT}", text)
    text = _SCHEME.sub(rf"\1 {BLOT}", text)
    return _OPAQUE.sub(BLOT, text)
