"""The doors to the outside: networks and their credentials, e-mail, callbacks, our own address."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import get_connection
from django.http.request import validate_host
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User
from engine.errors import ErrorCategory, ServiceError
from engine.http import HttpPool
from platforms.adapters.base import Adapter
from platforms.credentials import CredentialError, decrypt, is_current, key_problem
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import ADAPTERS, adapter_for
from scheduling.diagnosis.findings import Finding, fail, ok, reason, warn

SAMPLE = 200  # stored secrets that are opened
MOST_ADDRESSES = 20  # per network that are knocked at
NETWORK_DEADLINE = timedelta(seconds=10)
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def check_credentials() -> Iterator[Finding]:
    """Open stored secrets with the present keys."""
    if problem := key_problem():
        yield fail("credentials", problem, "")
        return
    secrets = [
        (str(connection), bytes(connection.secret))
        for connection in SocialConnection.objects.exclude(secret=b"").order_by("-updated_at")[
            :SAMPLE
        ]
    ]
    closed = [name for name, secret in secrets if not _opens(secret)]
    if closed:
        yield fail(
            "credentials",
            f"{len(closed)} of {len(secrets)} stored secrets cannot be opened, such as that of "
            f"{closed[0]}.",
            "Add the key they were encrypted with to the end of CREDENTIAL_KEYS, or connect "
            "those accounts again.",
        )
    elif old := sum(not is_current(secret) for _, secret in secrets):
        yield warn(
            "credentials",
            f"{old} of {len(secrets)} stored secrets still have an older key.",
            "Run `python manage.py rotate_keys`.",
        )
    else:
        yield ok("credentials", f"CREDENTIAL_KEYS opens the {len(secrets)} latest secrets.")


def check_platforms() -> Iterator[Finding]:
    """Look whether every network has the settings that its connections need."""
    for slug in ADAPTERS:
        adapter = adapter_for(slug)
        name = f"platforms.{slug}"
        connections = SocialConnection.objects.filter(platform=slug)
        active = connections.filter(state=ConnectionState.ACTIVE)
        if refusal := _first_refusal(adapter, list(active.order_by("-updated_at")[:SAMPLE])):
            yield fail(name, refusal, "")
            continue
        waiting = connections.filter(state=ConnectionState.NEEDS_RECONNECT).count()
        if waiting:
            yield warn(
                name,
                f"{waiting} of {connections.count()} accounts must be connected again.",
                "Their owners do that; `add_connection` does too.",
            )
            continue
        unset = [
            variable
            for field, variable in adapter.config_variables.items()
            if not getattr(adapter.config, field)
        ]
        missing = f" Not set: {', '.join(unset)}." if unset else ""
        yield ok(name, f"{active.count()} accounts connected.{missing}")


def check_email() -> Iterator[Finding]:
    """Look whether e-mail is configured, or switched off on purpose."""
    backend = settings.EMAIL_BACKEND.rsplit(".", 2)[-2]
    if not settings.EMAIL_FROM:
        yield ok("email", "Switched off (EMAIL_FROM is empty).")
    elif backend != "smtp":
        yield warn(
            "email",
            f"EMAIL_FROM is set, but mails go to {backend}, not to people.",
            "Set EMAIL_URL, for example smtp+tls://user:password@mail.example.org:587.",
        )
    else:
        yield ok("email", f"Sent by {settings.EMAIL_HOST} from {settings.EMAIL_FROM}.")


def check_callbacks() -> Iterator[Finding]:
    """Look at the default callback address."""
    url = settings.DJANGO_API_URL
    parts = urlsplit(url)
    if not url:
        yield ok("callbacks", "No default address (DJANGO_API_URL is empty).")
    elif parts.scheme not in {"http", "https"} or not parts.hostname:
        yield fail("callbacks", "DJANGO_API_URL is not an http(s) address.", "Correct it.")
    elif parts.scheme == "http" and parts.hostname not in LOCAL:
        yield warn("callbacks", "DJANGO_API_URL is not encrypted.", "Use https if it can.")
    else:
        yield ok("callbacks", f"The default receiver is {parts.hostname}.")


def check_site() -> Iterator[Finding]:
    """Look whether our own address fits the hosts we answer to."""
    parts = urlsplit(settings.PUBLIC_URL)
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host:
        yield fail("site", "PUBLIC_URL is not an http(s) address.", "Correct it.")
        return
    if not validate_host(host, settings.ALLOWED_HOSTS):
        yield fail("site", f"It does not answer to {host}.", "Add the host to ALLOWED_HOSTS.")
    elif parts.scheme == "https" and not settings.SECURE_COOKIES:
        yield warn("site", "Cookies also travel unencrypted.", "Set SECURE_COOKIES=1.")
    elif parts.scheme == "http" and settings.SECURE_COOKIES:
        yield warn(
            "site",
            f"It answers over HTTPS only, but PUBLIC_URL is {settings.PUBLIC_URL}.",
            "Set PUBLIC_URL to its https address, or SECURE_COOKIES=0 in a network you trust.",
        )
    else:
        yield ok("site", f"People find it at {settings.PUBLIC_URL}.")


def check_staff() -> Iterator[Finding]:
    """Look whether a stolen password alone opens the staff console."""
    staff = User.objects.filter(is_active=True, is_staff=True)
    protected = TOTPDevice.objects.filter(confirmed=True).values("user")
    bare = staff.exclude(pk__in=protected).count()
    if bare and settings.STAFF_NEED_SECOND_FACTOR:
        yield ok("staff", f"{bare} of {staff.count()} will be asked to set up a second factor.")
    elif bare:
        yield warn(
            "staff",
            f"{bare} of {staff.count()} log in by password alone.",
            "Set STAFF_NEED_SECOND_FACTOR=1: they are asked to set up an authenticator app.",
        )
    else:
        yield ok("staff", f"All {staff.count()} have a second factor.")


def check_network() -> Iterator[Finding]:
    """Knock at the networks in use and at the mail server; sends no credentials."""
    for slug in ADAPTERS:
        adapter = adapter_for(slug)
        for base in sorted(_addresses(adapter))[:MOST_ADDRESSES]:
            yield _knock(adapter, base)
    if settings.EMAIL_FROM and settings.EMAIL_BACKEND.endswith("smtp.EmailBackend"):
        yield _greet_mail_server()


def _addresses(adapter: Adapter) -> set[str]:
    """Return the addresses that active accounts use, and that of a network we have keys for."""
    active = SocialConnection.objects.filter(platform=adapter.slug, state=ConnectionState.ACTIVE)
    addresses = {
        adapter.base_url(connection.get_credentials())
        for connection in active.order_by("-updated_at")[:SAMPLE]
        if _opens(bytes(connection.secret))
    }
    given, none_given = adapter.config, adapter.config_class()
    if any(getattr(given, name) != getattr(none_given, name) for name in adapter.config_variables):
        addresses.add(adapter.base_url({}))
    return addresses


def _knock(adapter: Adapter, base: str) -> Finding:
    name, host = f"network.{adapter.slug}", urlsplit(base).netloc
    try:
        asyncio.run(_get(adapter, base))
    except ServiceError as error:
        if error.category is ErrorCategory.NETWORK_ERROR:
            return warn(name, f"{host} cannot be reached: {error.detail}", "Firewall, DNS, proxy?")
    return ok(name, f"{host} answers.")


async def _get(adapter: Adapter, base: str) -> None:
    pool = HttpPool(max_connections=1)
    http = pool.http(
        base_url=base,
        deadline=NETWORK_DEADLINE,
        guard_private=adapter.user_given_host(),
        allow_private=settings.PRIVATE_HOSTS_ALLOWED,
    )
    try:
        await http.get("/")
    finally:
        await pool.close()


def _greet_mail_server() -> Finding:
    server = get_connection()
    try:
        server.open()
    except OSError as error:  # smtplib's errors are OSErrors too
        return fail(
            "network.email",
            f"{settings.EMAIL_HOST} refuses: {reason(error)}.",
            "Look at EMAIL_URL.",
        )
    server.close()
    return ok("network.email", f"{settings.EMAIL_HOST} lets us in.")


def _first_refusal(adapter: Adapter, connections: list[SocialConnection]) -> str:
    """Return why the adapter cannot work with one of these accounts, or ""."""
    for connection in connections:
        try:
            credentials: dict[str, Any] = connection.get_credentials()
        except CredentialError:
            continue  # reported by `check_credentials`
        try:
            adapter.authorize(credentials)
        except ServiceError as error:
            return f"{connection}: {error.detail}"
    return ""


def _opens(secret: bytes) -> bool:
    try:
        decrypt(secret)
    except CredentialError:
        return False
    return True
