"""People come and go, and roles change; never without an owner."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from uuid import UUID

import pytest
from django.test import Client

from keys.models import Api, ApiKey, Environment
from keys.services.common import only_once
from keys.services.keys import KeySettings, issue_key
from keys.services.secrets import roll_credential
from keys.team.services.departures import remove_member, remove_service_account
from oauth.models import Client as OAuthClient
from portal.audit import Actor, ActorKind, NotAllowed
from portal.models import AuditEvent, Membership, Organization, ServiceAccount, User
from portal.permissions import Role
from portal.refusals import Refused
from portal.services.members import change_role
from portal.services.organizations import create_organization
from portal.services.service_accounts import create_service_account
from tests.support.page import queries_of, the

pytestmark = pytest.mark.django_db


def of(user: User, organization: Organization) -> Membership:
    return Membership.objects.get(user=user, organization=organization)


def acting(user: User) -> Actor:
    return Actor(ActorKind.USER, user)


@pytest.fixture
def dara(acme: Organization) -> User:
    """Administers Acme."""
    user = User.objects.create_user("dara@example.com", name="Dara")
    Membership.objects.create(organization=acme, user=user, role=Role.ADMIN)
    return user


@pytest.fixture
def account(acme: Organization) -> ServiceAccount:
    return ServiceAccount.objects.create(organization=acme, name="deploys")


def test_an_owner_gives_any_role_and_it_is_written_down(acme: Organization, ada: User, ben: User) -> None:
    change_role(of(ben, acme), Role.OWNER, by=acting(ada))
    assert of(ben, acme).role == Role.OWNER
    event = AuditEvent.objects.get(action="member.role_changed")
    assert (event.before, event.after, event.subject_id) == ({"role": "developer"}, {"role": "owner"}, ben.public_id)


def test_an_admin_neither_makes_nor_unmakes_owners(acme: Organization, ada: User, ben: User, dara: User) -> None:
    for membership, role in ((of(ben, acme), Role.OWNER), (of(ada, acme), Role.VIEWER)):
        with pytest.raises(NotAllowed):
            change_role(membership, role, by=acting(dara))
    with pytest.raises(NotAllowed):
        remove_member(of(ada, acme), new_owner=None, by=acting(dara))
    change_role(of(ben, acme), Role.ADMIN, by=acting(dara))
    assert of(ben, acme).role == Role.ADMIN


def test_the_last_owner_is_neither_demoted_nor_removed_nor_may_leave(acme: Organization, ada: User) -> None:
    for act in (
        lambda: change_role(of(ada, acme), Role.ADMIN, by=acting(ada)),
        lambda: remove_member(of(ada, acme), new_owner=None, by=acting(ada)),
    ):
        with pytest.raises(Refused, match="needs an owner"):
            act()


def test_an_owner_who_cannot_sign_in_does_not_count(acme: Organization, ada: User, ben: User) -> None:
    change_role(of(ben, acme), Role.OWNER, by=acting(ada))
    User.objects.filter(pk=ben.pk).update(is_active=False)
    with pytest.raises(Refused, match="needs an owner"):
        remove_member(of(ada, acme), new_owner=None, by=acting(ada))


def test_keys_of_who_is_removed_go_on_under_another_owner(
    acme: Organization, ada: User, ben: User, key: ApiKey, account: ServiceAccount
) -> None:
    ApiKey.objects.filter(pk=key.pk).update(owner=ben)
    departure = remove_member(of(ben, acme), new_owner=account, by=acting(ada))
    key.refresh_from_db()
    assert (departure.counts[ApiKey], key.owner, key.service_account, key.revoked_at) == (1, None, account, None)
    event = AuditEvent.objects.get(action="key.reassigned")
    assert (event.before, event.after) == ({"owner": "Ben"}, {"owner": "deploys"})


def test_a_key_is_changed_by_whom_it_belongs_to_by_the_time_its_row_is_locked(
    acme: Organization, ada: User, ben: User, key: ApiKey
) -> None:
    ApiKey.objects.filter(pk=key.pk).update(owner=ben)
    read_before = ApiKey.objects.get()
    ApiKey.objects.filter(pk=key.pk).update(owner=ada)
    with pytest.raises(NotAllowed):
        roll_credential(read_before, overlap=timedelta(0), by=acting(ben))
    assert key.secrets.count() == 1


def test_who_is_demoted_on_the_way_to_the_row_changes_nothing(
    acme: Organization, ben: User, key: ApiKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    ApiKey.objects.filter(pk=key.pk).update(owner=ben)

    def demoting(submission: UUID | None) -> AbstractContextManager[object]:
        acme.memberships.filter(user=ben).update(role=Role.VIEWER)
        return only_once(submission)

    monkeypatch.setattr("keys.services.secrets.only_once", demoting)
    with pytest.raises(NotAllowed):
        roll_credential(key, overlap=timedelta(0), by=acting(ben))
    assert key.secrets.count() == 1


def test_keys_and_clients_of_who_is_removed_are_revoked_where_nobody_takes_them(
    acme: Organization, ada: User, ben: User, key: ApiKey, oauth_client: OAuthClient
) -> None:
    for row in (key, oauth_client):
        type(row).objects.filter(pk=row.pk).update(owner=ben)
    remove_member(of(ben, acme), new_owner=None, by=acting(ada))
    for row in (key, oauth_client):
        row.refresh_from_db()
        assert row.revoked_at is not None
    told = ["key.revoked", "client.revoked", "member.removed"]
    assert AuditEvent.objects.filter(action__in=told).count() == 3


def test_the_page_lists_keys_and_clients_and_one_choice_is_for_both(
    ada_client: Client, ben: User, key: ApiKey, oauth_client: OAuthClient, account: ServiceAccount
) -> None:
    for row in (key, oauth_client):
        type(row).objects.filter(pk=row.pk).update(owner=ben)
    removal = f"/app/team/{ben.public_id}/removal/"
    page = ada_client.get(removal).text
    for words in ("1 API key and 1 OAuth client to hand over or revoke", "billing worker", "nightly sync"):
        assert words in page
    assert ada_client.post(removal, {"fate": ""}).status_code == 422
    answer = ada_client.post(removal, {"fate": account.public_id}, follow=True)
    assert "deploys now owns 1 API key and 1 OAuth client; requests go on as before." in answer.text
    assert (ApiKey.objects.get().service_account, OAuthClient.objects.get().service_account) == (account, account)
    event = AuditEvent.objects.get(action="client.reassigned")
    assert (event.before, event.after) == ({"owner": "Ben"}, {"owner": "deploys"})


def test_only_who_may_own_keys_here_inherits_and_else_nothing_happens(
    as_ada: Actor, ben: User, cyn: User, dov: User, key: ApiKey
) -> None:
    ApiKey.objects.filter(pk=key.pk).update(owner=ben)
    elsewhere = ServiceAccount.objects.create(organization=dov.organizations.get(), name="theirs")
    for new_owner in (cyn, dov, ben, elsewhere):
        with pytest.raises(Refused, match="Choose a member"):
            remove_member(of(ben, key.organization), new_owner=new_owner, by=as_ada)
    assert of(ben, key.organization)
    assert ApiKey.objects.get(pk=key.pk).owner == ben


def test_a_viewer_may_leave_and_remove_nobody_else(acme: Organization, ben: User, cyn: User) -> None:
    with pytest.raises(NotAllowed):
        remove_member(of(ben, acme), new_owner=None, by=acting(cyn))
    remove_member(of(cyn, acme), new_owner=None, by=acting(cyn))
    assert not acme.memberships.filter(user=cyn).exists()
    assert AuditEvent.objects.get(action="member.left").actor_id == cyn.public_id


def test_a_service_account_is_removed_once_and_its_keys_with_it(
    acme: Organization, ada: User, key: ApiKey, oauth_client: OAuthClient, account: ServiceAccount
) -> None:
    for row in (key, oauth_client):
        type(row).objects.filter(pk=row.pk).update(owner=None, service_account=account)
    remove_service_account(account, new_owner=ada, by=acting(ada))
    for row in (key, oauth_client):
        row.refresh_from_db()
        assert (row.owner, row.service_account) == (ada, None)
    with pytest.raises(Refused, match="already"):
        remove_service_account(account, new_owner=ada, by=acting(ada))


def test_a_key_may_belong_to_a_service_account_of_its_own_organization_alone(
    account: ServiceAccount, dov: User, api: Api, as_ada: Actor
) -> None:
    acme, by = account.organization, as_ada
    key = issue_key(
        acme, api, KeySettings("k"), environment=Environment.TEST, by=by, service_account=account
    ).credential
    assert (key.owner_name, key.owner) == ("deploys", None)
    theirs = ServiceAccount.objects.create(organization=dov.organizations.get(), name="theirs")
    for strange in (theirs, account):
        ServiceAccount.objects.filter(pk=account.pk).update(removed_at=acme.created_at)
        with pytest.raises(Refused, match="no longer there"):
            issue_key(acme, api, KeySettings("k"), environment=Environment.TEST, by=by, service_account=strange)


def test_a_service_account_has_a_name_of_its_own(acme: Organization, ada: User, ben: User) -> None:
    create_service_account(acme, "deploys", by=acting(ada))
    with pytest.raises(Refused, match="has this name"):
        create_service_account(acme, "deploys", by=acting(ada))
    with pytest.raises(NotAllowed):
        create_service_account(acme, "other", by=acting(ben))


def test_a_person_owns_so_many_organizations_and_no_more(ada: User, settings: object) -> None:
    settings.MAX_ORGANIZATIONS_PER_USER = 2  # type: ignore[attr-defined]  # pytest-django's fixture
    create_organization("Second", owner=ada, by=acting(ada))
    with pytest.raises(Refused, match="2 organizations"):
        create_organization("Third", owner=ada, by=acting(ada))


def test_who_was_removed_is_a_stranger_from_the_next_click_on(
    acme: Organization, ada: User, ben: User, signed_in: Callable[[User], Client], key: ApiKey
) -> None:
    browser = signed_in(ben)
    assert browser.get(f"/app/keys/{key.public_id}/").status_code == 200
    remove_member(of(ben, acme), new_owner=None, by=acting(ada))
    for path in (f"/app/keys/{key.public_id}/", "/app/", "/app/team/", "/app/keys/new/"):
        answer = browser.get(path)
        assert answer.status_code == 403
        assert "belong to no organization" in answer.text


def test_the_list_costs_the_same_however_many_there_are_and_goes_on_page_by_page(
    acme: Organization, ada_client: Client
) -> None:
    few = queries_of(ada_client, "/app/team/")
    people = [User(email=f"person{number:02}@example.com", password="!") for number in range(60)]
    User.objects.bulk_create(people)
    Membership.objects.bulk_create([Membership(organization=acme, user=each, role=Role.VIEWER) for each in people])
    assert queries_of(ada_client, "/app/team/") <= few
    first = ada_client.get("/app/team/").text
    assert "50 of 61 members" in first
    more = the("a[href*='after=']", first).attributes["href"]
    assert "person59@example.com" in ada_client.get(str(more)).text
    assert "1 of 1 member" in ada_client.get("/app/team/?q=person07").text


def test_on_a_phone_a_members_row_says_in_its_second_line_what_its_columns_say(
    key: ApiKey, ada: User, ada_client: Client
) -> None:
    rows = ada_client.get("/app/team/").text.split("<tr ")
    (own_row,) = [row for row in rows if ada.email in row and "cell-sub" in row]
    second_line = the(".cell-sub .narrow-only", f"<table><tr {own_row}</table>")
    assert second_line.text().split("·")[1:] == [" no second factor ", " 1 key"]
