"""The API's description: /api/schema/ for programs, /api/docs/ for people."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

import api.openapi_extensions  # noqa: F401 - importing registers them


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document; the same for everybody, and made once."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    found: dict[str, Any] = generator.get_schema(public=True)  # type: ignore[no-untyped-call]
    return found


class SchemaView(APIView):
    """GET returns the document as JSON, or as YAML (`?format=yaml`, or by the Accept header)."""

    authentication_classes = ()
    permission_classes = ()
    renderer_classes = (
        OpenApiJsonRenderer2,
        OpenApiYamlRenderer2,
        OpenApiJsonRenderer,
        OpenApiYamlRenderer,
    )
    schema = None

    def get(self, request: Request) -> Response:
        """Return the document."""
        return Response(document())


def docs(request: HttpRequest) -> HttpResponse:
    """Show the document with Swagger UI, where each operation can be tried."""
    return render(request, "api/docs.html")
