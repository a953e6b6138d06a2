"""A list whose places are all refused, since nobody knows any more which were given."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def wait_briefly(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give up rather than keep those waiting who queue behind the lock."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET LOCAL lock_timeout = '5s'")


class Migration(migrations.Migration):
    dependencies = [("oauth", "0004_status_block_signing_key")]
    operations = [
        migrations.RunPython(wait_briefly, migrations.RunPython.noop),
        migrations.AddField(
            model_name="statuslist", name="struck_at", field=models.DateTimeField(blank=True, editable=False, null=True)
        ),
    ]
