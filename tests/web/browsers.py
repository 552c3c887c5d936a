"""What the site's tests share."""

from __future__ import annotations

import html
import re
from typing import Any

from django.test import Client

from accounts.models import User

MESSAGE = re.compile(r'<li class="message message-(\w+)"[^>]*>(.*?)</li>', re.DOTALL)


def browser_of(user: User) -> Client:
    """Return a browser in which `user` is logged in."""
    client = Client()
    client.force_login(user)
    return client


def text_of(response: Any) -> str:
    """Return a page as it is read: without tags, entities resolved, blanks joined."""
    plain = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(plain).split())


def messages_of(client: Client) -> list[str]:
    """Return what the site says on the list of accounts, once."""
    page = client.get("/connections/").content.decode()
    return [html.unescape(text).strip() for _, text in MESSAGE.findall(page)]
