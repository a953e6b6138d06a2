"""The most that an API lets any one credential call it, whatever limits the credential has of its own."""

from typing import Any

from django.db import migrations, models


def wait_briefly(apps: Any, schema_editor: Any) -> None:
    """Fail soon rather than hold up every validation behind a lock that is waited for."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET LOCAL lock_timeout = '5s'")


class Migration(migrations.Migration):
    dependencies = [("keys", "0007_quota")]
    operations = [
        migrations.RunPython(wait_briefly, migrations.RunPython.noop),
        migrations.AddField(
            model_name="api",
            name="max_rate_limits",
            field=models.JSONField(blank=True, db_default=[], default=list),
        ),
    ]
