"""Everything the database holds, as one text: what is not in it was not stored in clear."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.sessions.models import Session
from django.db import connection


def dump() -> str:
    """Return every value of every row of every table, and what lies in sessions, unpacked."""
    parts = [json.dumps(session.get_decoded()) for session in Session.objects.all()]
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - names of our own tables
            parts += [_text(value) for row in cursor.fetchall() for value in row]
    return "\n".join(parts)


def _text(value: Any) -> str:
    if isinstance(value, memoryview | bytes):
        return bytes(value).decode("latin-1")
    return str(value)
