from typing import Any

from django.db import migrations, models
from django.db.models.deletion import PROTECT


def wait_for_locks_briefly(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET LOCAL lock_timeout = '5s'")


class Migration(migrations.Migration):
    dependencies = [("oauth", "0003_client_operator_metadata")]

    operations = [
        migrations.RunPython(wait_for_locks_briefly, wait_for_locks_briefly),
        migrations.AddField(
            model_name="statusblock",
            name="signing_key",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=PROTECT, related_name="status_blocks", to="oauth.signingkey"
            ),
        ),
    ]
