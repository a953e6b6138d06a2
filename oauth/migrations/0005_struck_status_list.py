"""A list whose places are all refused, since nobody knows any more which were given."""

from django.db import migrations, models

from portal.migrations._locks import wait_briefly


class Migration(migrations.Migration):
    dependencies = [("oauth", "0004_status_block_signing_key")]
    operations = [
        migrations.RunPython(wait_briefly, migrations.RunPython.noop),
        migrations.AddField(
            model_name="statuslist", name="struck_at", field=models.DateTimeField(blank=True, editable=False, null=True)
        ),
    ]
