"""The built-in API, whose credentials manage this portal by program."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from keys.rules.ids import api_id

IDENTIFIER = "urn:latchkey:management"
SCOPES = {
    "keys:read": "Read API keys",
    "keys:write": "Issue, edit, roll and revoke API keys",
    "clients:read": "Read OAuth clients",
    "clients:write": "Issue, edit, roll and revoke OAuth clients",
    "usage:read": "Read usage",
    "audit:read": "Read the activity",
}


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    api = apps.get_model("keys", "Api").objects.create(
        public_id=api_id(),
        name="latchkey",
        identifier=IDENTIFIER,
        description="Manage keys and clients of your organization by program",
        is_builtin=True,
    )
    scope = apps.get_model("keys", "Scope")
    for name, description in SCOPES.items():
        scope.objects.create(api=api, name=name, description=description, is_sensitive=name.endswith(":write"))


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("keys", "Scope").objects.filter(api__is_builtin=True).delete()
    apps.get_model("keys", "Api").objects.filter(is_builtin=True).delete()


class Migration(migrations.Migration):
    dependencies = [("keys", "0001_initial")]
    operations = [migrations.RunPython(add, remove)]
