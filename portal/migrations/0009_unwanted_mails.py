from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0008_invitation_reminded"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="unwanted_mails",
            field=models.JSONField(blank=True, default=list),
        ),
    ]
