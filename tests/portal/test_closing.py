"""An organization is closed: one row, and every credential of it is over."""

import pytest
from django.test import Client

from keys.models import ApiKey, Environment
from keys.services.errors import Refused
from keys.services.keys import KeySettings, issue_key
from keys.validation.store.loaders import load_organizations
from portal.audit import COMMAND, Actor, ActorKind, NotAllowed
from portal.models import AuditEvent, Organization, User
from portal.services.organizations import close_organization, resume_organization
from tests.support.staff import in_admin, make_superuser

pytestmark = pytest.mark.django_db


def test_only_an_owner_closes_it(acme: Organization, ben: User, dov: User) -> None:
    for nobody in (ben, dov):
        with pytest.raises(NotAllowed):
            close_organization(acme, by=Actor(ActorKind.USER, nobody))
    acme.refresh_from_db()
    assert acme.closed_at is None


def test_nobody_but_the_operator_sees_a_closed_one(acme: Organization, ada_client: Client, as_ada: Actor) -> None:
    close_organization(acme, by=as_ada)
    assert "belong to no organization" in ada_client.get("/app/").text
    assert ada_client.post("/organization/", {"organization": acme.public_id}).status_code == 404


def test_a_closed_one_issues_nothing_and_is_not_resumed(acme: Organization, key: ApiKey, as_ada: Actor) -> None:
    close_organization(acme, by=as_ada)
    resume_organization(acme, by=COMMAND)
    with pytest.raises(NotAllowed):
        issue_key(acme, key.api, KeySettings("late"), environment=Environment.LIVE, by=as_ada)
    with pytest.raises(Refused, match="closed"):
        issue_key(acme, key.api, KeySettings("late"), environment=Environment.LIVE, by=COMMAND)


def test_closing_again_changes_nothing(acme: Organization, as_ada: Actor) -> None:
    first = close_organization(acme, by=as_ada).organization.closed_at
    assert close_organization(acme, by=as_ada).organization.closed_at == first
    assert AuditEvent.objects.filter(action="organization.closed").count() == 1


def test_its_name_has_to_be_typed(acme: Organization, ada_client: Client) -> None:
    assert ada_client.post("/app/settings/closing/", {"name": "acme"}).status_code == 422
    assert ada_client.post("/app/settings/closing/", {"name": "Acme"}).status_code == 303
    acme.refresh_from_db()
    assert acme.closed_at is not None


def test_an_operator_closes_it_with_a_reason_and_its_name_typed(
    acme: Organization, key: ApiKey, ada_client: Client
) -> None:
    eve_client = in_admin(make_superuser())
    where = f"/admin/portal/organization/{acme.pk}/"
    assert f"{where}closing/" in eve_client.get(f"{where}change/").text
    assert "Type the name Acme to confirm" in eve_client.get(f"{where}closing/").text
    form = {"confirmed": "yes", "reason": "Fraud, case 7", "name": " acme "}
    for wrong in ({}, {"name": "Acme", "reason": ""}, {"name": ""}):
        assert eve_client.post(f"{where}closing/", form | wrong).status_code == 422
    assert Organization.objects.get(pk=acme.pk).closed_at is None
    assert eve_client.post(f"{where}closing/", form | {"name": " Acme "}).status_code == 302
    assert load_organizations([acme.public_id])[acme.public_id].is_suspended  # type: ignore[union-attr]  # its own kind
    assert ada_client.get("/app/keys/").status_code == 403
    event = AuditEvent.objects.get(action="organization.closed")
    assert (event.actor_kind, event.after) == ("staff", {"internal_reason": "Fraud, case 7"})
    assert f"{where}closing/" not in eve_client.get(f"{where}change/").text
