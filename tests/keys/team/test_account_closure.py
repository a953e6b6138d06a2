"""Closing one's account: what becomes of organizations, keys and the way in."""

import re
from collections.abc import Callable

import pytest
from django.core import mail
from django.test import Client

from keys.models import ApiKey
from keys.team.services import account_closure
from oauth.models import Client as OAuthClient
from portal.audit import Actor, ActorKind
from portal.audit_actions import AuditAction
from portal.models import AuditEvent, Membership, Organization, User
from portal.permissions import Role
from portal.refusals import Refused
from tests.support.page import queries_of

pytestmark = pytest.mark.django_db
CLOSE = "/accounts/closure/"


def as_person(user: User) -> Actor:
    return Actor(ActorKind.USER, user, "203.0.113.7", "req_test")


def role_in(organization: Organization, user: User) -> str:
    return Membership.objects.get(organization=organization, user=user).role


def test_an_organization_is_handed_over_and_its_keys_go_on(
    ada_client: Client, acme: Organization, ada: User, ben: User, key: ApiKey
) -> None:
    assert "Acme" in ada_client.get(CLOSE).text
    answer = ada_client.post(CLOSE, {"email": "Ada@example.com", acme.public_id: ben.public_id})
    assert answer["Location"] == "/accounts/login/"
    assert not User.objects.filter(email="ada@example.com").exists()
    assert role_in(acme, ben) == Role.OWNER
    key.refresh_from_db()
    acme.refresh_from_db()
    assert (key.owner, key.revoked_at, acme.closed_at) == (ben, None, None)
    assert ada_client.get("/app/").status_code == 302
    event = AuditEvent.objects.get(action=AuditAction.USER_ACCOUNT_CLOSED)
    assert (event.subject_id, event.actor_id) == (ada.public_id, ada.public_id)
    assert [(message.to, message.subject) for message in mail.outbox] == [
        (["ben@example.com"], "Your role in Acme is now owner"),
        (["ada@example.com"], "Your Latchkey account is closed"),
    ]


def test_an_organization_with_nobody_else_in_it_is_closed(dov_client: Client, initech: Organization) -> None:
    assert "Initech" in dov_client.get(CLOSE).text
    told = dov_client.post(CLOSE, {"email": "dov@example.com"}, follow=True).text
    assert re.search("Requests with credentials that ended with it are refused (everywhere|now)", told)
    initech.refresh_from_db()
    assert initech.closed_at is not None
    assert not Membership.objects.filter(organization=initech).exists()


def test_an_organization_that_has_another_owner_is_left(acme: Organization, ada: User, ben: User) -> None:
    Membership.objects.filter(user=ben).update(role=Role.OWNER)
    account_closure.close_account(ada, {}, by=as_person(ada))
    acme.refresh_from_db()
    assert acme.closed_at is None
    assert AuditEvent.objects.filter(action=AuditAction.MEMBER_LEFT).count() == 1


@pytest.mark.parametrize("fate", ["new_owner", "revoke"])
def test_what_one_owns_in_an_organization_of_others_is_handed_over_or_revoked_and_never_left(
    fate: str, ben: User, ben_client: Client, key: ApiKey, oauth_client: OAuthClient
) -> None:
    ada = key.owner
    for row in (key, oauth_client):
        type(row).objects.filter(pk=row.pk).update(owner=ben)
    name, sent = key.organization.public_id, {"email": "ben@example.com"}
    assert "What happens to your 1 API key and 1 OAuth client in Acme" in ben_client.get(CLOSE).text
    assert ben_client.post(CLOSE, sent).status_code == 422
    assert (
        ben_client.post(CLOSE, sent | {name: ada.public_id if ada and fate == "new_owner" else fate}).status_code == 302
    )
    assert not User.objects.filter(pk=ben.pk).exists()
    for row in (key, oauth_client):
        row.refresh_from_db()
        assert (row.owner, row.revoked_at is None) == ((ada, True) if fate == "new_owner" else (None, False))


@pytest.mark.parametrize(
    "data",
    [{}, {"email": "ada@example.com"}, {"email": "ben@example.com", "new_owner": "close"}, {"new_owner": "close"}],
)
def test_without_the_address_and_an_answer_for_each_organization_nothing_happens(
    data: dict[str, str], ada_client: Client, acme: Organization, ben: User
) -> None:
    sent = {acme.public_id if name == "new_owner" else name: value for name, value in data.items()}
    assert ada_client.post(CLOSE, sent).status_code == 422
    assert User.objects.filter(email="ada@example.com").exists()
    acme.refresh_from_db()
    assert acme.closed_at is None


def test_a_stranger_cannot_be_made_the_new_owner(ada_client: Client, acme: Organization, ben: User, dov: User) -> None:
    answer = ada_client.post(CLOSE, {"email": "ada@example.com", acme.public_id: dov.public_id})
    assert answer.status_code == 422
    assert not Membership.objects.filter(user=dov, organization=acme).exists()


def test_who_runs_the_portal_hands_that_over_first(ada: User, acme: Organization) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    ada.refresh_from_db()
    with pytest.raises(Refused):
        account_closure.close_account(ada, {}, by=as_person(ada))
    acme.refresh_from_db()
    assert acme.closed_at is None


def test_a_new_owner_who_has_left_meanwhile_stops_it_before_anything_is_closed(
    ada: User, ben: User, acme: Organization, initech: Organization
) -> None:
    Membership.objects.create(organization=initech, user=ada, role=Role.OWNER)
    Membership.objects.filter(user=ben).delete()
    with pytest.raises(Refused):
        account_closure.close_account(ada, {acme.public_id: ben}, by=as_person(ada))
    initech.refresh_from_db()
    assert initech.closed_at is None
    assert User.objects.filter(pk=ada.pk).exists()


def test_closing_takes_who_one_is_shown_lately(ada: User, signed_in: Callable[[User], Client]) -> None:
    client = signed_in(ada)
    session = client.session
    session["account_authentication_methods"] = []
    session.save()
    assert client.get(CLOSE).status_code == 302
    assert client.post(CLOSE, {"email": "ada@example.com"}).status_code == 302
    assert User.objects.filter(pk=ada.pk).exists()


def test_closing_costs_the_same_queries_however_many_organizations_one_is_in(
    ada: User, ada_client: Client, ben: User, key: ApiKey, oauth_client: OAuthClient
) -> None:
    def join(number: int) -> None:
        for index in range(number):
            organization = Organization.objects.create(name=f"Club {index}")
            Membership.objects.create(organization=organization, user=ada, role=[Role.OWNER, Role.ADMIN][index % 2])
            Membership.objects.create(organization=organization, user=ben, role=[Role.ADMIN, Role.OWNER][index % 2])
            mine = {"organization": organization, "owner": ada, "name": "mine", "environment": "live"}
            ApiKey.objects.create(**mine, api=key.api, created_at=key.created_at)
            OAuthClient.objects.create(**mine, created_at=key.created_at)

    join(2)
    few = queries_of(ada_client, CLOSE)
    join(45)
    assert queries_of(ada_client, CLOSE) == few
    page = ada_client.get(CLOSE).text
    assert page.count("What happens to") == 48
    assert page.count("owns it next, and your 1 API key and 1 OAuth client") == 25
    assert page.count("What happens to your 1 API key and 1 OAuth client in Club") == 23
