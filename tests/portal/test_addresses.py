"""One mailbox, one spelling, one account."""

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from keys.team.forms import InviteForm
from portal.addresses import BadAddress, normal, spellings
from portal.models import Invitation, Organization, User
from portal.permissions import Role
from portal.services import invitations, people
from tests.support.visitors import CODE, OTHER_PASSWORD, code_in, is_signed_in, person, reset, sign_in, sign_up


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Eve@Example.COM", "eve@example.com"),
        ("eve@ex\u00e4mple.com", "eve@xn--exmple-cua.com"),
        ("eve@exa\u0308mple.com", "eve@xn--exmple-cua.com"),
        ("eve@XN--EXMPLE-CUA.com", "eve@xn--exmple-cua.com"),
        ("eve@\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45.com", "eve@example.com"),
        ("eve@example\u3002com", "eve@example.com"),
        ("eve@ex\u0430mple.com", "eve@xn--exmple-4nf.com"),  # a look-alike is another
    ],
)
def test_a_mailbox_has_one_spelling(typed: str, stored: str) -> None:
    assert normal(typed) == stored
    assert stored in spellings(typed)


@pytest.mark.parametrize("typed", ['"eve"@example.com', '"e\\ve"@example.com', f"eve@{'x' * 70}.com", "eve@.com"])
def test_what_spells_a_mailbox_in_many_ways_or_none_is_refused(typed: str) -> None:
    with pytest.raises(BadAddress):
        normal(typed)


@pytest.mark.django_db
def test_another_spelling_makes_no_second_account_and_opens_the_first(client: Client) -> None:
    sign_up(client, "ines@ex\u00e4mple.com")
    client.post(CODE, {"code": code_in(mail.outbox[0])})
    assert User.objects.get().email == "ines@xn--exmple-cua.com"
    for spelling in ("ines@xn--exmple-cua.com", "ines@EX\u00c4MPLE.com", "ines@\uff45x\u00e4mple.com"):
        sign_up(Client(), spelling, OTHER_PASSWORD)
        browser = Client()
        sign_in(browser, spelling)
        assert is_signed_in(browser), spelling
    assert User.objects.count() == 1
    sign_up(Client(), '"ines"@xn--exmple-cua.com', OTHER_PASSWORD)
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_an_account_from_before_keeps_its_spelling_and_gets_no_twin(client: Client) -> None:
    person("ines@ex\u00e4mple.com")
    sign_up(Client(), "ines@xn--exmple-cua.com", OTHER_PASSWORD)
    assert User.objects.get().email == "ines@ex\u00e4mple.com"
    for spelling in ("ines@ex\u00e4mple.com", "ines@xn--exmple-cua.com"):
        browser = Client()
        sign_in(browser, spelling)
        assert is_signed_in(browser), spelling
    mail.outbox.clear()
    reset(client, "ines@xn--exmple-cua.com", OTHER_PASSWORD)
    assert mail.outbox[0].to == ["ines@ex\u00e4mple.com"]


@pytest.mark.django_db
def test_an_address_is_not_changed_to_another_spelling_of_somebody_elses(client: Client, eve: User) -> None:
    person("ines@ex\u00e4mple.com")
    sign_in(client, eve.email)
    mail.outbox.clear()
    client.post("/accounts/email/", {"action_add": "", "email": "ines@xn--exmple-cua.com"})
    client.post(CODE, {"code": code_in(mail.outbox[0])})
    assert not EmailAddress.objects.filter(user=eve).exclude(email=eve.email).exists()


@pytest.mark.django_db
def test_an_invitation_is_for_the_mailbox_however_it_is_spelled(acme: Organization, ada: User) -> None:
    form = InviteForm({"emails": "ines@ex\u00e4mple.com ines@xn--exmple-cua.com", "role": "viewer"}, granter=Role.OWNER)
    assert form.is_valid()
    assert form.cleaned_data["emails"] == ["ines@xn--exmple-cua.com"]
    invited = Invitation(organization=acme, email="ines@xn--exmple-cua.com", role=Role.VIEWER)
    assert invitations.is_for(invited, person("ines@ex\u00e4mple.com"))
    assert people.known_spelling("ines@xn--exmple-cua.com") == "ines@ex\u00e4mple.com"
    assert not InviteForm({"emails": '"ines"@example.com', "role": "viewer"}, granter=Role.OWNER).is_valid()
