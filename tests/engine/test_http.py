"""The line between not sent and unknown, and everything else an outbound request promises."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.answers import Response
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Basic, Bearer, Http, HttpPool, OAuth1, Part
from tests.contract.server import DROP, HANG, RESET, Raw, Reply, Scripted, Step, closed_port, serve

SOON = timedelta(seconds=0.15)
CUT_OFF = b'HTTP/1.1 %d Told\r\ncontent-length: 100\r\n\r\n{"id":'

Story = Callable[[Http, Scripted], Awaitable[Any]]


def tell(story: Story, *, answer: Step | None = None, **options: Any) -> Any:
    """Run a story against a scripted server that answers with `answer`."""

    async def main() -> Any:
        pool = HttpPool()
        try:
            async with serve(answer) as server:
                options.setdefault("base_url", server.url)
                return await story(pool.http(**options), server)
        finally:
            await pool.close()

    return asyncio.run(main())


def failure_of(answer: Step, *, writes: bool, method: str = "POST", **options: Any) -> ServiceError:
    async def story(http: Http, server: Scripted) -> ServiceError:
        with pytest.raises(ServiceError) as caught:
            await http.request(method, "/posts", json={"text": "hi"}, writes=writes)
        assert len(server.requests) == 1
        return caught.value

    return tell(story, answer=answer, deadline=options.pop("deadline", SOON), **options)


# --- what goes over the wire ----------------------------------------------------------------
def test_a_json_post_arrives_as_written() -> None:
    async def story(http: Http, server: Scripted) -> None:
        response = await http.post("/posts?a=b%20c", json={"text": "Grüße"}, params={"d": "e&f"})
        assert (response.status, response.json(), response.ok) == (201, {"id": "7"}, True)
        assert (response.method, response.path) == ("POST", "/posts")
        (request,) = server.requests
        assert request.json == {"text": "Grüße"}
        assert request.path in {"/posts?a=b%20c&d=e%26f", "/posts?a=b+c&d=e%26f"}
        assert request.headers["content-type"] == "application/json"
        assert request.headers["authorization"] == "Bearer token-1"
        assert request.headers["user-agent"].startswith("Carillon/")
        assert "cookie" not in request.headers

    tell(story, answer=Reply(201, {"id": "7"}), auth=Bearer("token-1"))


def test_an_encoded_address_goes_out_as_it_is_written() -> None:
    path = "/rest/posts/urn%3Ali%3Ashare%3A1?ids=List(urn%3Ali%3Ashare%3A1,b)"

    async def story(http: Http, server: Scripted) -> None:
        await http.get(path, encoded=True)
        await http.get(path)
        assert [request.path for request in server.requests] == [path, path.replace("%3A", ":")]

    tell(story, answer=Reply(200))


def test_a_form_is_encoded_and_signed_with_its_fields() -> None:
    async def story(http: Http, server: Scripted) -> None:
        await http.post("/token", form={"grant_type": "refresh token", "b": "ü"})
        (request,) = server.requests
        assert request.body == b"grant_type=refresh%20token&b=%C3%BC"
        assert 'oauth_token="tok"' in request.headers["authorization"]

    tell(story, auth=OAuth1("ck", "cs", "tok", "ts"))


def test_a_multipart_file_is_streamed_with_a_known_length() -> None:
    async def read() -> AsyncIterator[bytes]:
        yield b"a" * 70_000
        yield b"b" * 30_000

    async def story(http: Http, server: Scripted) -> None:
        parts = [
            Part("category", "image"),
            Part("file", read, 100_000, 'odd "name"\r\n.png', "image/png"),
        ]
        await http.post("/media", multipart=parts)
        (request,) = server.requests
        assert "transfer-encoding" not in request.headers
        assert int(request.headers["content-length"]) == len(request.body)
        assert b"a" * 70_000 + b"b" * 30_000 in request.body
        assert b'name="category"\r\n\r\nimage\r\n' in request.body
        assert b'filename="odd %22name%22%0D%0A.png"\r\nContent-Type: image/png' in request.body

    tell(story)


@pytest.mark.parametrize("size", [5, 15])
def test_a_file_of_another_size_than_said_is_a_media_error(size: int) -> None:
    async def read() -> AsyncIterator[bytes]:
        yield b"0123456789"

    async def story(http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await http.post("/media", multipart=[Part("file", read, size, "a.png")])
        assert caught.value.category is C.MEDIA_ERROR

    tell(story)


def test_a_file_that_cannot_be_read_is_a_media_error() -> None:
    async def read() -> AsyncIterator[bytes]:
        yield b"0123456789"
        raise FileNotFoundError("/srv/secret/path")

    async def story(http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await http.post("/media", multipart=[Part("file", read, 20, "a.png")])
        assert caught.value.category is C.MEDIA_ERROR
        assert "secret" not in str(caught.value)

    tell(story)


def test_redirects_are_answers_and_cookies_are_forgotten() -> None:
    async def story(http: Http, server: Scripted) -> None:
        for _ in range(2):
            response = await http.get("/here")
            assert response.status == 302
            assert response.headers.get("location") == "/there"
        assert len(server.requests) == 2
        assert "cookie" not in server.requests[1].headers

    tell(story, answer=Reply(302, b"", {"location": "/there", "set-cookie": "a=b; Path=/"}))


def test_our_authorization_goes_to_our_origin_only() -> None:
    async def story(http: Http, server: Scripted) -> None:
        async with serve() as other:
            await http.get(f"{other.url}/elsewhere")
            await http.get(f"{other.url}/named", auth=Basic("client", "secret"))
            await http.get("//elsewhere.example/path")
            await http.get("/anonymous", auth=None)
            assert "authorization" not in other.requests[0].headers
            assert other.requests[1].headers["authorization"] == "Basic Y2xpZW50OnNlY3JldA=="
            assert server.requests[0].path == "/elsewhere.example/path"
            assert "authorization" not in server.requests[1].headers

    tell(story, auth=Bearer("token-1"))


def test_hints_are_collected_from_every_answer() -> None:
    async def story(http: Http, server: Scripted) -> None:
        await http.get("/a")
        await http.get("/b")
        assert http.hints == [("/a", 429), ("/b", 429)]

    tell(story, answer=Reply(429), on_response=lambda response: [(response.path, response.status)])


def test_compressed_answers_are_read_and_bombs_are_cut_off() -> None:
    async def story(http: Http, server: Scripted) -> None:
        server.always(Reply(200, gzip.compress(b'{"a": 1}'), {"content-encoding": "gzip"}))
        assert (await http.get("/")).json() == {"a": 1}
        server.always(Reply(200, gzip.compress(bytes(10**7)), {"content-encoding": "gzip"}))
        with pytest.raises(ServiceError) as caught:
            await http.get("/")
        assert caught.value.category is C.NETWORK_ERROR

    tell(story, max_body=100_000)


# --- certainly not sent ---------------------------------------------------------------------
def certainly_not_sent(url: str, *, timeout: timedelta = SOON) -> ServiceError:
    async def story(http: Http, server: Scripted) -> ServiceError:
        with pytest.raises(ServiceError) as caught:
            await http.post(url, json={"text": "hi"}, writes=True, timeout=timeout)
        return caught.value

    return tell(story)


def test_a_refused_connection_was_not_sent() -> None:
    error = certainly_not_sent(f"http://127.0.0.1:{closed_port()}/posts")
    assert error.category is C.NETWORK_ERROR
    assert "127.0.0.1" in error.detail


def test_an_unknown_host_was_not_sent() -> None:
    error = certainly_not_sent(
        f"http://{'a' * 60}.localhost.invalid/", timeout=timedelta(seconds=5)
    )
    assert error.category is C.NETWORK_ERROR


def test_an_untrusted_certificate_was_not_sent(tmp_path: Path) -> None:
    async def main() -> None:
        pool = HttpPool()
        async with serve(tls=self_signed(tmp_path)) as server:
            with pytest.raises(ServiceError) as caught:
                await pool.http().post(f"{server.url}/posts", json={}, writes=True)
            assert server.requests == []
        await pool.close()
        assert caught.value.category is C.NETWORK_ERROR
        assert "secure connection" in caught.value.detail

    asyncio.run(main())


def self_signed(folder: Path) -> ssl.SSLContext:
    """Return a server's TLS context with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@contextmanager
