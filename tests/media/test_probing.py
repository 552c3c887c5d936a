"""Sizes and lengths of files that come in."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from media.probing import Measures, measure

UNKNOWN = Measures()


def picture(path: Path, size: tuple[int, int], orientation: int = 1) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size, "grey").save(path, exif=exif)
    return path


def test_a_picture_is_as_large_as_it_is_shown(tmp_path: Path) -> None:
    assert measure(picture(tmp_path / "a.jpg", (30, 20)), "image") == Measures(30, 20)
    assert measure(picture(tmp_path / "b.jpg", (30, 20), 6), "image") == Measures(20, 30)
    assert measure(picture(tmp_path / "c.png", (7, 9)), "image") == Measures(7, 9)


def test_what_is_no_picture_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    for content in (b"", b"<svg/>", b"\x89PNG\r\n\x1a\n" + bytes(24), b"GIF89a"):
        path.write_bytes(content)
        assert measure(path, "image") == UNKNOWN
    assert measure(tmp_path / "missing", "image") == UNKNOWN


def test_a_picture_that_would_fill_the_memory_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert measure(picture(tmp_path / "a.png", (30, 20)), "image") == UNKNOWN


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg: apt install ffmpeg")
def test_a_film_has_a_size_and_a_length(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    source = "testsrc=size=64x48:duration=1.5:rate=10"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", film]
    subprocess.run(command, check=True)
    assert measure(film, "video") == Measures(64, 48, 1500)


def test_a_playlist_in_a_films_clothes_opens_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret.ts"
    secret.write_bytes(b"G" * 188 * 10)
    film = tmp_path / "film.mp4"
    film.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{secret}\n")
    assert measure(film, "video") == UNKNOWN


def test_without_ffprobe_a_films_length_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert measure(tmp_path / "film.mp4", "video") == UNKNOWN
