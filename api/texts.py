"""How long a text is on each network, counted exactly as it is judged when it is scheduled."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access
from accounts.models import Role
from api.base import ApiView, as_uuid
from api.fields import Text
from api.problems import invalid, unknown
from api.schema import operation
from api.serializers import StrictBody
from api.shapes import Shape, flag, identifier, listed, or_null, text, whole
from platforms.adapters.checks import limit_of
from platforms.models import SocialConnection
from platforms.registry import ADAPTERS, UnknownPlatform, adapter_for, slug_of
from scheduling.drafts import draft_of

TEXT_CHARS_MOST = 100_000


COUNTED = Shape(
    "CountedText",
    "A text's length at one account or network.",
    platform=text("The network.", "mastodon"),
    connection=or_null(identifier("The account, if one was named.")),
    unit=text("What is counted.", "characters"),
    length=whole("How many there are.", 19),
    limit=whole("How many there may be.", 500),
    left=whole("How many are left; below 0: too many.", 481),
    is_too_long=flag("It would be refused."),
)
COUNTED_TEXTS = Shape(
    "CountedTexts",
    "A text's length wherever it was asked for.",
    results=listed(COUNTED, "One for each account and network named."),
)


class TextInput(StrictBody):
    """A text, and where it is to be counted: accounts, networks, or all networks if none is named.

    An account may have limits of its own (a Mastodon server's, a paid X account's).
    """

    text = Text(allow_blank=True, max_length=TEXT_CHARS_MOST, help_text="What to count.")
    platforms = serializers.ListField(
        child=Text(), required=False, default=list, max_length=50, help_text="Networks by name."
    )
    connections = serializers.ListField(
        child=Text(), required=False, default=list, max_length=50, help_text="Accounts by id."
    )


class TextLengthView(ApiView):
    """POST counts a text; nothing is kept."""

    write_scope = "posts:read"
    write_role = Role.VIEWER

    @operation(
        "count_text",
        "Count a text as networks count it",
        tag="text",
        body=TextInput,
        example={"text": "The bells are back.", "platforms": ["mastodon"]},
        answers={200: COUNTED_TEXTS},
    )
    def post(self, request: Request) -> Response:
        """Return length, limit and what is left, in the network's own unit, for each."""
        wish = self.read(TextInput)
        access = self.enter()
        accounts = [_account(access, key) for key in dict.fromkeys(wish["connections"])]
        slugs = _slugs(wish["platforms"])
        if not accounts and not slugs:
            slugs = list(ADAPTERS)
        accounts += [SocialConnection(platform=slug) for slug in slugs]
        with transaction.atomic():
            return self.answer({"results": [_counted(one, wish["text"]) for one in accounts]})


def _account(access: Access, given: str) -> SocialConnection:
    key = as_uuid(given)
    rows = SocialConnection.objects.filter(workspace=access.workspace).defer("secret")
    found = rows.filter(pk=key).first() if key else None
    if found is None:
        raise unknown("connections", "connection", "GET /api/v1/connections lists them")
    return found


def _slugs(names: list[str]) -> list[str]:
    try:
        return list(dict.fromkeys(slug_of(name) for name in names))
    except UnknownPlatform as error:
        raise invalid("platforms", "unknown_platform", str(error)) from None


def _counted(account: SocialConnection, text: str) -> dict[str, Any]:
    adapter = adapter_for(account.platform)
    draft = draft_of(account, segments=[{"text": text}])
    length, limit = adapter.length(text), limit_of(draft, adapter.limits, "text_chars")
    return {
        "platform": account.platform,
        "connection": str(account.pk) if account.username or account.external_id else None,
        "unit": adapter.text_unit,
        "length": length,
        "limit": limit,
        "left": limit - length,
        "is_too_long": adapter.excess(text, limit) > 0,
    }
