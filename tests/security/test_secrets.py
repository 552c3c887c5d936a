"""No secret stands anywhere in clear: on no page, in no answer, no row, no log line, no metric."""

from __future__ import annotations

import logging
import time
from typing import Any

import jwt
import pytest
import redis
from django.db import connection as database
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, User
from platforms.models import SocialConnection
from scheduling.blotting import secrets_of_settings
from scheduling.models import ScheduledPost
from tests.admin.console import client_of
from tests.admin.crawl import Rows, one_of_each, pages, questions
from tests.factories import make_user
from tests.monitoring.here import ask_here
from tests.security.crawl import api_reads, site_pages
from tests.security.secrets import Planted, configure, furnish, said_by, second_factor_of

pytestmark = pytest.mark.django_db
# The authenticator's secret has to be known here to check codes: its own table is the exception.
MAY_HOLD = {"otp_totp_totpdevice": {"TotpSecret"}}

OF_PEOPLE = "/api/v1/notification-preferences"  # a key is nobody


@pytest.fixture
def planted(
    settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Planted:
    """Configure every secret; logs are kept from here on, all of them."""
    ask_here(monkeypatch)
    caplog.set_level(logging.DEBUG)
    return configure(settings)


@pytest.fixture
def boss(connection: SocialConnection) -> User:
    """Give a superuser who owns the workspace as well."""
    return make_user(connection.workspace, username="boss", is_staff=True, is_superuser=True)


@pytest.fixture
def rows(planted: Planted, connection: SocialConnection, user: User) -> Rows:
    """Give one row of each kind, with secrets wherever a row may have one."""
    user.external_id = "u1"
    furnish(planted, connection, user)
    found = one_of_each(connection, user)
    second_factor_of(planted, user)
    return found


def body_of(answer: Any) -> str:
    """Return what an answer says, also one that is sent in pieces."""
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(content.decode(errors="replace"))


def answers(
    client: Client, addresses: list[str], *, expected: int = 200, **headers: str
) -> list[tuple[str, str]]:
    """Return what each address says, its headers too; all must open unless told otherwise."""
    found = []
    for address in addresses:
        answer = client.get(address, headers=headers)
        assert answer.status_code < 500 or address == "/ready", (address, answer.status_code)
        opened = answer.status_code == 200 or expected != 200
        assert opened, (address, answer.status_code)
        found.append((address, f"{answer.headers}{body_of(answer)}"))
    return found


def test_no_secret_leaves_by_any_door_or_stays_in_any_row(
    planted: Planted,
    rows: Rows,
    user: User,
    boss: User,
    caplog: pytest.LogCaptureFixture,
    settings: Any,
) -> None:
    connection, post = rows[SocialConnection], rows[ScheduledPost]
    staff = client_of(boss)
    program, anybody = Client(), Client()
    reads = api_reads(rows)
    token = jwt.encode(
        {"exp": time.time() + 60, "sub": "u1"}, planted.secrets["JwtSecret"], "HS256"
    )
    service = {
        "Authorization": f"Bearer {token}",
        "X-Service-Token": settings.SERVICE_TOKEN,
        "X-Workspace": connection.workspace.slug,
    }
    said = [
        *answers(staff, [*pages(rows), *questions(rows)]),
        *answers(staff, site_pages(connection), expected=0),
        *answers(program, [one for one in reads if one != OF_PEOPLE], **{"X-API-Key": planted.key}),
        *answers(program, reads, **service),
        *answers(anybody, ["/metrics"], Authorization=f"Bearer {settings.METRICS_TOKEN}"),
        *answers(anybody, reads, expected=401, **{"X-API-Key": f"{planted.key}x"}),
        *answers(anybody, reads, expected=401, Authorization=f"Bearer {token}x"),
    ]
    bundle = reverse("admin:scheduling_scheduledpost_bundle", args=[post.pk])
    said.append((bundle, staff.post(bundle, {"with_text": "on"}).content.decode()))
    for credentials in ({"token": planted.secrets["Token"]}, {"nonsense": "x"}):
        form = staff.post("/connections/new/bluesky/", credentials)
        said.append(("the form for Bluesky", form.content.decode()))
    wrong = {"username": user.username, "password": planted.secrets["Password"] + "x"}
    said.append(("/login/", anybody.post("/login/", wrong).content.decode()))
    leaks = {address: names for address, text in said if (names := planted.found_in(text))}
    assert leaks == {}
    assert len(said) > 150
    assert leaking_tables(planted) == {}
    assert leaking_keys(planted) == {}
    assert caplog.records
    in_logs = {
        record.name: names
        for record in caplog.records
        if (names := planted.found_in(said_by(record)))
    }
    assert in_logs == {}


def leaking_tables(planted: Planted) -> dict[str, set[str]]:
    """Return which tables hold which secrets, bytes and all, beyond MAY_HOLD."""
    found = {}
    with database.cursor() as cursor:
        for table in database.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')  # noqa: S608
            text = "\n".join(row for (row,) in cursor.fetchall())
            if names := planted.found_in(text) - MAY_HOLD.get(table, set()):
                found[table] = names
    return found


def leaking_keys(planted: Planted) -> dict[str, set[str]]:
    """Return which keys of the broker, which is the cache too, hold which secrets."""
    from django.conf import settings

    found = {}
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        for key in broker.scan_iter():
            text = f"{key!r}{broker.dump(key)!r}"
            if names := planted.found_in(text):
                found[repr(key)] = names
    return found


def test_the_search_finds_what_is_there(planted: Planted, rows: Rows, boss: User) -> None:
    key = rows[ApiKey]
    ApiKey.objects.filter(pk=key.pk).update(name=planted.secrets["Token"])
    SocialConnection.objects.update(secret=planted.secrets["RefreshToken"].encode())
    assert leaking_tables(planted) == {
        "accounts_apikey": {"Token"},
        "platforms_socialconnection": {"RefreshToken"},
    }
    said = dict(answers(client_of(boss), [reverse("admin:accounts_apikey_changelist")]))
    assert planted.found_in("".join(said.values())) == {"Token"}


def test_a_support_bundle_knows_every_secret_of_the_settings(planted: Planted) -> None:
    of_settings = {
        name: secret for name, secret in planted.secrets.items() if name != "CallbackSecret"
    }
    known = "\n".join(secrets_of_settings())
    assert {name for name, secret in of_settings.items() if secret not in known} == set()
    assert planted.secrets["CallbackSecret"] in known


def test_credentials_in_memory_do_not_print(planted: Planted) -> None:
    user = make_user(password=planted.secrets["SecretKey"])
    assert planted.found_in(repr(user) + repr(vars(user))) == set()
