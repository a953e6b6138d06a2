"""What the operator tells backends of a key."""

from typing import Any

from django.db import migrations, models


def wait_briefly(apps: Any, schema_editor: Any) -> None:
    """Fail soon rather than hold up every validation behind a lock that is waited for."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET LOCAL lock_timeout = '5s'")


class Migration(migrations.Migration):
    dependencies = [("keys", "0009_notice_30_days_ahead")]
    operations = [
        migrations.RunPython(wait_briefly, migrations.RunPython.noop),
        migrations.AddField(
            model_name="apikey",
            name="operator_metadata",
            field=models.JSONField(blank=True, db_default={}, default=dict),
        ),
    ]
