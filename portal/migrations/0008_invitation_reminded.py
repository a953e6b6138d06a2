from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0007_policies"),
    ]

    operations = [
        migrations.AddField(
            model_name="invitation",
            name="reminded_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
