"""How many uses a key may have, and how many it had."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("keys", "0006_api_token_settings")]
    operations = [
        migrations.AddField(model_name="apikey", name="quota", field=models.JSONField(blank=True, null=True)),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=Q(
                    ("quota__isnull", True),
                    Q(
                        ("quota__limit__gte", 1),
                        ("quota__limit__lte", 1000000000),
                        ("quota__refill__in", ("none", "day", "month")),
                    ),
                    _connector="OR",
                ),
                name="key_quota_known",
            ),
        ),
        migrations.CreateModel(
            name="QuotaUse",
            fields=[
                (
                    "key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="quota_use",
                        serialize=False,
                        to="keys.apikey",
                    ),
                ),
                ("period", models.DateField()),
                ("used", models.BigIntegerField()),
            ],
            options={"constraints": [models.CheckConstraint(condition=Q(("used__gte", 1)), name="quota_use_is_use")]},
        ),
    ]
