"""Triggers that refuse any change of an audit event, on both databases.

On SQLite a later change of this table's columns makes the table anew and loses them: such a
migration must run `refuse_changes` again (a test of the fully migrated database watches over it).
"""

from __future__ import annotations

from typing import Any

from django.db import migrations

POSTGRESQL = [
    """
    CREATE FUNCTION accounts_refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON accounts_auditevent
    FOR EACH ROW EXECUTE FUNCTION accounts_refuse_audit_change()
    """,
]
SQLITE = [
    f"""
    CREATE TRIGGER audit_append_only_{verb.lower()} BEFORE {verb} ON accounts_auditevent
    BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END
    """
    for verb in ("UPDATE", "DELETE")
]
UNDO = {
    "postgresql": [
        "DROP TRIGGER audit_append_only ON accounts_auditevent",
        "DROP FUNCTION accounts_refuse_audit_change()",
    ],
    "sqlite": ["DROP TRIGGER audit_append_only_update", "DROP TRIGGER audit_append_only_delete"],
}


def refuse_changes(apps: Any, schema_editor: Any) -> None:
    """Create the triggers of the database at hand."""
    for statement in {"postgresql": POSTGRESQL, "sqlite": SQLITE}[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def allow_changes(apps: Any, schema_editor: Any) -> None:
    """Drop them again."""
    for statement in UNDO[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunPython(refuse_changes, allow_changes)]
