"""Invitations: for one address, once, for a week, and only while whoever sent them still could."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from pytest_django import Settings

from keys.sweeps import remind_invited
from portal.audit import Actor, ActorKind, NotAllowed
from portal.models import AuditEvent, Invitation, Membership, Organization, User
from portal.permissions import Role
from portal.redaction import redact
from portal.refusals import Refused
from portal.services.invitations import (
    accept_invitation,
    decline_invitation,
    invite,
    resend_invitation,
    revoke_invitation,
)
from portal.ui.times import exact_words

pytestmark = pytest.mark.django_db


@pytest.fixture
def invited(acme: Organization, as_ada: Actor, dov: User) -> Invitation:
    """dov is to develop at Acme, too."""
    return invite(acme, [dov.email], Role.DEVELOPER, by=as_ada)[0]


def link() -> str:
    """The path of the newest mail's link, wherever its host says it leads."""
    found = re.findall(r"^(https?://\S+)$", str(mail.outbox[-1].body), re.MULTILINE)[0]
    assert found.startswith("http://localhost:8000/invited/")  # PUBLIC_URL
    return str(found).removeprefix("http://localhost:8000")


def acting(user: User) -> Actor:
    return Actor(ActorKind.USER, user)


def test_the_link_leads_to_a_page_and_the_page_to_a_membership(
    acme: Organization, invited: Invitation, dov: User, dov_client: Client
) -> None:
    opened = dov_client.get(link())
    assert (opened.status_code, opened["Location"], opened["Referrer-Policy"]) == (302, "/invited/", "no-referrer")
    assert "Join Acme" in dov_client.get("/invited/").text
    assert dov_client.post("/invited/acceptance/").status_code == 303
    assert Membership.objects.get(user=dov, organization=acme).role == Role.DEVELOPER
    assert "Welcome to Acme" in dov_client.get("/app/").text
    assert mail.outbox[-1].to == ["ada@example.com"]


def test_looking_at_the_link_joins_nobody(invited: Invitation, dov: User, dov_client: Client) -> None:
    dov_client.get(link())
    dov_client.get("/invited/")
    assert dov_client.get("/invited/acceptance/").status_code == 405
    assert dov.memberships.count() == 1


