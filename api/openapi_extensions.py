"""What drf-spectacular must be told of our credentials, bodies and choices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema

from api.shapes import one_of

if TYPE_CHECKING:
    from api.openapi import Described


class Credentials(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Keys, tokens and the service token."""

    target_class = "accounts.authentication.TokenAuthentication"
    name = ["apiKey", "bearer", "serviceToken"]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, str]]:
        """Return where each of them is sent."""
        return [
            {
                "type": "apiKey",
                "in": "header",
                "name": "X-API-Key",
                "description": "An API key, `crl_...`; may be sent as a bearer token as well.",
            },
            {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key, or a JSON Web Token of the trusted issuer.",
            },
            {
                "type": "apiKey",
                "in": "header",
                "name": "X-Service-Token",
                "description": "Beside a JSON Web Token: a service that acts for whom it names.",
            },
        ]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[str]]]:
        """Return which of them are enough."""
        return [{"apiKey": []}, {"bearer": []}, {"bearer": [], "serviceToken": []}]


class Session(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """People who are logged in to the site."""

    target_class = "accounts.authentication.BrowserAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the cookie's name."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "A session of the site; changes need its token in X-CSRFToken.",
        }


class Bodies(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """What `serializers.Body` does with null and with names it does not know."""

    target_class = "api.serializers.Body"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        """Return its schema: what may be left out may be null, unknown names as the class says."""
        schema: dict[str, Any] = auto_schema._map_serializer(  # type: ignore[no-untyped-call] # noqa: SLF001
            self.target, direction, bypass_extensions=True
        )
        required = schema.get("required", ())
        for name, inner in schema["properties"].items():
            if name not in required:
                schema["properties"][name] = _or_null(inner)
        schema["additionalProperties"] = not self.target.refuses_unknown
        return schema


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    found = dict(schema)
    match found:
        case {"type": list()}:
            found["type"] = [*dict.fromkeys([*found["type"], "null"])]
        case {"type": str()}:
            found["type"] = [found["type"], "null"]
        case {"oneOf": [*kinds]}:
            found["oneOf"] = [*kinds, {"type": "null"}]
        case {"allOf": [reference]}:
            del found["allOf"]
            found["oneOf"] = [reference, {"type": "null"}]
    if "enum" in found and None not in found["enum"]:
        found["enum"] = [*found["enum"], None]
    return found


class Choices(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """An enumeration has one name, in requests and in answers."""

    target_class = "api.fields.Choice"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        """Return a reference to the enumeration."""
        return cast("Described", auto_schema).use(one_of(self.target.choices, ""))
