"""How a person wants pages: the time zone of their times, and how close the rows of lists are."""

from django.db import migrations, models

from portal.migrations._locks import wait_briefly


class Migration(migrations.Migration):
    dependencies = [("portal", "0014_session_sign_in_begun")]
    operations = [
        migrations.RunPython(wait_briefly, migrations.RunPython.noop),
        migrations.AddField(
            model_name="user",
            name="time_zone",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="user",
            name="density",
            field=models.CharField(
                choices=[("comfortable", "Comfortable"), ("compact", "Compact")],
                db_default="comfortable",
                default="comfortable",
                max_length=16,
            ),
        ),
    ]
