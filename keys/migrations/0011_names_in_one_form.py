"""Names of APIs, keys and API secrets, notes and descriptions, in the form in which new ones are stored."""

from collections.abc import Sequence
from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from portal.migrations._rewriting import UNNAMED, in_one_form, rewrite


def rename(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    secrets = apps.get_model("keys", "KeySecret").objects

    def snapshots(changed: Sequence[int]) -> list[str]:
        return [
            f"secret:{bytes(digest).hex()}"
            for digest in secrets.filter(key__in=changed).values_list("digest", flat=True)
        ]

    def named(row: Any) -> dict[str, str]:
        return {"name": in_one_form(row, "name")["name"] or UNNAMED}

    rewrite(apps.get_model("keys", "Api").objects.all(), ["name"], named, apps=apps)
    rewrite(apps.get_model("keys", "ApiSecret").objects.all(), ["name"], named, apps=apps)
    rewrite(
        apps.get_model("keys", "ApiKey").objects.all(),
        ["name", "note"],
        lambda row: in_one_form(row, "note") | named(row),
        apps=apps,
        touched=snapshots,
    )
    rewrite(
        apps.get_model("keys", "Scope").objects.all(),
        ["description"],
        lambda row: in_one_form(row, "description"),
        apps=apps,
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("keys", "0010_key_operator_metadata"), ("portal", "0001_initial")]
    operations = [migrations.RunPython(rename, migrations.RunPython.noop)]
