"""Content identifiers: CIDv1 in base32 of the SHA-256 of bytes (`bafkrei`) or records (`bafyrei`).

Records are hashed as DAG-CBOR: map keys by length, then bytewise; links under tag 42; no floats.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

_RAW, _DAG_CBOR = 0x55, 0x71
_LINK_TAG = 42
_LARGEST_INTEGER = 2**53 - 1


class NotData(ValueError):
    """The value has no DAG-CBOR form; the message says why."""


def of_bytes(data: bytes) -> str:
    return _cid(_RAW, data)


def of_record(record: dict[str, Any]) -> str:
    """Raises NotData."""
    return _cid(_DAG_CBOR, _encode(record))


def is_cid(text: object) -> bool:
    """Whether it is a CID as this network writes them."""
    return isinstance(text, str) and _binary(text) is not None


def _cid(codec: int, data: bytes) -> str:
    binary = bytes((1, codec, 0x12, 0x20)) + hashlib.sha256(data).digest()
    return "b" + base64.b32encode(binary).decode().lower().rstrip("=")


def _binary(text: str) -> bytes | None:
    if not text.startswith("b") or not text.isascii() or text != text.lower():
        return None
    digits = text[1:].upper()
    try:
        binary = base64.b32decode(digits + "=" * (-len(digits) % 8))
    except ValueError:
        return None
    is_sha256 = len(binary) == 36 and binary[0] == 1 and binary[2:4] == b"\x12\x20"
    return binary if is_sha256 and binary[1] in (_RAW, _DAG_CBOR) else None


def _encode(value: Any) -> bytes:
    match value:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return _encode_integer(value)
        case str():
            text = _utf8(value)
            return _head(3, len(text)) + text
        case list():
            return _head(4, len(value)) + b"".join(map(_encode, value))
        case {"$link": link} if len(value) == 1:
            binary = _binary(link) if isinstance(link, str) else None
            if binary is None:
                raise NotData("$link is not a CID")
            return _head(6, _LINK_TAG) + _head(2, len(binary) + 1) + b"\0" + binary
        case {"$bytes": text} if len(value) == 1:
            data = _base64(text)
            return _head(2, len(data)) + data
        case dict():
            keys = sorted(value, key=lambda key: (len(_utf8(key)), _utf8(key)))
            pairs = (_encode(key) + _encode(value[key]) for key in keys)
            return _head(5, len(value)) + b"".join(pairs)
    raise NotData("floating point numbers are not part of the data model")


def _base64(text: Any) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (TypeError, ValueError):
        raise NotData("$bytes is not base64") from None


def _encode_integer(value: int) -> bytes:
    if abs(value) > _LARGEST_INTEGER:
        raise NotData("integers have at most 53 bits")
    return _head(0, value) if value >= 0 else _head(1, -1 - value)


def _head(major: int, amount: int) -> bytes:
    if amount < 24:
        return bytes((major << 5 | amount,))
    for extra, size in ((24, 1), (25, 2), (26, 4)):
        if amount < 1 << (8 * size):
            return bytes((major << 5 | extra,)) + amount.to_bytes(size)
    return bytes((major << 5 | 27,)) + amount.to_bytes(8)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise NotData("strings must be valid Unicode") from None
