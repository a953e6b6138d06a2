"""Two at once: one effect, on both databases."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from keys.models import Api, ApiKey, Environment, RevokeReason, Usage
from keys.services.credentials import IssuedCredential, revoke_credential
from keys.services.errors import Refused
from keys.services.keys import IssuedKey, KeySettings, edit_key, issue_key
from keys.services.secrets import roll_credential
from keys.team.services.departures import remove_member
from keys.validation.usage.batches import Batch, Count
from keys.validation.usage.tables import write_batches
from portal.audit import COMMAND, Actor, ActorKind, NotAllowed
from portal.models import AuditEvent, Membership, Organization, ServiceAccount, User
from portal.permissions import Role
from portal.services.invitations import accept_invitation, invite
from portal.services.members import change_role, take_out
from portal.services.organizations import close_organization
from portal.services.people import deactivate_user
from tests.support.environment import ON_SQLITE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
HOUR = timedelta(hours=1)


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Do all of it in threads that start together; what is refused comes back as the refusal."""
    start = Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        try:
            start.wait()
            return act()
        except (Refused, NotAllowed) as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_two_rolls_from_one_page_give_one_successor(issued: IssuedKey, as_ada: Actor) -> None:
    seen = issued.secret.public_id
    answers = at_once(*[lambda: roll_credential(issued.credential, overlap=HOUR, by=as_ada, seen_secret_id=seen)] * 4)
    assert sum(isinstance(answer, IssuedCredential) for answer in answers) == 1
    assert issued.credential.secrets.count() == 2


def test_rolls_that_know_nothing_of_each_other_leave_two_working_secrets(issued: IssuedKey, as_ada: Actor) -> None:
    answers = at_once(*[lambda: roll_credential(issued.credential, overlap=HOUR, by=as_ada)] * 4)
    assert all(isinstance(answer, IssuedCredential) for answer in answers)
    last = max(secret.created_at for secret in issued.credential.secrets.all())
    assert sum(secret.works(last + HOUR / 2) for secret in issued.credential.secrets.all()) == 2
    assert AuditEvent.objects.filter(action="key.rolled").count() == 4


def test_a_form_sent_twice_at_once_makes_one_key(issued: IssuedKey, as_ada: Actor) -> None:
    key, form = issued.credential, uuid4()
    make = lambda: issue_key(  # noqa: E731  # a thunk, four times
        key.organization, key.api, KeySettings("twice"), environment=Environment.LIVE, by=as_ada, submission=form
    )
    answers = at_once(make, make, make, make)
    made = {answer.credential.public_id for answer in answers if isinstance(answer, IssuedCredential)}
    assert [ApiKey.objects.get(name="twice").public_id] == list(made)


def test_the_cap_holds_under_parallel_issues(issued: IssuedKey, as_ada: Actor, settings: Settings) -> None:
    settings.MAX_KEYS_PER_ORGANIZATION = 3
    key = issued.credential
    at_once(
        *[lambda: issue_key(key.organization, key.api, KeySettings("n"), environment=Environment.LIVE, by=as_ada)] * 6
    )
    assert ApiKey.objects.filter(organization=key.organization).count() == 3


def test_a_revocation_beside_edits_and_rolls_wins(issued: IssuedKey, as_ada: Actor) -> None:
    key = issued.credential
    at_once(
        lambda: revoke_credential(key, reason=RevokeReason.OTHER, by=as_ada),
        lambda: revoke_credential(key, reason=RevokeReason.LEAKED, by=as_ada),
        lambda: edit_key(key, KeySettings("renamed"), by=as_ada),
        lambda: roll_credential(key, overlap=HOUR, by=as_ada),
    )
    after = ApiKey.objects.get(pk=key.pk)
    assert after.revoked_at is not None
    assert AuditEvent.objects.filter(action="key.revoked").count() == 1
    assert after.version == 1 + AuditEvent.objects.filter(action__in=["key.revoked", "key.edited"]).count()


def test_two_last_owners_who_demote_each_other_leave_one(acme: Organization, ada: User, ben: User) -> None:
    Membership.objects.filter(user=ben).update(role=Role.OWNER)
    memberships = list(acme.memberships.all())
    acts = [
        lambda one=one, by=by: change_role(one, Role.VIEWER, by=Actor(ActorKind.USER, by.user))
        for one, by in zip(memberships, reversed(memberships), strict=True)
    ]
    answers = at_once(*acts)
    assert sum(isinstance(answer, Membership) for answer in answers) == 1
    assert acme.memberships.filter(role=Role.OWNER).count() == 1