def test_links_come_from_the_configured_address_whatever_host_was_asked(ada_client: Client, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    form = {"emails": "New@Example.com", "role": "viewer"}
    ada_client.post("/app/team/invitations/new/", form, headers={"Host": "evil.example", "X-Forwarded-Host": "evil"})
    assert link()
    assert "evil" not in str(mail.outbox[-1].message())


def test_only_the_digest_of_the_link_is_kept_and_no_log_names_it(invited: Invitation) -> None:
    token = link().split("/")[2]
    assert token.encode() not in bytes(Invitation.objects.get().digest)
    assert token not in str(AuditEvent.objects.get(action="invitation.sent").__dict__)
    assert redact(f"GET {link()}") == "GET /invited/[redacted]/"
    assert redact("/invited/acceptance/") == "/invited/acceptance/"


def test_another_account_cannot_use_it_and_is_offered_to_switch(
    invited: Invitation, cyn: User, signed_in: Callable[[User], Client]
) -> None:
    browser = signed_in(cyn)
    browser.get(link())
    assert "signed in with another address" in browser.get("/invited/").text
    browser.post("/invited/acceptance/")
    invited.refresh_from_db()
    assert invited.ended_at is None
    assert browser.post("/invited/switch/")["Location"] == "/accounts/login/?next=%2Finvited%2F"
    assert "Join Acme" in browser.get("/invited/").text


@pytest.mark.parametrize("address", ["dov@example.org", "d\u043ev@example.com", "dov@example.com.evil.example"])
def test_a_look_alike_address_is_another_address(invited: Invitation, ben: User, address: str) -> None:
    EmailAddress.objects.create(user=ben, email=address, verified=True)
    with pytest.raises(Refused, match="another e-mail"):
        accept_invitation(invited, user=ben, by=acting(ben))


def test_an_unverified_address_proves_nothing(invited: Invitation, dov: User) -> None:
    EmailAddress.objects.filter(user=dov).update(verified=False)
    with pytest.raises(Refused, match="another e-mail"):
        accept_invitation(invited, user=dov, by=acting(dov))


def test_it_works_once(acme: Organization, as_ada: Actor, invited: Invitation, dov: User) -> None:
    accept_invitation(invited, user=dov, by=acting(dov))
    Membership.objects.filter(user=dov, organization=acme).delete()
    with pytest.raises(Refused, match="already"):
        accept_invitation(invited, user=dov, by=acting(dov))


def test_it_does_not_work_once_revoked_declined_or_expired(as_ada: Actor, invited: Invitation, dov: User) -> None:
    row = Invitation.objects.filter(pk=invited.pk)
    row.update(expires_at=invited.sent_at)
    with pytest.raises(Refused, match="expired"):
        accept_invitation(invited, user=dov, by=acting(dov))
    row.update(expires_at=invited.expires_at)
    for end, by in ((revoke_invitation, as_ada), (decline_invitation, acting(dov))):
        row.update(ended_at=None, outcome="")
        end(invited, by=by)
        with pytest.raises(Refused, match="taken back or declined"):
            accept_invitation(invited, user=dov, by=acting(dov))


def test_who_was_removed_or_demoted_lets_nobody_in_any_more(acme: Organization, invited: Invitation, dov: User) -> None:
    Membership.objects.filter(organization=acme).update(role=Role.DEVELOPER)
    with pytest.raises(Refused, match="can no longer do so"):
        accept_invitation(invited, user=dov, by=acting(dov))


def test_a_new_link_voids_the_old_one(as_ada: Actor, invited: Invitation, dov_client: Client) -> None:
    old = link()
    resend_invitation(invited, by=as_ada)
    assert dov_client.get(old).status_code == 404
    assert dov_client.get(link()).status_code == 302
    assert Invitation.objects.count() == 1


def test_a_members_role_is_not_changed_by_an_invitation(as_ada: Actor, acme: Organization, dov: User) -> None:
    invited = invite(acme, [dov.email], Role.OWNER, by=as_ada)[0]
    Membership.objects.create(organization=acme, user=dov, role=Role.VIEWER)
    assert accept_invitation(invited, user=dov, by=acting(dov)).role == Role.VIEWER


def test_who_may_not_give_a_role_may_not_invite_to_it(acme: Organization, ada: User, ben: User) -> None:
    with pytest.raises(NotAllowed):
        invite(acme, ["x@example.com"], Role.VIEWER, by=acting(ben))
    Membership.objects.filter(user=ben).update(role=Role.ADMIN)
    with pytest.raises(NotAllowed):
        invite(acme, ["x@example.com"], Role.OWNER, by=acting(ben))
    assert mail.outbox == []


def test_an_admin_neither_takes_back_nor_overwrites_what_gives_more_than_an_admin_could(
    acme: Organization, as_ada: Actor, ben: User, ben_client: Client
) -> None:
    to_owner, to_admin = (invite(acme, [f"{role}@x.example"], role, by=as_ada)[0] for role in (Role.OWNER, Role.ADMIN))
    Membership.objects.filter(user=ben).update(role=Role.ADMIN)
    with pytest.raises(NotAllowed):
        revoke_invitation(to_owner, by=acting(ben))
    with pytest.raises(NotAllowed):
        invite(acme, ["new@x.example", to_owner.email], Role.VIEWER, by=acting(ben))
    to_owner.refresh_from_db()
    assert (to_owner.role, to_owner.ended_at) == (Role.OWNER, None)
    page = ben_client.get("/app/team/invitations/").text
    assert (to_owner.public_id in page, to_admin.public_id in page) == (False, True)
    revoke_invitation(to_admin, by=acting(ben))


def test_who_has_not_answered_is_reminded_once_two_days_before_the_end_and_the_link_goes_on_working(
    invited: Invitation, dov_client: Client
) -> None:
    first, ends = link(), invited.expires_at
    remind_invited(now=ends - timedelta(days=2, seconds=1))
    assert len(mail.outbox) == 1
    for hours in (48, 24, 1):
        remind_invited(now=ends - timedelta(hours=hours))
    reminder = mail.outbox[-1]
    assert (len(mail.outbox), reminder.to) == (2, ["dov@example.com"])
    assert reminder.subject.startswith("Your invitation to Acme expires on ")
    assert f"The link is in our mail from {exact_words(invited.sent_at)}." in reminder.body
    assert "/invited/" not in reminder.message().as_string()
    invited.refresh_from_db()
    assert invited.expires_at == ends
    assert "Join Acme" in dov_client.get(first, follow=True).text
    assert AuditEvent.objects.get(action="invitation.reminded").actor_label == "system"


def test_nobody_is_reminded_of_an_invitation_that_could_not_be_accepted(
    invited: Invitation, acme: Organization, as_ada: Actor
) -> None:
    almost = invited.expires_at - timedelta(hours=1)
    acme.memberships.filter(user=as_ada.user).update(role=Role.VIEWER)
    remind_invited(now=almost)
    acme.memberships.filter(user=as_ada.user).update(role=Role.OWNER)
    revoke_invitation(invite(acme, ["gus@example.com"], Role.VIEWER, by=as_ada)[0], by=as_ada)
    remind_invited(now=almost)
    remind_invited(now=invited.expires_at)
    assert [message.subject for message in mail.outbox if "expires on" in message.subject] == []


def test_caps_hold_and_then_nobody_is_mailed(acme: Organization, as_ada: Actor, settings: Settings) -> None:
    settings.MAX_INVITATIONS_PER_DAY = 2
    with pytest.raises(Refused, match="2 invitations a day"):
        invite(acme, ["a@example.com", "b@example.com", "c@example.com"], Role.VIEWER, by=as_ada)
    settings.MAX_MEMBERS_PER_ORGANIZATION = 2
    invite(acme, ["a@example.com"], Role.VIEWER, by=as_ada)
    with pytest.raises(Refused, match="at most 2 members"):
        invite(acme, ["b@example.com"], Role.VIEWER, by=as_ada)
    assert [each.to for each in mail.outbox] == [["a@example.com"]]


def test_one_address_is_invited_few_times_a_day(acme: Organization, ada: User, as_ada: Actor) -> None:
    (invitation,) = invite(acme, ["a@example.com"], Role.VIEWER, by=as_ada)
    for _ in range(4):
        resend_invitation(invitation, by=as_ada)
    other = Organization.objects.create(name="Acme again")
    Membership.objects.create(organization=other, user=ada, role=Role.OWNER)
    for send in (
        lambda: resend_invitation(invitation, by=as_ada),
        lambda: invite(other, ["b@example.com", "a@example.com"], Role.VIEWER, by=as_ada),
    ):
        with pytest.raises(Refused, match=r"^a@example\.com: invited 5 times today"):
            send()
    assert len(mail.outbox) == 5


def test_who_opens_one_organization_after_another_sends_no_more(
    acme: Organization, ada: User, as_ada: Actor, settings: Settings
) -> None:
    settings.MAX_INVITATIONS_PER_DAY = 2
    invite(acme, ["a@example.com", "b@example.com"], Role.VIEWER, by=as_ada)
    other = Organization.objects.create(name="Acme again")
    Membership.objects.create(organization=other, user=ada, role=Role.OWNER)
    with pytest.raises(Refused, match="so does a person"):
        invite(other, ["c@example.com"], Role.VIEWER, by=as_ada)


@pytest.mark.parametrize("emails", ["", "nobody", "a@example.com, b@", "x\x00@example.com", "a" * 7000, '"a\rb"@x.org'])
def test_an_address_that_is_none_is_named(emails: str, ada_client: Client) -> None:
    answer = ada_client.post("/app/team/invitations/new/", {"emails": emails, "role": "viewer"})
    assert answer.status_code == 422
    assert mail.outbox == []


def test_where_sign_up_is_by_invitation_only_the_invited_address_gets_in(
    acme: Organization, as_ada: Actor, client: Client, settings: Settings
) -> None:
    settings.SIGNUP = "invite"
    assert "Create account" not in client.get("/accounts/signup/").text
    invite(acme, ["fay@example.com"], Role.VIEWER, by=as_ada)
    client.get(link())
    form = {"email": "eve@example.com", "password1": "correct horse battery staple"}
    assert "Use the address that was invited" in client.post("/accounts/signup/", form).text
    assert client.post("/accounts/signup/", form | {"email": "fay@example.com"}).status_code == 302
    assert User.objects.filter(email="fay@example.com").exists()


@pytest.mark.parametrize("end", ["expired", "closed", "demoted"])
def test_an_invitation_that_is_over_lets_nobody_sign_up(
    end: str, acme: Organization, as_ada: Actor, client: Client, settings: Settings
) -> None:
    settings.SIGNUP = "invite"
    invited = invite(acme, ["fay@example.com"], Role.VIEWER, by=as_ada)[0]
    client.get(link())
    assert "Create account" in client.get("/accounts/signup/").text
    if end == "expired":
        Invitation.objects.update(expires_at=invited.sent_at)
    elif end == "closed":
        Organization.objects.filter(pk=acme.pk).update(closed_at=invited.sent_at)
    else:
        Membership.objects.filter(organization=acme).update(role=Role.DEVELOPER)
    assert "Create account" not in client.get("/accounts/signup/").text
    client.post("/accounts/signup/", {"email": "fay@example.com", "password1": "correct horse battery staple"})
    assert not User.objects.filter(email="fay@example.com").exists()
