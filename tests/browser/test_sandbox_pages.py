"""The sandbox's pages in a browser: consent without JavaScript, a feed that shows every kind."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.processes import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True}
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


class Callback(http.server.BaseHTTPRequestHandler):
    """A client's callback on another origin than the consent page's."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>back at the client</title>")

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def callback() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Callback)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/oauth/complete/"
    server.shutdown()
    server.server_close()
    thread.join()


def consent_address(sandbox_url: str, callback: str) -> str:
    return f"{sandbox_url}/x/i/oauth2/authorize?" + urlencode(
        {
            "response_type": "code",
            "client_id": "sandbox-client",
            "redirect_uri": callback,
            "scope": "tweet.read users.read tweet.write",
            "state": "5",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
    )


def complaints(page: Page) -> list[str]:
    """What the browser says on its console from now on, such as a broken policy."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def publish(page: Page, sandbox_url: str, path: str, account: str, body: Any) -> Any:
    reply = page.request.post(
        sandbox_url + path, data=body, headers={"Authorization": f"Bearer demo-{account}"}
    )
    assert reply.ok, reply.text()
    return reply.json()


def is_ready(page: Page, path: str) -> bool:
    reply = page.request.get(path, headers={"Authorization": "Bearer demo-filmer"})
    return reply.status == 200


def test_consent_is_given_by_keyboard_without_javascript(
    browser: Browser, sandbox_url: str, callback: str
) -> None:
    page = browser.new_page(java_script_enabled=False)
    said = complaints(page)
    page.goto(consent_address(sandbox_url, callback))
    assert page.title() == "X: allow sandbox-client?"
    page.keyboard.press("Control+A")
    page.keyboard.type("keyboarder")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{callback}**")
    assert page.title() == "back at the client"
    assert all(part in page.url for part in ("code=", "state=5"))
    assert said == []


def test_cancel_leads_back_on_a_phone_too(
    browser: Browser, sandbox_url: str, callback: str
) -> None:
    page = browser.new_page(**PHONE, color_scheme="dark")
    page.goto(consent_address(sandbox_url, callback))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.fill("input[name=account]", "")
    page.click("text=Cancel")
    page.wait_for_url(f"{callback}**")
    assert page.url.endswith("?error=access_denied&state=5")


@pytest.mark.parametrize("device", [{}, PHONE], ids=["desk", "phone"])
def test_the_feed_shows_kind_visibility_options_and_address(
    browser: Browser, sandbox_url: str, device: dict[str, Any]
) -> None:
    page = browser.new_page(**device)
    said = complaints(page)
    account = f"shown-{len(device)}"
    body = {"status": "Quietly", "visibility": "unlisted", "spoiler_text": "bells"}
    toot = publish(page, sandbox_url, "/mastodon/one/api/v1/statuses", account, body)
    poll = {"text": "Which?", "poll": {"options": ["a", "b"], "duration_minutes": 60}}
    publish(page, sandbox_url, "/x/2/tweets", account, poll)
    page.goto(f"{sandbox_url}/?account={account}")
    page.wait_for_selector(".thread.x")
    assert page.inner_text(".thread.x .kind") == "poll"
    assert "poll: a / b" in page.inner_text(".thread.x .facts")
    facts = page.inner_text(".thread.mastodon .facts")
    assert "unlisted" in facts
    assert "content warning: bells" in facts
    page.goto(toot["url"])
    page.wait_for_selector(f"#mastodon-one-{toot['id']}.sought")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]
    assert said == []


def test_a_film_plays_and_one_without_pictures_is_a_tile(
    browser: Browser, sandbox_url: str
) -> None:
    page = browser.new_page()
    page.goto(sandbox_url)
    film = page.evaluate(
        """async () => {
          const canvas = document.createElement("canvas");
          const pen = canvas.getContext("2d");
          const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: "video/webm" });
          const parts = [];
          recorder.ondataavailable = (event) => parts.push(event.data);
          const ended = new Promise((resolve) => { recorder.onstop = resolve; });
          recorder.start();
          for (let n = 0; n < 10; n += 1) {
            pen.fillStyle = `rgb(${n * 20}, 90, 90)`;
            pen.fillRect(0, 0, 300, 150);
            await new Promise((resolve) => { setTimeout(resolve, 30); });
          }
          recorder.stop();
          await ended;
          return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
        }"""
    )
    for data in (bytes(film), b"\x1a\x45\xdf\xa3 no film"):
        reply = page.request.post(
            f"{sandbox_url}/mastodon/one/api/v2/media",
            headers={"Authorization": "Bearer demo-filmer"},
            multipart={"file": {"name": "a.webm", "mimeType": "video/webm", "buffer": data}},
        )
        media_id = reply.json()["id"]
        path = f"{sandbox_url}/mastodon/one/api/v1/media/{media_id}"
        wait_until(lambda at=path: is_ready(page, at), what="the end of processing")
        body = {"status": f"{len(data)} bytes", "media_ids": [media_id]}
        publish(page, sandbox_url, "/mastodon/one/api/v1/statuses", "filmer", body)
    page.goto(f"{sandbox_url}/?account=filmer")
    page.wait_for_selector(".media .file")
    assert "video/webm" in page.inner_text(".media .file")
    page.wait_for_function("document.querySelector('.media video').readyState >= 1")
    width = page.evaluate("document.querySelector('.media video').videoWidth")
    assert width == 300


def test_the_inbox_shows_every_message_in_its_own_shape(sandbox_url: str, browser: Browser) -> None:
    import base64
    import json
    import urllib.request

    def post(path: str, body: bytes, **headers: str) -> None:
        request = urllib.request.Request(sandbox_url + path, data=body, headers=headers)  # noqa: S310 - loopback
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310

    as_json = {"Content-Type": "application/json"}
    evil = "<script>document.title='run'</script><b>Your post</b>"
    mail = {
        "personalizations": [{"to": [{"email": "inbox@example.org"}]}],
        "from": {"email": "carillon@example.org"},
        "subject": "<i>Not published</i>",
        "content": [
            {"type": "text/plain", "value": "Plain words"},
            {"type": "text/html", "value": evil},
        ],
    }
    bearer = {"Authorization": "Bearer SG.demo-inbox"}
    post("/sendgrid/v3/mail/send", json.dumps(mail).encode(), **as_json, **bearer)
    sid = "AC" + 32 * "c"
    basic = base64.b64encode(f"{sid}:demo-inbox".encode()).decode()
    post(
        f"/twilio/2010-04-01/Accounts/{sid}/Messages.json",
        b"To=%2B4915100000001&From=%2B15005550006&Body=<b>Short words",
        Authorization=f"Basic {basic}",
    )
    blocks = [
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": "a &lt;b&gt; <https://a.example|here>"},
        }
    ]
    said = {"channel": "CINBOX", "text": "t", "blocks": blocks}
    token = {"Authorization": "Bearer xoxb-demo-inbox"}
    post("/slack/api/chat.postMessage", json.dumps(said).encode(), **as_json, **token)

    for options in ({"viewport": {"width": 1280, "height": 900}}, PHONE):
        page = browser.new_page(**options)  # type: ignore[arg-type]
        problems = complaints(page)
        page.goto(f"{sandbox_url}/inbox")
        letter = page.locator(".letter.sendgrid", has_text="inbox@example.org").first
        assert letter.locator(".subject").inner_text() == "<i>Not published</i>"
        assert letter.frame_locator("iframe").locator("b").inner_text() == "Your post"
        letter.get_by_role("button", name="Text").click()
        assert letter.locator("pre").inner_text() == "Plain words"
        text = page.locator(".letter.twilio", has_text="+4915100000001").first
        assert text.locator(".bubble").inner_text() == "<b>Short words"
        slack = page.locator(".letter.slack", has_text="CINBOX").first
        assert slack.locator(".block").inner_text() == "a <b> here"
        assert page.title() == "Sandbox: what was delivered"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("button", name="SMS").click()
        page.locator(".letter.sendgrid").first.wait_for(state="detached")
        assert [p for p in problems if "script" not in p.lower()] == []
        page.close()
