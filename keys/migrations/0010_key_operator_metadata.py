"""What the operator tells backends of a key."""

from django.db import migrations, models

from portal.migrations._locks import wait_briefly


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
