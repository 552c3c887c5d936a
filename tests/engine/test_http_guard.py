"""User-given addresses: public ones only, whatever tricks the name or a redirect plays."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

import pytest

from engine.addresses import AllowedHosts, is_public
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, HttpPool
from tests.contract.server import Raw, Reply, Scripted, Step, serve

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.1.2.3", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "192.88.99.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::1",
    "2002:7f00:1::", "2001::1", "2001:db8::1", "fc00::1", "fd12::1", "fe80::1", "fec0::1",
    "ff02::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "::ffff:8.8.8.8", "2606:4700:4700::1111"]

Story = Callable[[Http, Scripted], Awaitable[Any]]


def tell(story: Story, *, answer: Step | None = None, **options: Any) -> Any:
    async def main() -> Any:
        pool = HttpPool()
        try:
            async with serve(answer) as server:
                return await story(pool.http(guard_private=True, **options), server)
        finally:
            await pool.close()

    return asyncio.run(main())


def refused(url: str, *, allow: tuple[str, ...] = ()) -> str:
    """Return the reason why a guarded request to `url` was refused; no connection is made."""

    async def story(http: Http, server: Scripted) -> str:
        with pytest.raises(ServiceError) as caught:
            await http.get(url)
        assert caught.value.category is C.VALIDATION_ERROR
        return caught.value.detail

    return str(tell(story, allow_private=allow))


@pytest.mark.parametrize("address", PRIVATE)
def test_private_and_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_ordinary_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_a_literal_private_address_is_refused(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert "public" in refused(f"https://{host}/inbox")


@pytest.mark.parametrize("host", ["2130706433", "0x7f.0.0.1", "127.1", "0177.0.0.1", "localhost"])
def test_other_spellings_of_loopback_are_refused(host: str) -> None:
    assert "refused" in refused(f"https://{host}/") or "malformed" in refused(f"https://{host}/")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.com/", "https"),
        ("https://user@example.com/", "user name"),
        ("https://user:pw@example.com/", "user name"),
        ("https://example.com@127.0.0.1/", "user name"),
        ("https:///path", "web address"),
        ("https://exa mple.com/", "web address"),
        ("https://[::1/", "web address"),
    ],
)
def test_unfit_addresses_are_refused_with_a_reason(url: str, reason: str) -> None:
    assert reason in refused(url)


def test_a_base_address_that_is_none_is_refused_too() -> None:
    async def story(http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await http.get("/api")
        assert caught.value.category is C.VALIDATION_ERROR

    tell(story, base_url="ftp://")


@pytest.mark.parametrize("allow", [("127.0.0.1",), ("127.0.0.0/8",), ("10.0.0.0/8", " 127.0.0.1 ")])
def test_a_listed_address_may_be_reached_even_by_http(allow: tuple[str, ...]) -> None:
    async def story(http: Http, server: Scripted) -> int:
        return (await http.get(f"{server.url}/api")).status

    assert tell(story, allow_private=allow) == 200


def test_a_listed_name_may_lead_inside() -> None:
    async def story(http: Http, server: Scripted) -> int:
        return (await http.get(server.url.replace("127.0.0.1", "localhost"))).status

    assert tell(story, allow_private=("LOCALHOST",)) == 200


def test_a_name_that_leads_to_a_listed_network_needs_https_still() -> None:
    assert "https" in refused("http://localhost/", allow=("127.0.0.0/8",))


def test_a_name_with_one_private_address_among_public_ones_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def mixed(host: str, port: int, *rest: Any, **more: Any) -> list[Any]:
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*stream, ("93.184.216.34", port)), (*stream, ("10.0.0.5", port))]

    monkeypatch.setattr(socket, "getaddrinfo", mixed)  # no name server to misuse on loopback
    assert "does not lead to a public address" in refused("https://rebinding.example/")


def test_the_lists_of_two_doors_do_not_mix() -> None:
    async def story(http: Http, server: Scripted) -> None:
        assert (await http.get(server.url)).status == 200
        pool = HttpPool()
        try:
            with pytest.raises(ServiceError):
                await pool.http(guard_private=True).get(server.url)
            open_door = pool.http(guard_private=True, allow_private=["127.0.0.1"])
            assert (await open_door.get(server.url)).status == 200
            with pytest.raises(ServiceError):
                await pool.http(guard_private=True).get(server.url)
        finally:
            await pool.close()

    tell(story, allow_private=("127.0.0.1",))


def test_listed_hosts_are_read_leniently() -> None:
    allowed = AllowedHosts.parse(["Sandbox.Internal.", "10.1.2.3/8", "[::1]"])
    assert allowed.names_host("sandbox.internal")
    assert allowed.names_host("10.200.0.1")
    assert allowed.names_host("[::1]")
    assert not allowed.names_host("127.0.0.1")


# --- downloads --------------------------------------------------------------------------------
async def fetch(http: Http, url: str, *, max_bytes: int = 1000) -> bytes:
    async with http.download(url, max_bytes=max_bytes) as file:
        assert file.content_type == "image/png"
        return b"".join([chunk async for chunk in file.chunks])


def fetched(answer: Step, *, max_bytes: int = 1000) -> bytes:
    async def story(http: Http, server: Scripted) -> bytes:
        return await fetch(http, f"{server.url}/a.png", max_bytes=max_bytes)

    return bytes(tell(story, answer=answer, allow_private=("127.0.0.1",)))


IMAGE = {"content-type": "image/png"}


def test_a_file_is_read_in_chunks() -> None:
    assert fetched(Reply(200, b"pixels", IMAGE)) == b"pixels"


@pytest.mark.parametrize(
    ("answer", "category"),
    [
        (Reply(200, b"x" * 2000, IMAGE), C.MEDIA_ERROR),
        (Reply(404, b"", IMAGE), C.MEDIA_ERROR),
        (Reply(503, b"", IMAGE), C.SERVER_ERROR),
        (Reply(429, b"", {**IMAGE, "retry-after": "7"}), C.RATE_LIMIT),
        (Reply(302, b"", {"location": "http://127.0.0.1:1/"}), C.NETWORK_ERROR),
        (Reply(302, b"", {"location": "/a.png"}), C.MEDIA_ERROR),
        (Reply(302, b"", {"location": "http://10.0.0.1/"}), C.VALIDATION_ERROR),
        (Reply(302, b"", {"location": "https://[::1/"}), C.VALIDATION_ERROR),
    ],
)
def test_a_file_that_cannot_be_had(answer: Step, category: C) -> None:
    with pytest.raises(ServiceError) as caught:
        fetched(answer)
    assert caught.value.category is category


def test_a_file_without_a_length_is_capped_while_reading() -> None:
    chunks = b"".join(b"400\r\n" + b"x" * 0x400 + b"\r\n" for _ in range(4)) + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n"

    async def story(http: Http, server: Scripted) -> None:
        server.script = lambda request: Raw(head + chunks)
        with pytest.raises(ServiceError) as caught:
            await fetch(http, server.url)
        assert caught.value.category is C.MEDIA_ERROR

    tell(story, allow_private=("127.0.0.1",))


def test_a_redirect_to_a_good_place_is_followed() -> None:
    async def story(http: Http, server: Scripted) -> bytes:
        server.in_turn(Reply(301, b"", {"location": "b.png"}), Reply(200, b"pixels", IMAGE))
        return await fetch(http, f"{server.url}/images/a.png")

    assert tell(story, allow_private=("127.0.0.1",)) == b"pixels"


def test_the_readers_own_errors_stay_its_own() -> None:
    async def story(http: Http, server: Scripted) -> None:
        with pytest.raises(OSError, match="disk full"):
            async with http.download(server.url, max_bytes=10):
                raise OSError("disk full")

    tell(story, allow_private=("127.0.0.1",))
