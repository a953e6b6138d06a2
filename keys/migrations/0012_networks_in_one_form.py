"""Allowed addresses of keys in the form in which calls are compared with them: IPv4-mapped networks as IPv4."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from portal.migrations._rewriting import networks_in_one_form, rewrite


def rewrite_networks(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    rows = apps.get_model("keys", "ApiKey").objects.exclude(networks=[])
    rewrite(rows, ["networks"], networks_in_one_form, apps=apps)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("keys", "0011_names_in_one_form")]
    operations = [migrations.RunPython(rewrite_networks, migrations.RunPython.noop)]
