"""Telegram's wire data: core.telegram.org/bots/api, read 2026-11."""

from __future__ import annotations

from platforms.adapters.base import Account, Segment
from platforms.adapters.telegram import Telegram, TelegramConfig
from tests.contract.server import Reply
from tests.contract.wire import TEXT, Case, image

CHAT = "-1001234567890"
TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
CHANNEL = {"id": int(CHAT), "type": "channel", "title": "News", "username": "carillon_news"}
ME = {"id": 110201543, "is_bot": True, "username": "carillon_bot"}
ADMINISTRATOR = {"status": "administrator", "can_post_messages": True}


def told(result: object) -> Reply:
    return Reply(200, {"ok": True, "result": result})


SENT = told({"message_id": 55, "chat": CHANNEL, "date": 1795340000, "text": TEXT})

TELEGRAM_CASE = Case(
    make=lambda url: Telegram(TelegramConfig(url)),
    credentials=lambda url: {"bot_token": TOKEN, "chat_id": "@carillon_news"},
    secrets=(TOKEN,),
    created=SENT,
    success_id=f"{CHAT}/55",
    too_long="x" * 4097,
    me=(told(ME), told(CHANNEL), told(ADMINISTRATOR)),
    account=Account(CHAT, "carillon_news", display_name="News"),
    pictured=Segment(TEXT, (image(),)),
    network=lambda request: SENT,
    uploads_ahead=False,
    other={"delete": told(True)},
)
