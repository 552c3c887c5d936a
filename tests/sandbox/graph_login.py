"""The consent of a Graph network without a browser, and the forms its token endpoints want."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.sandbox.conftest import Client, Reply

BACK = "https://carillon.example/oauth/complete/x/"
APPLICATION = {"client_id": "sandbox-client", "client_secret": "sandbox-client-secret"}


async def decide(c: Client, path: str, scopes: str, **form: Any) -> Reply:
    """Answer the consent page at `path`; scopes are separated by commas."""
    query = {
        "client_id": "sandbox-client",
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": scopes,
        "state": "s1",
    }
    return await c.call(
        "POST", f"{path}?{urlencode(query)}", token=None, data=form, allow_redirects=False
    )


async def code_for(c: Client, path: str, scopes: str, account: str = "ada") -> str:
    """A code with every scope granted."""
    form = {"decision": "allow", "account": account, "scope": scopes.split(",")}
    reply = await decide(c, path, scopes, **form)
    assert reply.status == 302, reply.text
    back = dict(parse_qsl(urlsplit(reply.headers["Location"]).query))
    assert back["state"] == "s1"
    return back["code"]


def code_form(for_code: str, **changes: str) -> dict[str, str]:
    """What a token endpoint wants for a code."""
    return {
        **APPLICATION,
        "grant_type": "authorization_code",
        "redirect_uri": BACK,
        "code": for_code,
        **changes,
    }
