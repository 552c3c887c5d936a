"""What an answer tells: waits in both forms, request ids, excerpts without secrets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.answers import LONGEST_WAIT, Response
from engine.redaction import BLOT, redact


def answer(body: bytes = b"", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(429, named, body)


@pytest.mark.parametrize(
    ("value", "seconds"), [("0", 0), ("7", 7), (" 120 ", 120), ("1.5", 1.5), ("999999999", None)]
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    expected = LONGEST_WAIT if seconds is None else timedelta(seconds=seconds)
    assert answer(retry_after=value).retry_after == expected


def test_retry_after_as_a_date_counts_from_the_answers_own_date() -> None:
    sent = datetime(2020, 1, 1, 12, tzinfo=UTC)  # a server whose clock is years behind
    until = format_datetime(sent + timedelta(seconds=90), usegmt=True)
    found = answer(retry_after=until, date=format_datetime(sent, usegmt=True)).retry_after
    assert found == timedelta(seconds=90)


def test_retry_after_as_a_date_without_date_counts_from_now() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    found = answer(retry_after=until).retry_after
    assert found is not None
    assert timedelta(seconds=55) < found <= timedelta(seconds=60)


def test_a_date_that_has_passed_means_no_wait() -> None:
    assert answer(retry_after="Wed, 21 Oct 2015 07:28:00 GMT").retry_after == timedelta()


@given(st.text())
def test_an_odd_retry_after_never_fails_and_is_never_negative(value: str) -> None:
    found = answer(retry_after=value).retry_after
    assert found is None or timedelta() <= found <= LONGEST_WAIT


@pytest.mark.parametrize("name", ["x_request_id", "x_transaction_id", "x_fb_trace_id", "cf_ray"])
def test_the_networks_id_of_the_call_is_found(name: str) -> None:
    assert answer(**{name: "abc-1"}).request_id == "abc-1"


def test_without_such_a_header_the_id_is_empty() -> None:
    assert answer().request_id == ""


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b"{", b"1" * 5000])
def test_what_is_not_json_reads_as_none(body: bytes) -> None:
    assert answer(body).json() is None
    assert answer(body).json_object() == {}


def test_an_excerpt_has_at_most_500_characters() -> None:
    assert len(answer("ü".encode() * 5000).excerpt) == 500


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abc def", "abc"),
        ('{"authorization": "OAuth oauth_token=\\"xyzzy\\""}', "xyzzy"),
        ("see https://a.example/?access_token=tok123&x=1", "tok123"),
        ('{"refresh_token":"some words", "x": 1}', "some words"),
        ("{'client_secret': 'hunter22'}", "hunter22"),
        ("api_key=k", "=k"),
        ("the bearer eyJhbGciOiJIUzI1NiJ9.e30 failed", "eyJ"),
        ("cookie: sid=1234", "1234"),
        ("odd " + "aB3" * 20, "aB3aB3"),
    ],
)
def test_what_looks_like_a_secret_is_blotted(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "The access token is invalid",
        "Missing valid authorization header",
        "You are not allowed to create a Tweet with duplicate content.",
        "https://api.twitter.com/2/problems/not-authorized-for-resource",
        "Basic information is missing",
        "invalid token: expired",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


@given(st.text(max_size=200), st.text(min_size=6, max_size=20))
def test_a_given_secret_never_remains(text: str, secret: str) -> None:
    shown = redact(f"{text}{secret}{text}", [secret])
    assert not [piece for piece in shown.split(BLOT) if secret in piece and secret not in BLOT]
