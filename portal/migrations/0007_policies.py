import portal.permissions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0006_teams"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="key_expiry_required",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="organization",
            name="live_keys_by",
            field=models.CharField(
                choices=[("developer", "Developer"), ("admin", "Admin"), ("owner", "Owner")],
                default=portal.permissions.Role["DEVELOPER"],
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="live_networks_required",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="organization",
            name="max_key_lifetime_days",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="organization",
            name="second_factor_from",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(("live_keys_by__in", ["developer", "admin", "owner"])),
                name="organization_live_keys_by_known",
            ),
        ),
    ]
