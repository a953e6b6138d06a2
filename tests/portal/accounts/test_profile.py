"""The profile: what a person is called, in which zone they read times, and how close the rows of lists are."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.http import QueryDict
from django.test import Client
from django.utils.html import strip_tags

from keys import expiry_mails, sweeps
from keys.models import ApiKey
from keys.pages.forms.filters import ActivityFilterForm
from portal import activity
from portal.audit import Actor
from portal.models import AuditEvent, Membership, User
from portal.permissions import Role
from portal.policies import Policies
from portal.preferences import Density
from portal.refusals import Invalid
from portal.services import people
from portal.services.invitations import invite
from portal.services.policies import change_policies
from tests.support.page import filled_in, the
from tests.support.visitors import person, sign_in

pytestmark = pytest.mark.django_db
PROFILE = "/accounts/profile/"
CHOICE = {"name": "Ada Lovelace", "time_zone": "Europe/Berlin", "density": "compact"}


def test_one_chooses_on_a_page_and_each_change_is_written_down_once(ada: User, ada_client: Client) -> None:
    for _ in range(2):
        assert "Your profile is saved." in ada_client.post(PROFILE, CHOICE, follow=True).text
    page = ada_client.get(PROFILE).text
    assert the("#id_name", page).attributes["value"] == "Ada Lovelace"
    assert the("option[selected]", page).attributes["value"] == "Europe/Berlin"
    assert the("[name=density][checked]", page).attributes["value"] == "compact"
    assert (the("html", page).attributes["data-zone"], the("html", page).attributes["data-density"]) == (
        "Europe/Berlin", "compact",
    )  # fmt: skip
    renamed = AuditEvent.objects.get(action="user.renamed")
    assert (renamed.before, renamed.after) == ({"name": "Ada"}, {"name": "Ada Lovelace"})
    chosen = AuditEvent.objects.get(action="user.preferences_chosen")
    assert chosen.before == {"time_zone": "", "density": "comfortable"}


@pytest.mark.parametrize(
    "wrong",
    [{"name": "Ada\u202e"}, {"name": "\u3164"}, {"name": "x" * 101}, {"time_zone": "Atlantis"}, {"density": "dense"}],
)
def test_a_wrong_choice_changes_nothing(wrong: dict[str, str], ada: User, ada_client: Client) -> None:
    assert ada_client.post(PROFILE, CHOICE | wrong).status_code == 422
    ada.refresh_from_db()
    assert (ada.name, ada.time_zone, ada.density) == ("Ada", "", "comfortable")


def test_no_service_takes_a_zone_that_is_not_offered(ada: User, as_ada: Actor) -> None:
    with pytest.raises(Invalid):
        people.choose_preferences(ada, time_zone="Etc/GMT+5", density=Density.COMPACT, by=as_ada)


def test_a_name_stands_wherever_the_address_stood(key: ApiKey, ada: User, ada_client: Client) -> None:
    ada_client.post(PROFILE, CHOICE)
    assert "Ada Lovelace" in the("tbody .cell-main", ada_client.get("/app/keys/").text).text()
    assert the(".event b", ada_client.get("/app/activity/").text).text() == "Ada Lovelace"
    assert "Ada Lovelace" in the(".sidebar__foot summary", ada_client.get("/app/").text).text()
    filters = ActivityFilterForm(QueryDict(), events=activity.visible_events(key.organization))
    assert (ada.public_id, "Ada Lovelace (ada@example.com)") in filters.fields["actor"].choices  # type: ignore[attr-defined]
    ada_client.post(PROFILE, CHOICE | {"name": " "})
    assert "ada@example.com" in the("tbody .cell-main", ada_client.get("/app/keys/").text).text()


@pytest.mark.parametrize("name", ["ben@example.com", "System", "the OPERATOR", " sys\u200btem "])
def test_nobody_calls_themselves_by_an_address_or_like_the_service(ada: User, as_ada: Actor, name: str) -> None:
    with pytest.raises(Invalid):
        people.rename_person(ada, name, by=as_ada)


def test_the_name_of_who_left_is_not_told(key: ApiKey, ada: User, ben_client: Client) -> None:
    Membership.objects.filter(user=ada).delete()
    User.objects.filter(pk=ada.pk).update(name="Somebody Else")
    assert the(".event b", ben_client.get("/app/activity/").text).text() == "ada@example.com"


def test_where_people_must_be_told_apart_the_address_stands_beside_the_name(
    key: ApiKey, ada_client: Client, as_ada: Actor, ben: User
) -> None:
    row = the("tbody .person__text", ada_client.get("/app/team/").text).text()
    assert "Ada" in row
    assert "ada@example.com" in row
    invite(key.organization, ["new@example.com"], Role.VIEWER, by=as_ada)
    Membership.objects.filter(user=ben).update(role=Role.ADMIN)
    change_policies(key.organization, Policies(key_expiry_required=True), by=as_ada)
    assert [message.subject for message in mail.outbox] == [
        "Ada (ada@example.com) invites you to Acme",
        "Ada (ada@example.com) changed the policies of Acme",
    ]


def test_a_chosen_zone_is_that_of_pages_and_of_what_one_types(key: ApiKey, ada: User, ada_client: Client) -> None:
    ends = datetime(2030, 5, 6, 22, 30, tzinfo=UTC)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=ends)
    settings_page, edit_page = (f"/app/keys/{key.public_id}/{path}/" for path in ("settings", "edit"))
    assert "Mon 6 May 2030, 22:30 UTC" in strip_tags(ada_client.get(settings_page).text)
    assert "Expires on (UTC)" in ada_client.get(edit_page).text
    User.objects.filter(pk=ada.pk).update(time_zone="Europe/Berlin")
    assert "Tue 7 May 2030, 00:30 (Mon 22:30 UTC)" in strip_tags(ada_client.get(settings_page).text)
    form = ada_client.get(edit_page)
    assert "Expires on (Europe/Berlin)" in form.text
    typed = {"lifetime": "date", "expires_on": "2030-05-07T01:00", "step": "review"}
    review = strip_tags(ada_client.post(edit_page, filled_in(form.text) | typed).text)
    assert "Tue 7 May 2030, 01:00 (Mon 23:00 UTC)" in review


def test_mails_tell_times_in_the_zone_of_whoever_reads_them(
    key: ApiKey, ada: User, as_ada: Actor, now: datetime, client: Client
) -> None:
    User.objects.filter(pk=ada.pk).update(time_zone="Asia/Kathmandu")
    ApiKey.objects.update(expires_at=now + timedelta(hours=3), created_at=now - timedelta(days=9))
    sweeps.write_notices(now=now)
    expiry_mails.send_due(now=now)
    invite(key.organization, ["new@example.com"], Role.VIEWER, by=as_ada)
    person("eve@example.com")
    User.objects.filter(email="eve@example.com").update(time_zone="Asia/Kathmandu")
    sign_in(client, "eve@example.com")
    expires, invited, signed_in = (str(message.body) for message in mail.outbox)
    assert " UTC)" in expires
    assert " UTC)" in signed_in
    assert " UTC)" not in invited
    assert " UTC," in invited or " UTC." in invited
