"""What a secret was last used by."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0003_usage_batch")]
    operations = [
        migrations.AddField(
            model_name=model,
            name="last_used_agent",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=200),
        )
        for model in ("apisecret", "keysecret")
    ]
