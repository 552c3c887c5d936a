"""Settings that would publish twice, hang or lose credentials are refused at the start."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings


def found() -> list[str]:
    return [str(message.id) for message in run_checks(tags=["carillon"])]


def test_the_settings_we_ship_pass() -> None:
    assert found() == []


def test_a_credential_key_is_required_where_real_data_may_be(settings: Settings) -> None:
    settings.CREDENTIAL_KEYS = []
    assert found() == ["carillon.E001"]
    settings.DEBUG = True
    assert found() == []


def test_a_malformed_credential_key_is_named_by_its_place_not_its_text(
    settings: Settings,
) -> None:
    settings.CREDENTIAL_KEYS = [settings.CREDENTIAL_KEYS[0], "not-a-fernet-key"]
    (message,) = run_checks(tags=["carillon"])
    assert message.id == "carillon.E002"
    assert "number 2" in message.msg
    assert "not-a-fernet-key" not in f"{message.msg}{message.hint}"


@pytest.mark.parametrize(("deadline", "refused"), [(24.9, False), (25, True), (40, True)])
def test_a_call_ends_before_its_lease(settings: Settings, deadline: float, refused: bool) -> None:
    settings.CALL_DEADLINE = timedelta(seconds=deadline)
    settings.LEASE_MARGIN = timedelta(seconds=5)
    settings.PUBLISH_LEASE = timedelta(seconds=30)
    assert found() == (["carillon.E003"] if refused else [])


@pytest.mark.parametrize(
    "queue", [{"timeout": 600, "retry": 2000}, {"timeout": 900, "retry": 900}], ids=str
)
def test_the_queue_outlasts_a_slot_and_its_drain(settings: Settings, queue: dict[str, Any]) -> None:
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, **queue}
    assert found() == ["carillon.E004"]
