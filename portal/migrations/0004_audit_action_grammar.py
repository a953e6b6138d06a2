"""Hold an event's action to its grammar instead of to the list, which grows with each release.

A list in the table would be checked again over all events, under a lock, for every action that is added.
"""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import portal.models

TRIGGERS = {"audit_no_update": "UPDATE", "audit_no_delete": "DELETE"}


def put_aside(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """SQLite changes a constraint by copying the table, and the old table takes its triggers along."""
    if schema_editor.connection.vendor == "sqlite":
        for name in TRIGGERS:
            schema_editor.execute(f"DROP TRIGGER {name}")


def put_back(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "sqlite":
        for name, change in TRIGGERS.items():
            schema_editor.execute(
                f"CREATE TRIGGER {name} BEFORE {change} ON portal_auditevent"
                " BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END",
                params=None,
            )


class Migration(migrations.Migration):
    dependencies = [("portal", "0003_sweep_run")]
    operations = [
        migrations.RunPython(put_aside, put_back),
        migrations.RemoveConstraint(model_name="auditevent", name="audit_action_known"),
        migrations.AlterField(
            model_name="auditevent",
            name="action",
            field=models.CharField(choices=portal.models.audit_actions, max_length=64),
        ),
        migrations.AddConstraint(
            model_name="auditevent",
            constraint=models.CheckConstraint(
                condition=models.Q(action__regex=r"^[a-z_]+\.[a-z_]+$"), name="audit_action_grammar"
            ),
        ),
        migrations.RunPython(put_back, put_aside),
    ]
