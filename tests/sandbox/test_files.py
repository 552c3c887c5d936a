"""What is read from a file's bytes, and that broken files only tell less."""

from __future__ import annotations

import pytest

from sandbox.files import FileFacts, look_at
from tests.sandbox.assets import jpeg, mp4
from tests.sandbox.conftest import PNG


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (jpeg(1080, 1350), FileFacts("image/jpeg", 1080, 1350)),
        (mp4(7.5, 720, 1280), FileFacts("video/mp4", 720, 1280, 7.5)),
        (mp4(3, brand=b"qt  "), FileFacts("video/quicktime", 1080, 1920, 3.0)),
        (PNG[:16] + b"\0\0\0\x10\0\0\0\x20", FileFacts("image/png", 16, 32)),
        (b"RIFF\0\0\0\0WEBPVP8 ", FileFacts("image/webp")),
        (b"GIF89a", FileFacts("image/gif")),
        (b"<html>", FileFacts("")),
        (b"", FileFacts("")),
    ],
    ids=["jpeg", "mp4", "quicktime", "png", "webp", "gif", "html", "nothing"],
)
def test_a_file_tells_kind_size_and_length(data: bytes, facts: FileFacts) -> None:
    assert look_at(data) == facts


@pytest.mark.parametrize("whole", [jpeg(), mp4(), PNG], ids=["jpeg", "mp4", "png"])
def test_a_file_cut_anywhere_is_never_an_error(whole: bytes) -> None:
    kinds = {look_at(whole[:length]).mime_type for length in range(len(whole))}
    assert kinds <= {"", look_at(whole).mime_type}
