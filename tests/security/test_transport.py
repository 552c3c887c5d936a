"""Outside DEBUG everything is HTTPS, browsers remember it, and Django has nothing to object to."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.test import Client

from tests.environment import ROOT, declared_variables

PROBES = ["/api/v1/health"]


def run_manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py as a fresh production installation would, with these variables alone."""
    ours = declared_variables()
    env = {name: value for name, value in os.environ.items() if name not in ours}
    env |= {
        "CARILLON_ENV_FILES": "",
        "SECRET_KEY": "k" * 20 + "0123456789abcdefghij" * 2,
        "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
        "DATABASE_URL": "sqlite://:memory:",
        **variables,
    }
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_django_s_deployment_check_finds_nothing() -> None:
    done = run_manage("check", "--deploy", "--fail-level", "DEBUG")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_the_deployment_check_is_able_to_object() -> None:
    done = run_manage("check", "--deploy", "--fail-level", "WARNING", SECURE_COOKIES="0")
    assert done.returncode == 1
    assert "security.W004" in done.stderr


@pytest.fixture
def over_https(settings: Any) -> None:
    settings.SECURE_COOKIES = settings.SECURE_SSL_REDIRECT = True
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True


@pytest.mark.django_db
@pytest.mark.usefixtures("over_https")
def test_plain_requests_are_sent_to_https_and_browsers_remember() -> None:
    plain = Client().get("/login/")
    assert (plain.status_code, plain["Location"]) == (301, "https://testserver/login/")
    page = Client().get("/login/", secure=True)
    assert page["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
    assert page.cookies["csrftoken"]["secure"]
    assert page["X-Content-Type-Options"] == "nosniff"
    assert page["X-Frame-Options"] == "DENY"
    assert page["Referrer-Policy"] == "same-origin"
    assert page["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.django_db
@pytest.mark.usefixtures("over_https")
@pytest.mark.parametrize("address", PROBES)
def test_probes_are_answered_where_they_ask(address: str) -> None:
    assert Client().get(address).status_code == 200
