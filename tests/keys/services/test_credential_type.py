"""The parts of each registered type of credential fit together, so that operations on all types can rely on them."""

import pytest
from django.db import models
from django.urls import reverse

from keys.models import ApiKey
from keys.services.credential_type import CredentialType, credential_types
from oauth.models import Client
from portal.audit_actions import AuditAction

SHARED = ("edited", "disabled", "enabled", "rolled", "overlap_changed", "secret_ended", "reassigned", "revoked")


def test_keys_come_before_clients_so_that_all_lock_them_in_one_order() -> None:
    assert [its.model for its in credential_types()] == [ApiKey, Client]


@pytest.mark.parametrize("its", credential_types(), ids=lambda its: its.noun)
def test_the_noun_of_a_type_names_its_ids_its_column_and_its_audit_actions(its: CredentialType) -> None:
    assert its.model._meta.get_field("public_id").get_default().startswith(f"{its.noun}_")
    column = its.secret_model._meta.get_field(its.noun)
    assert isinstance(column, models.ForeignKey)
    assert column.related_model is its.model
    assert {its.action(done) for done in SHARED} <= set(AuditAction)


@pytest.mark.parametrize("its", credential_types(), ids=lambda its: its.noun)
def test_a_type_has_pages_at_the_addresses_that_all_types_have(its: CredentialType) -> None:
    namespace, _, name = its.page.partition(":")
    assert name == "detail"
    for page in (
        "detail",
        "settings",
        "edit",
        "credential_activity",
        "overlap",
        "roll",
        "pause",
        "resume",
        "revocation",
    ):
        assert reverse(f"{namespace}:{page}", args=[f"{its.noun}_{'0' * 22}"])
    for page in ("list", "new"):
        assert reverse(f"{namespace}:{page}")
