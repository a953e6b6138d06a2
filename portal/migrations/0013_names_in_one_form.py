"""Names of organizations, service accounts and people in the form in which new ones are stored."""

from collections.abc import Sequence
from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from portal.migrations._rewriting import UNNAMED, in_one_form, rewrite
from portal.names import MAX_NAME_CHARS

SPARE_CHARS = 10  # for a number


def rename(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    organizations = apps.get_model("portal", "Organization").objects
    accounts = apps.get_model("portal", "ServiceAccount").objects
    people = apps.get_model("portal", "User").objects

    def snapshots(changed: Sequence[int]) -> list[str]:
        ids = organizations.filter(pk__in=changed).values_list("public_id", flat=True)
        return [f"org:{public_id}" for public_id in ids]

    def named(row: Any) -> dict[str, str]:
        return {"name": in_one_form(row, "name")["name"] or UNNAMED}

    def named_apart(row: Any) -> dict[str, str]:
        """Two names that looked the same are told apart by a number."""
        name = first = named(row)["name"]
        others = accounts.filter(organization=row.organization_id, removed_at=None).exclude(pk=row.pk)
        number = 1
        while row.removed_at is None and name != row.name and others.filter(name=name).exists():
            number += 1
            name = f"{first[: MAX_NAME_CHARS - SPARE_CHARS]} ({number})"
        return {"name": name}

    rewrite(organizations.all(), ["name"], named, apps=apps, touched=snapshots)
    rewrite(accounts.all(), ["name"], named_apart, apps=apps)
    rewrite(people.all(), ["name"], lambda row: in_one_form(row, "name"), apps=apps)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("portal", "0012_queued_mail")]
    operations = [migrations.RunPython(rename, migrations.RunPython.noop)]
