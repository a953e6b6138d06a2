"""Which batches of usage have been added, so that none is added twice."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0002_builtin_api")]
    operations = [
        migrations.CreateModel(
            name="UsageBatch",
            fields=[
                ("id", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("folded_at", models.DateTimeField(db_index=True)),
            ],
        ),
    ]