def test_two_closings_at_once_close_once(acme: Organization, as_ada: Actor) -> None:
    at_once(*[lambda: close_organization(acme, by=as_ada)] * 2)
    assert AuditEvent.objects.filter(action="organization.closed").count() == 1


def test_two_clicks_at_once_make_one_member(acme: Organization, as_ada: Actor, dov: User) -> None:
    invitation = invite(acme, [dov.email], Role.DEVELOPER, by=as_ada)[0]
    answers = at_once(*[lambda: accept_invitation(invitation, user=dov, by=Actor(ActorKind.USER, dov))] * 2)
    assert all(isinstance(answer, Membership) for answer in answers)
    assert acme.memberships.filter(user=dov).count() == 1
    assert AuditEvent.objects.filter(action="member.joined").count() == 1


@pytest.mark.skipif(ON_SQLITE, reason="there, whoever writes has the whole database")
def test_counts_of_keys_do_not_wait_for_a_departure_that_hands_them_over(
    acme: Organization, api: Api, as_ada: Actor, ben: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = Actor(ActorKind.USER, ben)
    left = issue_key(acme, api, KeySettings("ben's"), environment=Environment.LIVE, by=by)
    counted = Count(left.credential.public_id, left.secret.public_id, 0, "VALID", 1)

    def count_elsewhere(*args: Any, **kwargs: Any) -> None:
        at_once(lambda: write_batches([Batch("1" * 32, time.time(), [counted], [])]))  # gives up after two seconds
        take_out(*args, **kwargs)

    monkeypatch.setattr("keys.team.services.departures.take_out", count_elsewhere)
    remove_member(acme.memberships.get(user=ben), new_owner=as_ada.user, by=as_ada)
    assert ApiKey.objects.get(pk=left.credential.pk).owner == as_ada.user
    assert Usage.objects.get().count == 1


def waits(act: Callable[[], object]) -> bool:
    """Whether somebody else who does it now would have to wait for the open transaction."""

    def run() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        try:
            act()
        except OperationalError:
            return True
        return False

    return at_once(run) == [True]


@pytest.mark.skipif(ON_SQLITE, reason="there, whoever writes has the whole database")
def test_no_change_of_a_service_accounts_key_outlives_the_removal_demotion_or_deactivation_of_who_makes_it(
    acme: Organization, api: Api, as_ada: Actor, ben: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot = ServiceAccount.objects.create(organization=acme, name="robot")
    wanted = KeySettings("robot's")
    key = issue_key(acme, api, wanted, environment=Environment.LIVE, by=as_ada, service_account=robot).credential
    place, waited = acme.memberships.get(user=ben), list[bool]()

    def roll() -> object:
        return roll_credential(key, overlap=HOUR, by=Actor(ActorKind.USER, ben))

    def end_it_elsewhere(*_: Any, **__: Any) -> None:
        waited.append(waits(lambda: change_role(place, Role.VIEWER, by=as_ada)))
        waited.append(waits(lambda: remove_member(place, new_owner=None, by=as_ada)))
        waited.append(waits(lambda: deactivate_user(ben, by=COMMAND)))

    def roll_elsewhere(*args: Any, **kwargs: Any) -> None:
        take_out(*args, **kwargs)
        waited.append(waits(roll))

    monkeypatch.setattr("keys.services.secrets.hold_policies_on_roll", end_it_elsewhere)
    roll()
    monkeypatch.setattr("keys.team.services.departures.take_out", roll_elsewhere)
    remove_member(place, new_owner=None, by=as_ada)
    assert waited == [True, True, True, True]
    with pytest.raises(NotAllowed):
        roll()
    assert key.secrets.count() == 2


def test_whoever_is_shut_out_while_the_page_is_on_its_way_changes_nothing(issued: IssuedKey, as_ada: Actor) -> None:
    assert as_ada.user is not None
    deactivate_user(as_ada.user, by=COMMAND)
    with pytest.raises(NotAllowed):
        roll_credential(issued.credential, overlap=HOUR, by=as_ada)
    assert issued.credential.secrets.count() == 1
