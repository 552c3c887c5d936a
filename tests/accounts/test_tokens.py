from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from accounts.checks import check_public_keys, check_secrets
from accounts.tokens import Claims, TokenRefused, is_service_token, read_token

OLD, NEW = "o" * 32, "n" * 32
OLD_KEY, NEW_KEY = (
    rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)
)


def pem(key: Any) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(autouse=True)
def secrets(settings: Any) -> None:
    settings.JWT_SECRET = [NEW, OLD]
    settings.JWT_AUDIENCE = settings.JWT_ISSUER = settings.JWT_PUBLIC_KEY = ""


def signed(secret: str = NEW, **claims: Any) -> str:
    return jwt.encode({"exp": time.time() + 60, "sub": "u1", **claims}, secret, "HS256")


def refusal(token: str) -> TokenRefused:
    with pytest.raises(TokenRefused) as caught:
        read_token(token)
    return caught.value


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_a_token_signed_with_any_of_the_secrets_is_read(secret: str) -> None:
    assert read_token(signed(secret, org_id="o1")) == Claims(user_id="u1", org_id="o1")


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"sub": None, "user_id": "u2"}, "u2"),
        ({"sub": 17}, "17"),
        ({"sub": None}, ""),
        ({"sub": "u1", "aud": "whoever", "iss": "whoever"}, "u1"),
    ],
)
def test_ids_are_taken_from_sub_or_user_id(claims: dict[str, Any], expected: str) -> None:
    token = jwt.encode({"exp": time.time() + 60, **claims}, NEW, "HS256") if claims else ""
    assert read_token(token).user_id == expected


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": time.time() - 31}, "token_expired"),
        ({"nbf": time.time() + 86_400}, "token_invalid"),
        ({"sub": ["u1"]}, "token_invalid"),
        ({"sub": True}, "token_invalid"),
        ({"sub": "x" * 256}, "token_invalid"),
        ({"org_id": "a\x00b"}, "token_invalid"),
    ],
)
def test_bad_claims_are_refused(claims: dict[str, Any], code: str) -> None:
    assert refusal(signed(**claims)).code == code


def test_clocks_may_differ_by_half_a_minute() -> None:
    assert read_token(signed(exp=time.time() - 25)).user_id == "u1"


def test_a_token_without_an_end_is_refused() -> None:
    error = refusal(jwt.encode({"sub": "u1"}, NEW, "HS256"))
    assert "exp" in str(error)


def test_a_foreign_signature_is_refused() -> None:
    assert refusal(signed("f" * 32)).code == "token_invalid"


def test_unsigned_and_other_algorithms_are_refused() -> None:
    claims = {"exp": time.time() + 60, "sub": "u1"}
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    header, body, _ = signed().split(".")
    unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    for token in (
        jwt.encode(claims, None, "none"),
        jwt.encode(claims, rsa_key, "RS256"),
        jwt.encode(claims, NEW * 2, "HS512"),
        f"{unsigned}.{body}.",
        f"{header}.{body}.",
    ):
        assert refusal(token).code == "token_invalid"


# --- RS256 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("private", [OLD_KEY, NEW_KEY])
@pytest.mark.parametrize("one_line", [True, False])
def test_a_token_signed_with_any_of_the_private_keys_is_read(
    settings: Any, private: Any, one_line: bool
) -> None:
    both = pem(NEW_KEY) + pem(OLD_KEY)
    settings.JWT_PUBLIC_KEY = both.replace("\n", "\\n") if one_line else both
    settings.JWT_SECRET = []
    token = jwt.encode({"exp": time.time() + 60, "sub": "u1"}, private, "RS256")
    assert read_token(token) == Claims(user_id="u1", org_id="")


def test_both_kinds_of_token_are_read_side_by_side(settings: Any) -> None:
    settings.JWT_PUBLIC_KEY = pem(NEW_KEY)
    claims = {"exp": time.time() + 60, "sub": "u1"}
    for token in (signed(), jwt.encode(claims, NEW_KEY, "RS256")):
        assert read_token(token).user_id == "u1"
    assert refusal(jwt.encode(claims, OLD_KEY, "RS256")).code == "token_invalid"
    for algorithm in ("RS384", "RS512", "PS256"):
        assert "RS256" in str(refusal(jwt.encode(claims, NEW_KEY, algorithm)))


