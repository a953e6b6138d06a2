"""Which mails a person gets: what they chose, and always what concerns their security."""

from datetime import datetime, timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client

from keys import expiry_mails, sweeps
from keys.models import ApiKey
from portal.audit import Actor
from portal.models import AuditEvent, Membership, User
from portal.permissions import Role
from portal.policies import Policies
from portal.services.invitations import accept_invitation, invite
from portal.services.members import change_role
from portal.services.policies import change_policies
from tests.support.visitors import person, sign_in

pytestmark = pytest.mark.django_db
CHOICE = "/accounts/notifications/"
EVERYTHING = ["keys", "team", "policies"]


def subjects() -> list[str]:
    return [str(message.subject) for message in mail.outbox]


def test_one_chooses_on_a_page_and_it_is_written_down_once(ada_client: Client) -> None:
    assert ada_client.get(CHOICE).text.count(" checked") == len(EVERYTHING)
    for _ in range(2):
        assert "Your choice is saved." in ada_client.post(CHOICE, {"wanted": ["team"]}, follow=True).text
    assert ada_client.get(CHOICE).text.count(" checked") == 1
    event = AuditEvent.objects.get(action="user.mails_chosen")
    assert (event.before, event.after) == ({"unwanted_mails": []}, {"unwanted_mails": ["keys", "policies"]})
    assert ada_client.post(CHOICE, {"wanted": ["security"]}).status_code == 422


@pytest.mark.parametrize("unwanted", [[], EVERYTHING])
def test_what_is_not_wanted_is_not_mailed(
    unwanted: list[str], key: ApiKey, as_ada: Actor, dov: User, now: datetime
) -> None:
    acme = key.organization
    User.objects.update(unwanted_mails=unwanted)
    Membership.objects.create(organization=acme, user=User.objects.create_user("ida@example.com"), role=Role.OWNER)
    User.objects.filter(email="ida@example.com").update(unwanted_mails=unwanted)
    ApiKey.objects.update(expires_at=now + timedelta(hours=3), created_at=now - timedelta(days=9))
    sweeps.write_notices(now=now)
    expiry_mails.send_due(now=now)
    change_policies(acme, Policies(key_expiry_required=True), by=as_ada)
    invitation = invite(acme, [dov.email], Role.VIEWER, by=as_ada)[0]
    accept_invitation(invitation, user=dov, by=as_ada)
    told = [subject for subject in subjects() if "invites you" not in subject]
    assert len(told) == (0 if unwanted else len(EVERYTHING)), told


def test_what_concerns_ones_security_is_mailed_whatever_one_chose(client: Client, as_ada: Actor, ben: User) -> None:
    eve = person("eve@example.com")
    User.objects.update(unwanted_mails=EVERYTHING)
    cache.clear()
    sign_in(client, eve.email)
    change_role(Membership.objects.get(user=ben), Role.VIEWER, by=as_ada)
    assert [message.to for message in mail.outbox] == [["eve@example.com"], ["ben@example.com"]]
