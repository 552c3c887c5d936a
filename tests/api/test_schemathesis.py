"""Thousands of right and wrong requests to every operation: none breaks the service, and answers
are as the OpenAPI document tells.

Each operation gets requests that conform to its schema, requests that do not, and those at the
edges of what is allowed, from every kind of caller; the cases are the same in each run. What a
request did is rolled back before the next.

SCHEMATHESIS_EXAMPLES (6) is the number of generated requests of each sort, SCHEMATHESIS_EDGES (18)
how many of the edges are tried, SCHEMATHESIS_SEED (1) where the generator begins. A long run:

    SCHEMATHESIS_EXAMPLES=300 SCHEMATHESIS_EDGES=9999 \\
        make test ARGS="tests/api/test_schemathesis.py -s --timeout 3600"
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks

from accounts.models import Workspace
from accounts.services import issue_api_key
from api.documents import document
from config.wsgi import application
from tests.api.client import soon
from tests.api.conftest import SECRET, SERVICE
from tests.api.rows import row_of
from tests.factories import make_connection, make_user

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "6"))
EDGES = int(os.environ.get("SCHEMATHESIS_EDGES", "18"))
SEED = int(os.environ.get("SCHEMATHESIS_SEED", "1"))
BOTH = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]

load_all_checks()
SCHEMA = schemathesis.openapi.from_dict(
    document(),
    config=SchemathesisConfig.from_dict(  # who calls is ours to say
        {"generation": {"with-security-parameters": False}}
    ),
)
SCHEMA.app = application
LABELS = [found.ok().label for found in SCHEMA.get_all_operations()]
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
    checks.missing_required_header,
]
# These judge each row by itself: a wrong one is told in its result, the answer is 200 all the same.
ROW_BY_ROW = {"POST /api/v1/posts/bulk"}
seen: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def summary() -> Iterator[None]:
    """Print what was tried."""
    begun = time.process_time()
    yield
    codes = ", ".join(f"{number} x {code}" for code, number in sorted(seen.items()))
    print(  # noqa: T201 - shown with -s
        f"\nschemathesis: {len(LABELS)} operations, {seen.total()} requests "
        f"({codes}), {time.process_time() - begun:.0f} s of CPU"
    )


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Keep the connection whose transaction holds the test's rows, as Django's test client does."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def callers(workspace: Workspace, settings: Any) -> list[dict[str, str]]:
    """Give the headers of every kind of caller, the mightiest first and most often."""
    settings.JWT_SECRET, settings.SERVICE_TOKEN = [SECRET], SERVICE
    Workspace.objects.filter(pk=workspace.pk).update(external_id="o1")
    make_user(workspace, external_id="u1")
    _, key = issue_api_key(workspace=workspace, name="all", actor="system")
    claims = {"exp": time.time() + 3600, "sub": "u1", "org_id": "o1"}
    owner = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}
    return [owner, {"X-API-Key": key}, owner, {**owner, "X-Service-Token": SERVICE}, owner, {}]


@pytest.mark.parametrize("label", LABELS)
def test_no_request_breaks_it_and_every_answer_is_as_told(
    label: str,
    workspace: Workspace,
    callers: list[dict[str, str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("CRITICAL")
    operation = SCHEMA.find_operation_by_label(label)
    assert operation is not None
    rows = {
        part[1:-1]: row_of(part[1:-1], workspace)
        for part in operation.path.split("/")
        if part.startswith("{")
    }
    known = {
        "connection": str(make_connection(workspace).pk),
        "platform": "sandbox",
        "scheduled_at": soon(),
        "time_zone": "Europe/Brussels",
        "org_id": "o1",
        "user_id": "u1",
    }
    known["connection_id"] = known["connection"]
    turn = 0

    def ask(case: Any) -> None:
        """Send one request, most often about rows that are there, and look at the answer."""
        nonlocal turn
        turn += 1
        if turn % 4 and case.meta.generation.mode is GenerationMode.POSITIVE:
            case.path_parameters.update(rows)
            case.headers.pop("X-Workspace", None)
            case.headers.pop("If-Match", None)
            if isinstance(case.body, dict):
                ours = {name: known[name] for name in known if name in case.body}
                case.body = {**case.body, **ours}  # an example's body belongs to the document
        headers = callers[turn % len(callers)]
        with transaction.atomic():
            answer = case.call(headers=headers)
            transaction.set_rollback(True)
        seen[str(answer.status_code)] += 1
        skipped = [checks.negative_data_rejection] if label in ROW_BY_ROW else []
        case.validate_response(answer, checks=CHECKS, excluded_checks=skipped, headers=headers)

    for mode in BOTH:
        if mode is GenerationMode.POSITIVE or _can_be_wrong(operation):
            _generated(operation.as_strategy(generation_mode=mode), ask)
    edges = list(
        SCHEMA.iter_coverage_cases(
            operation,
            generation_modes=BOTH,
            generation_config=SCHEMA.config.generation_for(operation=operation),
        )
    )
    for case in edges[:: max(1, len(edges) // EDGES)]:
        ask(case)


def _generated(cases: Any, ask: Callable[[Any], None]) -> None:
    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=cases)
    def run(case: Any) -> None:
        ask(case)

    run()


def _can_be_wrong(operation: Any) -> bool:
    return bool(operation.body or operation.query or operation.headers or operation.path_parameters)
