"""Every route about keys, asked by everybody."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from keys import urls
from keys.models import ApiKey
from keys.services.keys import IssuedKey
from portal.models import AuditEvent, Membership, Organization, User
from tests.support.page import of_nothing, without_tokens

pytestmark = pytest.mark.django_db
LOOKS = ("overview", "welcome", "list", "activity")
FILES = ("activity_export",)
LOOKS_AT_ONE = ("detail", "credential_activity", "settings")
CHANGES = ("new",)
CHANGES_ONE = ("edit", "roll", "revocation")
POSTS_ONE = ("pause", "resume")
POSTS_SECRET = ("end_secret", "extend_secret")
POLLS = ("first_use", "overlap")
PUBLIC = ("docs",)


def address(name: str, key: ApiKey) -> str:
    if name in LOOKS + CHANGES + PUBLIC:
        return reverse(f"keys:{name}")
    secret = [key.secrets.get().public_id] if name in POSTS_SECRET else []
    return reverse(f"keys:{name}", args=[key.public_id, *secret])


def test_this_module_knows_every_route() -> None:
    names = {pattern.name for pattern in [*urls.urlpatterns, *urls.keys] if isinstance(pattern, URLPattern)}
    assert names == {*LOOKS, *LOOKS_AT_ONE, *CHANGES, *CHANGES_ONE, *POSTS_ONE, *POSTS_SECRET, *POLLS, *PUBLIC, *FILES}


@pytest.mark.parametrize("name", LOOKS + LOOKS_AT_ONE)
def test_every_member_may_look(
    key: ApiKey, ada_client: Client, ben_client: Client, cyn_client: Client, name: str
) -> None:
    for client in (ada_client, ben_client, cyn_client):
        assert client.get(address(name, key)).status_code == 200


@pytest.mark.parametrize("name", CHANGES + CHANGES_ONE)
def test_owners_and_developers_may_change_and_viewers_are_told_who_can(
    key: ApiKey, ben: User, ben_client: Client, cyn_client: Client, name: str
) -> None:
    where = address(name, key)
    ApiKey.objects.update(owner=ben)
    assert ben_client.get(where).status_code == 200
    for refused in (cyn_client.get(where), cyn_client.post(where, {"reason": "other"})):
        assert refused.status_code == 403
        assert "Ada" in refused.text
        assert "developer" in refused.text


@pytest.mark.parametrize("name", CHANGES_ONE + POSTS_ONE + POSTS_SECRET)
def test_a_developer_is_told_who_may_change_somebody_elses_key(key: ApiKey, ben_client: Client, name: str) -> None:
    refused = ben_client.post(address(name, key), {"hours": "24", "reason": "other"})
    assert refused.status_code == 403
    for words in ("In Acme you need to be an owner or admin.", "Ada"):
        assert words in refused.text


def test_a_refusal_names_three_people_and_counts_the_others(
    key: ApiKey, acme: Organization, cyn_client: Client
) -> None:
    admins = User.objects.bulk_create([User(email=f"admin{n}@example.com") for n in range(4)])
    Membership.objects.bulk_create([Membership(organization=acme, user=admin, role="admin") for admin in admins])
    page = cyn_client.get(address("edit", key)).text
    assert "admin1@example.com and 2 others." in page
    assert "admin2@example.com" not in page


@pytest.mark.parametrize("name", POSTS_ONE + POSTS_SECRET)
def test_a_viewer_may_not_post_a_change(key: ApiKey, cyn_client: Client, name: str) -> None:
    before = AuditEvent.objects.count()
    assert cyn_client.post(address(name, key), {"hours": "24"}).status_code == 403
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize("name", POSTS_ONE + POSTS_SECRET)
def test_a_change_is_never_made_by_get(key: ApiKey, ada_client: Client, name: str) -> None:
    assert ada_client.get(address(name, key)).status_code == 405


@pytest.mark.parametrize("name", LOOKS_AT_ONE + CHANGES_ONE + POSTS_ONE + POSTS_SECRET + POLLS)
def test_a_stranger_is_told_nothing_that_an_unknown_key_would_not_tell(
    key: ApiKey, dov_client: Client, name: str
) -> None:
    where = address(name, key)
    ask = dov_client.post if name in POSTS_ONE + POSTS_SECRET else dov_client.get
    headers = {"X-Request-Id": "the-same"}
    foreign = ask(where, headers=headers)
    unknown = ask(of_nothing(where, key.public_id), headers=headers)
    assert foreign.status_code == unknown.status_code == 404
    assert of_nothing(without_tokens(foreign.text), key.public_id) == without_tokens(unknown.text)
    assert key.name not in foreign.text


@pytest.mark.parametrize("name", LOOKS + LOOKS_AT_ONE + CHANGES + CHANGES_ONE + POLLS)
def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(key: ApiKey, client: Client, name: str) -> None:
    where = address(name, key)
    answer = client.get(where)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/?next=")


@pytest.mark.parametrize("name", POSTS_ONE + POSTS_SECRET + CHANGES + CHANGES_ONE)
def test_a_form_from_elsewhere_changes_nothing(
    key: ApiKey, ada: User, signed_in: Callable[[User], Client], name: str
) -> None:
    client = signed_in(ada)
    client.handler.enforce_csrf_checks = True
    before = AuditEvent.objects.count()
    assert client.post(address(name, key), {"reason": "other", "hours": "24"}).status_code == 403
    assert AuditEvent.objects.count() == before


def test_the_docs_are_for_everybody(client: Client, ada_client: Client) -> None:
    assert client.get(reverse("keys:docs")).status_code == ada_client.get(reverse("keys:docs")).status_code == 200


@pytest.mark.parametrize("text", ["key_x", "x" * 26, "key_" + "é" * 22, "%00", "key_%2e%2e"])
def test_an_id_that_is_none_is_unknown(ada_client: Client, text: str) -> None:
    assert ada_client.get(f"/app/keys/{text}/").status_code == 404


def test_another_keys_secret_is_unknown(
    key: ApiKey, ada_client: Client, initech: Organization, issued: IssuedKey
) -> None:
    where = reverse("keys:end_secret", args=[key.public_id, f"sec_{'0' * 22}"])
    assert ada_client.post(where).status_code == 404


def test_who_may_not_change_a_key_is_shown_no_control_that_would(
    used_key: ApiKey, ben_client: Client, cyn_client: Client
) -> None:
    for name in ("detail", "settings", "list", "overview"):
        for client in (ben_client, cyn_client):
            page = client.get(address(name, used_key)).text
            for control in ("/roll/", "/edit/", "/revocation/", "/pause/", "/extension/", "data-menu-without"):
                assert control not in page, (name, control)
            assert ("/keys/new/" in page) <= (client is ben_client)


def test_a_suspended_organization_says_so_on_every_page(key: ApiKey, acme: Organization, ada_client: Client) -> None:
    Organization.objects.filter(pk=acme.pk).update(suspended_at=key.created_at)
    for name in LOOKS + LOOKS_AT_ONE:
        assert "This organization is suspended" in ada_client.get(address(name, key)).text
