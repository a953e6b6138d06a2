"""Whose sign-in was begun in a session and waits for its second step, so that it ends with the person's sessions."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from portal.migrations._locks import wait_briefly


class Migration(migrations.Migration):
    dependencies = [("portal", "0013_names_in_one_form")]
    operations = [
        migrations.RunPython(wait_briefly, migrations.RunPython.noop),
        migrations.AddField(
            model_name="session",
            name="begun_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="begun_sessions",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
