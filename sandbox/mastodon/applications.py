"""The applications of an instance: they register themselves, and may then ask for their scopes."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.consent import redirect_problem
from sandbox.exchange import Answer, Call, Malformed
from sandbox.mastodon import errors
from sandbox.tokens import TokenRefused

COPIED_REDIRECT = "urn:ietf:wg:oauth:2.0:oob"
_PARTS = (
    "accounts", "blocks", "bookmarks", "favourites", "filters", "follows", "lists", "mutes",
    "notifications", "statuses",
)  # fmt: skip
SCOPES: Mapping[str, str] = {
    "profile": "See who you are, and nothing else",
    "read": "Read all your account's data",
    **{f"read:{part}": f"See your {part}" for part in (*_PARTS, "search")},
    "write": "Change all your account's data, and publish",
    **{f"write:{part}": f"Change your {part}" for part in (*_PARTS, "conversations", "reports")},
    "write:media": "Upload media for you",
    "write:statuses": "Publish and delete posts for you",
    "follow": "Change whom you follow",
    "push": "Send you push notifications",
}


@dataclass(frozen=True, slots=True)
class Application:
    """One registered application; its secret is told at registration only."""

    id: str
    name: str
    client_id: str
    secret: str = field(repr=False)
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    website: str | None

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "website": self.website,
            "scopes": list(self.scopes),
            "redirect_uris": list(self.redirect_uris),
            "redirect_uri": "\n".join(self.redirect_uris),
        }


class Applications(dict[str, Application]):
    """An instance's applications by client id."""


def register(call: Call) -> Answer:
    """`POST /api/v1/apps`: no review, no account."""
    body = _registration(call)
    name, redirects = str(body.get("client_name") or "").strip(), _redirects(body)
    if not name:
        raise errors.failed_validation("Application name can't be blank")
    if not redirects:
        raise errors.failed_validation("Redirect URI can't be blank")
    if any(uri != COPIED_REDIRECT and redirect_problem(uri) for uri in redirects):
        raise errors.failed_validation("Redirect URI must be an absolute URI.")
    scopes = tuple(str(body.get("scopes") or "read").split())
    if any(scope not in SCOPES for scope in scopes):
        raise errors.failed_validation("Scopes doesn't match configured on the server.")
    made = Application(
        call.site.new_id(),
        name,
        secrets.token_urlsafe(32),
        secrets.token_urlsafe(32),
        redirects,
        scopes,
        str(body["website"]) if body.get("website") else None,
    )
    call.site.books(Applications)[made.client_id] = made
    credentials = {"client_id": made.client_id, "client_secret": made.secret}
    return Answer(200, {**made.as_json(), **credentials, "client_secret_expires_at": 0})


def verify(call: Call) -> Answer:
    """`GET /api/v1/apps/verify_credentials`: with a token of the application or of a user."""
    try:
        client_id = call.site.tokens.grant(call.bearer_token).family.client_id
    except TokenRefused:
        raise errors.refused(401) from None
    made = _known(call, client_id)
    if made is not None:
        return Answer(200, made.as_json())
    return Answer(200, {"name": client_id or "Sandbox", "website": None, "scopes": list(SCOPES)})


def client(call: Call, form: Mapping[str, str]) -> str:
    """Return the client's id, of HTTP Basic or the body; raises Refusal when it is not proved."""
    given = form.get("client_id", ""), form.get("client_secret", "")
    client_id, secret = call.basic_credentials or given
    made = _known(call, client_id)
    if made is not None:
        is_proved = hmac.compare_digest(made.secret.encode(), secret.encode())
    else:
        is_proved = call.world.clients.accepts(client_id, secret)
    if not is_proved:
        raise errors.oauth_refused("invalid_client")
    return client_id


def client_problem(call: Call, client_id: str, redirect_uri: str) -> str:
    made = _known(call, client_id)
    if made is not None:
        is_registered = redirect_uri in made.redirect_uris
        return "" if is_registered else "The redirect uri included is not valid."
    return "" if call.world.clients.knows(client_id) else errors.oauth_text("invalid_client")


def client_name(call: Call, client_id: str) -> str:
    made = _known(call, client_id)
    return client_id if made is None else made.name


def scope_problem(call: Call, client_id: str, scopes: Sequence[str]) -> str:
    """Scopes must be among those that the application registered."""
    made = _known(call, client_id)
    registered = frozenset(SCOPES if made is None else made.scopes)
    is_fine = all(scope in SCOPES and covers(registered, scope) for scope in scopes)
    return "" if is_fine else errors.oauth_text("invalid_scope")


def covers(granted: frozenset[str], scope: str) -> bool:
    """Whether the granted scopes include one: `read` includes `read:accounts`; `a|b` is either."""
    return any(one in granted or one.partition(":")[0] in granted for one in scope.split("|"))


def fields(call: Call) -> dict[str, str]:
    """The call's parameters: of a form, multipart or JSON body, and of the query."""
    body = dict(call.form())
    if not body:
        try:
            body = {key: str(value) for key, value in call.json_object().items()}
        except Malformed:
            body = _multipart(call)
    return {**call.query, **body}


def _known(call: Call, client_id: str) -> Application | None:
    return call.site.books(Applications).get(client_id)


def _registration(call: Call) -> dict[str, Any]:
    """The body with `redirect_uris` as it was given: a string, or a list."""
    form = call.form()
    listed = [value for key, value in form if key == "redirect_uris[]"]
    if form:
        return {**dict(form), **({"redirect_uris": listed} if listed else {})}
    try:
        return call.json_object()
    except Malformed:
        return dict(_multipart(call))


def _redirects(body: Mapping[str, Any]) -> tuple[str, ...]:
    given = body.get("redirect_uris") or ""
    return tuple(map(str, given)) if isinstance(given, list) else tuple(str(given).split())


def _multipart(call: Call) -> dict[str, str]:
    try:
        parts = call.multipart()
    except Malformed:
        return {}
    return {key: part.data.decode("utf-8", "replace") for key, part in parts.items()}