def full_backlog() -> Iterator[int]:
    """Listen on a port whose queue is full: further connections get no answer at all."""
    sockets = [socket.socket() for _ in range(6)]
    listener, *clients = sockets
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for client in clients:
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])
    finally:
        for each in sockets:
            each.close()


def test_a_connect_timeout_was_not_sent() -> None:
    with full_backlog() as port:
        error = certainly_not_sent(f"http://127.0.0.1:{port}/posts")
    assert error.category is C.NETWORK_ERROR
    assert "too long" in error.detail


def test_a_malformed_token_is_refused_before_anything_is_sent() -> None:
    async def story(http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await http.post("/posts", json={}, writes=True)
        assert caught.value.category is C.VALIDATION_ERROR
        assert "broken" not in str(caught.value)
        assert server.requests == []

    tell(story, auth=Bearer("broken\r\nx-evil: 1"))


# --- sent, and what became of it --------------------------------------------------------------
@pytest.mark.parametrize("answer", [DROP, RESET, HANG, Raw(b"SMTP ready\r\n\r\n")])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_write_whose_answer_is_lost_is_unknown(answer: Step, method: str) -> None:
    error = failure_of(answer, writes=True, method=method)
    assert error.category is C.OUTCOME_UNKNOWN
    assert error.http_status == 0


@pytest.mark.parametrize("answer", [DROP, RESET, HANG])
def test_a_read_whose_answer_is_lost_may_be_repeated(answer: Step) -> None:
    assert failure_of(answer, writes=False).category is C.NETWORK_ERROR


@pytest.mark.parametrize("hang", [False, True])
@pytest.mark.parametrize(
    ("writes", "category"), [(True, C.OUTCOME_UNKNOWN), (False, C.NETWORK_ERROR)]
)
def test_a_success_that_breaks_off(hang: bool, writes: bool, category: C) -> None:
    error = failure_of(Raw(CUT_OFF % 201, hang=hang), writes=writes)
    assert error.category is category
    assert error.http_status == 201


@pytest.mark.parametrize("hang", [False, True])
@pytest.mark.parametrize("status", [400, 422, 429, 503])
def test_an_error_status_counts_even_if_its_body_breaks_off(hang: bool, status: int) -> None:
    async def story(http: Http, server: Scripted) -> None:
        response = await http.post("/posts", json={}, writes=True)
        assert response.status == status
        assert response.json() is None

    tell(story, answer=Raw(CUT_OFF % status, hang=hang), deadline=SOON)


@pytest.mark.parametrize(
    ("writes", "category"), [(True, C.OUTCOME_UNKNOWN), (False, C.NETWORK_ERROR)]
)
def test_a_success_larger_than_the_cap(writes: bool, category: C) -> None:
    assert failure_of(Reply(200, b"x" * 5000), writes=writes, max_body=1000).category is category


def test_an_error_larger_than_the_cap_is_cut() -> None:
    async def story(http: Http, server: Scripted) -> None:
        response = await http.get("/")
        assert response.status == 500
        assert len(response.body) <= 1000

    tell(story, answer=Reply(500, b"x" * 5000), max_body=1000)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_write_is_never_sent_again_on_a_dead_kept_alive_connection(method: str) -> None:
    async def story(http: Http, server: Scripted) -> None:
        await http.get("/first")  # leaves a connection open for the write
        server.in_turn(DROP)
        with pytest.raises(ServiceError) as caught:
            await http.request(method, "/posts/1", writes=True)
        assert caught.value.category is C.OUTCOME_UNKNOWN
        assert len(server.requests) == 1

    tell(story)


def test_a_connection_found_closed_costs_nothing() -> None:
    async def story(http: Http, server: Scripted) -> None:
        await http.get("/first")
        server.always(Raw(Reply(200).encode()))  # answers, then closes
        await http.get("/second")
        for _ in range(20):
            await asyncio.sleep(0)  # lets the loop see that the server closed
        server.always(Reply(201))
        assert (await http.post("/third", json={}, writes=True)).status == 201

    tell(story)


def test_the_deadline_covers_the_whole_call() -> None:
    async def story(http: Http, server: Scripted) -> float:
        started = time.monotonic()
        with pytest.raises(ServiceError):
            await http.get("/", timeout=timedelta(seconds=0.3))
        return time.monotonic() - started

    assert 0.25 < tell(story, answer=HANG) < 1.0


def test_cancelling_passes_through_untouched() -> None:
    async def story(http: Http, server: Scripted) -> None:
        call = asyncio.create_task(http.post("/posts", json={}, writes=True))
        while not server.requests:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    tell(story, answer=HANG)


# --- secrets ----------------------------------------------------------------------------------
URL_TOKEN = "url-token-1"
SECRETS = ("bearer-token-1234", "consumer-secret-1", "token-secret-1", "basic-password-1")


@pytest.mark.parametrize(
    "auth",
    [
        Bearer(SECRETS[0]),
        OAuth1("key", SECRETS[1], SECRETS[0], SECRETS[2]),
        Basic("client", SECRETS[3]),
    ],
)
@pytest.mark.parametrize("answer", [DROP, Raw(b"nonsense\r\n\r\n"), Raw(CUT_OFF % 200)])
def test_secrets_are_in_no_error_and_no_repr(auth: Any, answer: Step) -> None:
    async def story(http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await http.post("/posts", params={"access_token": URL_TOKEN}, json={}, writes=True)
        error = caught.value
        shown = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
        shown += repr(http) + repr(auth) + repr(error.__context__) + repr(error.__cause__)
        assert not [secret for secret in (*SECRETS, URL_TOKEN) if secret in shown]

    tell(story, answer=answer, auth=auth)


def test_an_echoed_token_is_blotted_out_of_the_excerpt() -> None:
    async def story(http: Http, server: Scripted) -> Response:
        return await http.get("/")

    response = tell(story, answer=Reply(401, b"no such user: tok-1x"), auth=Bearer("tok-1x"))
    assert response.excerpt == "no such user: [hidden]"
    assert "tok-1x" not in repr(response)


def test_a_closed_pool_says_so() -> None:
    async def main() -> None:
        pool = HttpPool()
        await pool.close()
        with pytest.raises(RuntimeError, match="closed"):
            pool.http()

    asyncio.run(main())


# --- too late -------------------------------------------------------------------------------
@pytest.mark.parametrize("warm", [False, True])
def test_what_would_leave_after_its_last_moment_does_not_leave(warm: bool) -> None:
    async def story(http: Http, server: Scripted) -> ServiceError:
        if warm:
            await http.post("/posts", json={"text": "in time"}, writes=True)
        server.requests.clear()
        http.start_before = time.monotonic() - 0.001
        with pytest.raises(ServiceError) as caught:
            await http.post("/posts", json={"text": "late"}, writes=True)
        http.start_before = time.monotonic() + 60
        await http.post("/posts", json={"text": "in time again"}, writes=True)
        assert [request.json["text"] for request in server.requests] == ["in time again"]
        return caught.value

    error = tell(story, answer=Reply(200, {}))
    assert error.category is C.NETWORK_ERROR
    assert error.detail.startswith("Not sent")