def hs256_by_hand(secret: bytes) -> str:
    """Sign as an attacker would: libraries refuse to use a PEM block as a secret."""
    header, body, _ = signed().split(".")
    digest = hmac.digest(secret, f"{header}.{body}".encode(), "sha256")
    return f"{header}.{body}." + base64.urlsafe_b64encode(digest).decode().rstrip("=")


@pytest.mark.parametrize("secrets", [[], [NEW]])
def test_the_public_key_is_no_secret_for_hs256(settings: Any, secrets: list[str]) -> None:
    settings.JWT_SECRET = secrets
    settings.JWT_PUBLIC_KEY = pem(NEW_KEY)
    for secret in (pem(NEW_KEY), pem(NEW_KEY).strip(), pem(NEW_KEY).replace("\n", "\\n")):
        assert refusal(hs256_by_hand(secret.encode())).code == "token_invalid"
    if secrets:
        assert read_token(hs256_by_hand(NEW.encode())).user_id == "u1"


def test_rs256_tokens_end_too(settings: Any) -> None:
    settings.JWT_PUBLIC_KEY, settings.JWT_AUDIENCE = pem(NEW_KEY), "carillon"
    for claims, word in (
        ({"aud": "carillon"}, "exp"),
        ({"aud": "carillon", "exp": time.time() - 31}, "expired"),
        ({"exp": time.time() + 60, "aud": "x"}, "aud"),
        ({"exp": time.time() + 60}, "aud"),
    ):
        assert word in str(refusal(jwt.encode({"sub": "u1", **claims}, NEW_KEY, "RS256")))
    late = {"sub": "u1", "aud": "carillon", "exp": time.time() - 25}
    assert read_token(jwt.encode(late, NEW_KEY, "RS256")).user_id == "u1"


def test_keys_that_cannot_be_used_are_told_at_the_start(settings: Any) -> None:
    private = NEW_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    for given, found in (
        ("", []),
        (pem(NEW_KEY) + "\n" + pem(OLD_KEY), []),
        ("secret", ["accounts.E001"]),
        (private, ["accounts.E001"]),
        (pem(NEW_KEY) + "x", ["accounts.E001"]),
        (pem(ec.generate_private_key(ec.SECP256R1())), ["accounts.E001"]),
        (pem(NEW_KEY).replace("A", "!"), ["accounts.E001"]),
        (pem(short), ["accounts.W003"]),
    ):
        settings.JWT_PUBLIC_KEY = given
        assert [message.id for message in check_public_keys(None)] == found, given


# --- nonsense, claims, the service token ------------------------------------------------------


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "ü.ü.ü", "." * 50, "e30.e30.e30"])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refusal(token).code == "token_invalid"


def test_audience_and_issuer_count_when_they_are_set(settings: Any) -> None:
    settings.JWT_AUDIENCE, settings.JWT_ISSUER = "carillon", "portal"
    assert read_token(signed(aud="carillon", iss="portal")).user_id == "u1"
    for claims in ({"aud": "carillon", "iss": "x"}, {"aud": "x", "iss": "portal"}, {}):
        assert refusal(signed(**claims)).code == "token_invalid"


def test_without_secrets_no_token_is_accepted(settings: Any) -> None:
    settings.JWT_SECRET = []
    assert refusal(signed()).code == "token_not_accepted"


def test_the_service_token_is_none_while_it_is_not_set(settings: Any) -> None:
    settings.SERVICE_TOKEN = ""
    assert not is_service_token("")
    settings.SERVICE_TOKEN = "s" * 20
    assert is_service_token("s" * 20)
    assert not is_service_token("ß" * 20)


def test_secrets_that_are_easy_to_guess_are_warned_about(settings: Any) -> None:
    settings.SERVICE_TOKEN = ""
    assert check_secrets(None) == []
    settings.JWT_SECRET, settings.SERVICE_TOKEN = [NEW, "short"], "short"
    assert [message.id for message in check_secrets(None)] == ["accounts.W001", "accounts.W002"]
    settings.JWT_SECRET, settings.SERVICE_TOKEN = [], ""
    assert check_secrets(None) == []
