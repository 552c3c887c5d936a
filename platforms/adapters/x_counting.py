"""What X counts and charges: weighted length, links, money, the shapes of files.

Sources: twitter-text config v3; docs.x.com, "Best practices" of media and "Pricing", read 2026-11.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from twitter_text import parse_tweet
from twitter_text.extract_urls import extract_urls

from platforms.adapters.base import Draft, Media, Notice

MAYBE_LINK = re.compile(r"\.[^\W\d_]")  # no link without a dot before its last label's letter
GIF_WIDTH, GIF_HEIGHT = 1280, 1080
VIDEO_WIDTH, VIDEO_HEIGHT, VIDEO_LEAST = 1280, 1024, 32
VIDEO_SECONDS_LEAST = 0.5
# docs.x.com/x-api/getting-started/pricing, read 2026-11: what one call costs, in US dollars.
RATES_OF = "2026-04-20"
POST_USD, LINK_USD, ALT_TEXT_USD = 0.015, 0.200, 0.005


def takes_words(file: Media) -> bool:
    return file.kind != "video"  # docs.x.com: alt text is for images and GIFs


def misfits(file: Media) -> Iterator[tuple[str, str]]:
    """Yield what X refuses of a file whose shape is known."""
    width, height = file.width, file.height
    if file.kind == "gif" and (width > GIF_WIDTH or height > GIF_HEIGHT):
        message = f"A GIF may have at most {GIF_WIDTH} x {GIF_HEIGHT} pixels. Make it smaller."
        yield "gif_too_large", message
    if file.kind == "video" and width and height:
        if max(width, height) > 3 * min(width, height):
            message = "A video is at most three times as wide as high, or three times as high."
            yield "video_shape", message
        if min(width, height) < VIDEO_LEAST:
            yield "video_too_small", f"A video has at least {VIDEO_LEAST} x {VIDEO_LEAST} pixels."
    if file.kind == "video" and 0 < file.seconds < VIDEO_SECONDS_LEAST:
        yield "video_too_short", f"A video lasts at least {VIDEO_SECONDS_LEAST} seconds here."


def doubts(file: Media) -> Iterator[Notice]:
    """Yield what people should know of a file that X takes."""
    if file.alt_text and not takes_words(file):
        message = "X takes alt texts of images and GIFs only: the video's is not sent."
        yield Notice("alt_text_not_sent", message)
    if file.kind == "video" and (file.width > VIDEO_WIDTH or file.height > VIDEO_HEIGHT):
        message = (
            f"X asks for videos of at most {VIDEO_WIDTH} x {VIDEO_HEIGHT} pixels; this one has "
            f"{file.width} x {file.height} and may be made smaller or refused."
        )
        yield Notice("video_larger_than_documented", message)


# --- costs ----------------------------------------------------------------------------------
def cost_of(draft: Draft) -> Notice:
    """Return what publishing costs on X's pay-per-use plan; other contracts differ."""
    parts = draft.parts
    links = sum(1 for part in parts if has_link(part.text))
    described = sum(1 for _, file in draft.files if takes_words(file) and file.alt_text)
    plain = len(parts) - links
    counted = (
        (plain, POST_USD, "without a link"),
        (links, LINK_USD, "with a link"),
        (described, ALT_TEXT_USD, "for an alt text"),
    )
    usd = round(sum(number * price for number, price, _ in counted), 4)
    reasons = ", ".join(f"{n} x ${price:.3f} {what}" for n, price, what in counted if n)
    message = f"X charges ${usd:.3f} for this: {reasons} (pay-per-use rates of {RATES_OF})."
    return Notice("costs_money", message, usd)


def has_link(text: str) -> bool:
    """Say whether X will take something in `text` for a link; bare domains count, too."""
    return bool(MAYBE_LINK.search(text) and extract_urls(unicodedata.normalize("NFC", text)))


# --- counting -------------------------------------------------------------------------------
def excess(text: str, limit: int) -> int:
    """Return by how much the weighted length of `text` is over `limit`, or 0.

    A link weighs 23 however short, other characters at most 2: most texts need no closer look,
    which matters when a hundred thousand are imported.
    """
    text = unicodedata.normalize("NFC", text)
    heaviest = len(text) if text.isascii() else 2 * len(text)
    if heaviest + 23 * len(MAYBE_LINK.findall(text)) <= limit:
        return 0
    return max(0, int(parse_tweet(text).weightedLength) - limit)
