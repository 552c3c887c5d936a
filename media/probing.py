"""How large a picture is and how long a film lasts: looked up once, when a file comes in.

Networks refuse shapes and lengths; knowing them, we say so while the author is still there. What
cannot be read is not known (None), and never an error: the network has the last word.
Images are opened by Pillow (their header only), films by ffprobe where it is installed.
"""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

log = logging.getLogger("carillon.media")

FFPROBE_SECONDS = 30
SIDEWAYS = range(5, 9)  # EXIF orientations that swap width and height
# The container by its content, never a playlist: those name other files, which ffprobe would open.
FORMATS = "mov,mp4,m4a,matroska,webm,avi,mpegts"


@dataclass(frozen=True, slots=True)
class Measures:
    """What is known of a file; width and height as it is shown, in pixels."""

    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None


def measure(path: Path, kind: str) -> Measures:
    """Return the measures of a file on this machine; blocks for up to half a minute."""
    return _film(path) if kind == "video" else _picture(path)


def _picture(path: Path) -> Measures:
    try:
        with warnings.catch_warnings(action="error"), Image.open(path) as image:
            width, height = image.size
            sideways = image.getexif().get(0x0112) in SIDEWAYS
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        return Measures()
    return Measures(height, width) if sideways else Measures(width, height)


def _film(path: Path) -> Measures:
    ffprobe = shutil.which("ffprobe")
    if ffprobe is None:
        return Measures()
    command = [
        ffprobe,
        *("-v", "error", "-protocol_whitelist", "file", "-format_whitelist", FORMATS),
        *("-select_streams", "v:0", "-show_entries", "stream=width,height:format=duration"),
        *("-of", "json", f"file:{path.absolute()}"),
    ]
    try:
        found = subprocess.run(  # noqa: S603 - see the import
            command, capture_output=True, timeout=FFPROBE_SECONDS, check=True
        )
        return _read(json.loads(found.stdout))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        log.info("media.not_measured", extra={"error": type(error).__name__})
        return Measures()


def _read(answer: dict[str, Any]) -> Measures:
    stream = (answer.get("streams") or [{}])[0]
    try:
        duration = round(float(answer["format"]["duration"]) * 1000)
    except (KeyError, TypeError, ValueError):
        duration = None
    return Measures(stream.get("width"), stream.get("height"), duration)
