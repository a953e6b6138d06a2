"""Names from before are rewritten in the form in which new ones are stored, and the caches are told."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.test import override_settings

from keys.models import Api, ApiKey, ApiSecret, Scope
from keys.services.api_secrets import IssuedApiSecret
from keys.services.keys import IssuedKey
from oauth.models import Client
from portal.migrations import _rewriting
from portal.models import Organization, OutboxEntry, ServiceAccount, User
from portal.names import normal_name

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
TWISTED = " billing\u00a0 \u200bworker\u200e\u2028two "
STRAIGHT = "billing worker two"
MIGRATIONS = (
    "portal.migrations.0013_names_in_one_form",
    "keys.migrations.0011_names_in_one_form",
    "oauth.migrations.0006_names_in_one_form",
)


def migrate() -> None:
    for name in MIGRATIONS:
        with connection.schema_editor(atomic=False) as editor:
            import_module(name).rename(apps, editor)


def test_every_name_gets_the_form_of_new_ones(
    ada: User, issued: IssuedKey, oauth_client: Client, api_secret: IssuedApiSecret, acme: Organization
) -> None:
    ServiceAccount.objects.create(organization=acme, name="x")
    named = (Organization, ServiceAccount, User, Api, ApiKey, ApiSecret, Client)
    for model in named:
        model.objects.update(name=TWISTED)
    for model in (ApiKey, Client):
        model.objects.update(note=TWISTED)
    Scope.objects.update(description=TWISTED)
    migrate()
    for model in named:
        assert set(model.objects.values_list("name", flat=True)) == {STRAIGHT}, model
    for model in (ApiKey, Client):
        assert model.objects.get().note == STRAIGHT
    assert set(Scope.objects.values_list("description", flat=True)) == {STRAIGHT}


def test_what_answers_show_of_a_renamed_row_is_told_to_the_caches(
    issued: IssuedKey, oauth_client: Client, acme: Organization, initech: Organization
) -> None:
    for model in (ApiKey, Client):
        model.objects.update(name=TWISTED)
    Organization.objects.filter(pk=acme.pk).update(name=TWISTED)
    with override_settings(REDIS_URL="redis://"):
        migrate()
        told = {name for entry in OutboxEntry.objects.all() for name in entry.names}
        assert told == {
            f"secret:{bytes(issued.secret.digest).hex()}",
            f"client:{oauth_client.public_id}",
            f"org:{acme.public_id}",
        }
        OutboxEntry.objects.all().delete()
        migrate()
    assert not OutboxEntry.objects.exists()


def test_rows_are_rewritten_in_batches_and_none_is_left_out(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    ServiceAccount.objects.bulk_create(ServiceAccount(organization=acme, name=f"a  {n}") for n in range(7))
    monkeypatch.setattr(_rewriting, "BATCH", 3)
    migrate()
    assert set(ServiceAccount.objects.values_list("name", flat=True)) == {f"a {n}" for n in range(7)}


def test_service_accounts_whose_names_looked_the_same_get_numbers(acme: Organization, initech: Organization) -> None:
    for name in ("a b", "a  b", "a\u200b b", "\u200b", "\u200b\u200b", "x" * 99 + "\u200b", "x" * 99):
        ServiceAccount.objects.create(organization=acme, name=name)
    ServiceAccount.objects.create(organization=initech, name="a  b")
    migrate()
    names = list(ServiceAccount.objects.filter(organization=acme).order_by("pk").values_list("name", flat=True))
    assert names == ["a b", "a b (2)", "a b (3)", "Unnamed", "Unnamed (2)", "x" * 90 + " (2)", "x" * 99]
    assert ServiceAccount.objects.get(organization=initech).name == "a b"
    assert all(normal_name(name) == name for name in names)


def test_a_key_whose_name_nobody_could_see_is_called_unnamed(key: ApiKey) -> None:
    ApiKey.objects.update(name="\u200b\u3164")
    migrate()
    assert ApiKey.objects.get().name == "Unnamed"


def test_networks_of_mapped_addresses_become_those_that_calls_come_from(key: ApiKey, oauth_client: Client) -> None:
    for model in (ApiKey, Client):
        model.objects.update(networks=["::ffff:203.0.113.0/120", "2001:db8::/32", "203.0.113.0/24"])
    for name in ("keys.migrations.0012_networks_in_one_form", "oauth.migrations.0007_networks_in_one_form"):
        with connection.schema_editor(atomic=False) as editor:
            import_module(name).rewrite_networks(apps, editor)
    for model in (ApiKey, Client):
        assert model.objects.get().networks == ["203.0.113.0/24", "2001:db8::/32"]
