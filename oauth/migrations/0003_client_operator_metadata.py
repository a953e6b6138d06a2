"""What the operator tells backends of a client."""

from django.db import migrations, models

from portal.migrations._locks import wait_briefly


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
