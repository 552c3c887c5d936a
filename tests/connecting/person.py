"""A person with a browser: presses Connect here, decides there, comes back."""

from __future__ import annotations

import contextlib
import html
import http.client
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from django.test import Client

from accounts.models import User

MESSAGE = re.compile(r'<li class="message message-(\w+)"[^>]*>(.*?)</li>', re.DOTALL)


class Person:
    """One user's browser on the site, at the host networks send people back to."""

    def __init__(self, user: User | None, **options: Any) -> None:
        self.django = Client(raise_request_exception=False, **options)
        if user is not None:
            self.django.force_login(user)

    def press_connect(self, backend: str, **posted: str) -> str:
        """Return where Connect leads."""
        response = self.django.post(f"/oauth/login/{backend}/", posted)
        assert response.status_code == 302, response.content.decode()
        return str(response["Location"])

    def come_back(self, address: str, account: str = "") -> str:
        """Open the address that the network sent this person to; returns where that leads.

        If there are several accounts to choose from, `account` is ticked.
        """
        path = address.removeprefix("http://testserver")
        assert path != address, address
        response = self.django.get(path)
        assert response.status_code == 302, response.content.decode()
        leads_to = str(response["Location"]).partition("#")[0]
        if account and leads_to.startswith("/connections/choose/"):
            return self.choose(leads_to, account)
        return leads_to

    def choose(self, address: str, account: str) -> str:
        """Tick one account by its name and connect it; returns where that leads."""
        page = self.django.get(address).content.decode()
        names = {
            name.casefold(): key
            for key, name in re.findall(r'value="([^"]+)"[^>]*>\s*<span><strong>([^<]*)<', page)
        }
        response = self.django.post(address, {"account": names[account.casefold()]})
        assert response.status_code == 302, response.content.decode()
        return str(response["Location"])

    def hear(self) -> list[str]:
        """Return what the site says on the list of accounts, once."""
        page = self.django.get("/connections/").content.decode()
        return [html.unescape(text).strip() for _, text in MESSAGE.findall(page)]


def decide(
    address: str,
    account: str = "ada",
    *,
    decision: str = "allow",
    scopes: Sequence[str] | None = None,
) -> str:
    """Decide on a consent page and return where the network sends the person.

    `scopes` are the boxes left ticked; all of those asked for unless given.
    """
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
    asked = re.split("[ ,]", query.get("scope", ""))
    ticked = asked if scopes is None else scopes
    form = [("decision", decision), ("account", account), *(("scope", s) for s in ticked if s)]
    parts = urllib.parse.urlsplit(address)
    assert parts.hostname == "127.0.0.1", address
    door = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=10)
    with contextlib.closing(door):
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        door.request("POST", f"{parts.path}?{parts.query}", urllib.parse.urlencode(form), kind)
        answer = door.getresponse()
        text = answer.read().decode()
        assert answer.status == 302, text
        return str(answer.headers["Location"]).partition("#")[0]


def query_of(address: str) -> Mapping[str, str]:
    """Return an address's parameters."""
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
