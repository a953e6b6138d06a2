"""The most that an API lets any one credential call it, whatever limits the credential has of its own."""

from django.db import migrations, models

from portal.migrations._locks import wait_briefly


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
