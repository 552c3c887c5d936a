"""Log lines tell where a request went, never what came along in its address."""

from __future__ import annotations

import json
import logging

import pytest
from django.test import RequestFactory

from config.logs import JsonFormatter, TextFormatter


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_a_request_is_named_without_its_query(formatter: logging.Formatter) -> None:
    request = RequestFactory().get("/oauth/complete/x/?code=s3cret-code&state=s3cret-state")
    record = logging.makeLogRecord({"msg": "Forbidden", "request": request, "status_code": 403})
    line = formatter.format(record)
    assert "GET /oauth/complete/x/" in line
    assert "s3cret" not in line
    assert "403" in line
    if isinstance(formatter, JsonFormatter):
        assert json.loads(line)["request"] == "GET /oauth/complete/x/"
