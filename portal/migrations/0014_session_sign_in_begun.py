"""Whose sign-in was begun in a session and waits for its second step, so that it ends with the person's sessions."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def wait_briefly_for_locks(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET LOCAL lock_timeout = '5s'")


class Migration(migrations.Migration):
    dependencies = [("portal", "0013_names_in_one_form")]
    operations = [
        migrations.RunPython(wait_briefly_for_locks, migrations.RunPython.noop),
        migrations.AddField(
            model_name="session",
            name="begun_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="begun_sessions",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
