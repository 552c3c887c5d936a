"""The OpenAPI document is valid and says all about every operation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from api.documents import document
from tests.api.client import Api, conform

METHODS = {"get", "post", "put", "patch", "delete"}


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document()["paths"].items():
        for method, told in item.items():
            if method in METHODS:
                yield f"{method.upper()} {path}", told


def followed(node: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference refers to."""
    while "$ref" in node:
        found: Any = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def test_the_document_is_openapi_3_1() -> None:
    assert document()["openapi"].startswith("3.1.")
    validate(document(), cls=OpenAPIV31SpecValidator)


def test_it_is_made_without_a_warning(tmp_path: Any) -> None:
    path = tmp_path / "schema.json"
    call_command(
        "spectacular",
        validate=True,
        fail_on_warn=True,
        format="openapi-json",
        file=str(path),
    )
    assert json.loads(path.read_text())["paths"].keys() == document()["paths"].keys()


def test_every_address_of_the_api_is_in_it() -> None:
    (api,) = [one for one in get_resolver().url_patterns if str(one.pattern) == "api/v1/"]
    assert len({*document()["paths"]}) == len(api.url_patterns)


def test_every_operation_is_described() -> None:
    missing = []
    ids = []
    for name, told in operations():
        ids.append(told["operationId"])
        answers = {code: one for code, one in told["responses"].items() if code < "300"}
        body = told.get("requestBody", {}).get("content", {})
        missing += [
            f"{name}: {what}"
            for what, is_there in {
                "@operation": "undescribed" not in told["operationId"],
                "a summary": told.get("summary"),
                "a docstring": told.get("description"),
                "an answer below 300": answers,
                "x-role and x-scope": "x-role" in told or told["tags"] == ["health"],
                "an example of its body": all("example" in one for one in body.values()),
                "a body (a serializer)": body or name.split()[0] not in {"PUT", "PATCH"},
            }.items()
            if not is_there
        ]
        for code, one in told["responses"].items():
            for kind in followed(one).get("content", {}).values():
                if "$ref" not in kind["schema"]:
                    missing.append(f"{name}: a Shape of {code}")
                if "example" not in kind:
                    missing.append(f"{name}: an example of {code}")
    assert missing == []
    assert len(ids) == len(set(ids))


def test_every_example_conforms_to_its_schema() -> None:
    checked = 0
    for name, told in operations():
        bodies = [told.get("requestBody", {}), *told["responses"].values()]
        for body in bodies:
            for kind in followed(body).get("content", {}).values():
                conform(kind["example"], kind["schema"], name)
                checked += 1
        for parameter in map(followed, told.get("parameters", ())):
            if "example" in parameter:
                conform(parameter["example"], parameter["schema"], name)
    assert checked > 100


def test_every_property_has_a_meaning() -> None:
    mute = [
        f"{name}.{prop}"
        for name, schema in document()["components"]["schemas"].items()
        for prop, told in schema.get("properties", {}).items()
        if not (told.get("description") or followed(told).get("description"))
    ]
    assert mute == []


def test_a_shape_refuses_what_it_does_not_name() -> None:
    with pytest.raises(AssertionError, match="more"):
        conform({"results": [], "more": 1}, {"$ref": "#/components/schemas/AttemptList"}, "")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/vnd.oai.openapi+json"])
def test_it_is_served_as_json(accept: str) -> None:
    answer = Client().get("/api/schema/", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.json()["info"]["title"] == "Carillon"


@pytest.mark.parametrize(
    ("query", "accept"), [("?format=yaml", "*/*"), ("", "application/yaml, */*;q=0.1")]
)
def test_it_is_served_as_yaml(query: str, accept: str) -> None:
    answer = Client().get(f"/api/schema/{query}", headers={"Accept": accept})
    assert yaml.safe_load(answer.content) == document()


def test_the_page_loads_only_files_of_ours(db: None) -> None:
    page = Client().get("/api/docs/")
    assert "unsafe" not in page["Content-Security-Policy"]
    text = page.content.decode()
    assert 'data-schema="/api/schema/"' in text
    assert "://" not in text
    for address in [part.split('"')[0] for part in text.split('="/static/')[1:]]:
        answer = Client().get(f"/static/{address}")
        assert answer.status_code == 200, address
        answer.close()


def test_a_query_parameter_nobody_knows_is_refused(api: Api) -> None:
    problem = api.get("posts?sate=failed&page_size=1").problem(422, "invalid", "sate")
    assert "scheduled_after" in problem["detail"]
    api.get("me?x=1").problem(422, "invalid", "x")
