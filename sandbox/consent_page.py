"""The HTML of the consent page: no JavaScript, no address but our own, everything escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from sandbox.exchange import Answer, html_page

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*:(//[A-Za-z0-9.:\[\]-]+)?")


@dataclass(frozen=True, slots=True)
class Box:
    """One scope, as a box to tick."""

    scope: str
    words: str
    is_ticked: bool
    is_locked: bool


def ask(
    network: str,
    label: str,
    *,
    client: str,
    redirect_uri: str,
    account: str,
    boxes: Sequence[Box],
    problem: str = "",
) -> Answer:
    """Return the page that asks; with a problem, of the account's name, it has status 400.

    A `redirect_uri` without a host means that the person will copy a code.
    """
    host = _host(redirect_uri)
    way = f"Afterwards you return to <b>{escape(host)}</b>." if host else "You get a code to copy."
    are_locked = bool(boxes) and all(box.is_locked for box in boxes)
    legend = "It may, all or nothing" if are_locked else "It may"
    fault = f'<p class="problem" id="problem" role="alert">{escape(problem)}</p>' if problem else ""
    described = ' aria-invalid="true" aria-describedby="problem"' if problem else ""
    body = f"""
<h1>Let <b>{escape(client)}</b> use your {escape(label)} account?</h1>
<p class="hint">{way}</p>
<form method="post">
  <label class="name">Account
    <input name="account" value="{escape(account)}" required maxlength="40" autofocus
      pattern="[A-Za-z0-9_.\\-]+" title="letters, digits, dots, dashes and underscores"
      autocomplete="off" autocapitalize="none" spellcheck="false"{described}>
  </label>
  {fault}
  <fieldset>
    <legend>{legend}</legend>
    {"".join(map(_box, boxes))}
  </fieldset>
  <div class="decide">
    <button class="allow" name="decision" value="allow">Allow</button>
    <button class="cancel" name="decision" value="cancel" formnovalidate>Cancel</button>
  </div>
</form>"""
    return _page(network, label, f"{label}: allow {client}?", body, _origin(redirect_uri), problem)


def problem(network: str, label: str, text: str) -> Answer:
    """Return a page, with status 400, for a request that cannot go back to its client."""
    body = f"""
<h1>This request does not work</h1>
<p class="problem" role="alert">{escape(text)}</p>
<p class="hint">Nothing was allowed. Close this page and start again from the application.</p>"""
    return _page(network, label, f"{label}: a request that does not work", body, "", text)


def show(network: str, label: str, heading: str, value: str) -> Answer:
    """Return a page with something to copy: a code or a PIN for a client without a redirect."""
    body = f"""
<h1>{escape(heading)}</h1>
<p class="code" tabindex="0">{escape(value)}</p>
<p class="hint">Copy this into the application. It works once.</p>"""
    return _page(network, label, heading, body, "", "")


def _box(box: Box) -> str:
    state = (" checked" if box.is_ticked or box.is_locked else "") + (
        " disabled" if box.is_locked else ""
    )
    words = f"<span>{escape(box.words)}</span>" if box.words else ""
    return (
        f'<label class="box"><input type="checkbox" name="scope" value="{escape(box.scope)}"'
        f"{state}><span>{words}<code>{escape(box.scope)}</code></span></label>"
    )


def _page(
    network: str, label: str, title: str, body: str, form_target: str, problem: str
) -> Answer:
    mark = f'<svg class="mark" aria-hidden="true"><use href="/_static/marks.svg#{network}"/></svg>'
    text = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{escape(title)}</title>
<link rel="icon" href="/_static/icon.svg">
<link rel="stylesheet" href="/_static/feed.css">
<link rel="stylesheet" href="/_static/consent.css">
</head>
<body class="consent {escape(network)}">
<main>
<header>{mark}<span>{escape(label)}</span></header>
{body}
</main>
<footer>An imitation for trying things out: no password, and nothing leaves this machine.</footer>
</body>
</html>
"""
    # A browser checks form-action along the redirect too: the client's own origin must be in it.
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        f"form-action 'self'{f' {form_target}' if form_target else ''}; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return html_page(text, 400 if problem else 200, headers)


def _host(redirect_uri: str) -> str:
    return urlsplit(redirect_uri).netloc.rpartition("@")[2]


def _origin(redirect_uri: str) -> str:
    """The origin as a source of a policy; "" when it has characters that could break out."""
    scheme, host = urlsplit(redirect_uri).scheme.lower(), _host(redirect_uri)
    origin = f"{scheme}://{host}" if host else f"{scheme}:"
    return origin if _ORIGIN.fullmatch(origin) else ""
