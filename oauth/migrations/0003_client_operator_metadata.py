"""What the operator tells backends of a client."""

from typing import Any

from django.db import migrations, models


def wait_briefly(apps: Any, schema_editor: Any) -> None:
    """Fail soon rather than hold up every validation behind a lock that is waited for."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET LOCAL lock_timeout = '5s'")


class Migration(migrations.Migration):
    dependencies = [("oauth", "0002_client_service_account")]
    operations = [
        migrations.RunPython(wait_briefly, migrations.RunPython.noop),
        migrations.AddField(
            model_name="client",
            name="operator_metadata",
            field=models.JSONField(blank=True, db_default={}, default=dict),
        ),
    ]
