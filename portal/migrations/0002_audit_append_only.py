"""Refuse UPDATE and DELETE on audit events, in the database itself.

Row-level triggers: PostgreSQL's TRUNCATE (test clean-up) does not fire them; `prune_audit` puts them aside inside its
own transaction and writes down that it did.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

POSTGRESQL = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON portal_auditevent FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_no_delete BEFORE DELETE ON portal_auditevent FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
"""
SQLITE = (
    "CREATE TRIGGER audit_no_update BEFORE UPDATE ON portal_auditevent"
    " BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END",
    "CREATE TRIGGER audit_no_delete BEFORE DELETE ON portal_auditevent"
    " BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END",
)


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    statements = (POSTGRESQL,) if schema_editor.connection.vendor == "postgresql" else SQLITE
    for statement in statements:
        schema_editor.execute(statement, params=None)


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    on = " ON portal_auditevent" if schema_editor.connection.vendor == "postgresql" else ""
    for name in ("audit_no_update", "audit_no_delete"):
        schema_editor.execute(f"DROP TRIGGER {name}{on}")
    if on:
        schema_editor.execute("DROP FUNCTION refuse_audit_change()")


class Migration(migrations.Migration):
    dependencies = [("portal", "0001_initial")]
    operations = [migrations.RunPython(add, drop)]
