"""Names and notes of clients in the form in which new ones are stored."""

from collections.abc import Sequence
from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from portal.migrations._rewriting import UNNAMED, in_one_form, rewrite


def rename(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    clients = apps.get_model("oauth", "Client").objects

    def snapshots(changed: Sequence[int]) -> list[str]:
        ids = clients.filter(pk__in=changed).values_list("public_id", flat=True)
        return [f"client:{public_id}" for public_id in ids]

    def named(row: Any) -> dict[str, str]:
        texts = in_one_form(row, "name", "note")
        return texts | {"name": texts["name"] or UNNAMED}

    rewrite(clients.all(), ["name", "note"], named, apps=apps, touched=snapshots)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("oauth", "0005_struck_status_list"), ("portal", "0001_initial")]
    operations = [migrations.RunPython(rename, migrations.RunPython.noop)]
