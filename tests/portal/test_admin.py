"""Who gets into admin, what they see there, and that what they do goes through services."""

from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import decrypt
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, reverse

from keys.models import Api, ApiKey, ApiSecret, KeySecret
from keys.services.api_secrets import IssuedApiSecret
from keys.services.keys import IssuedKey
from oauth.models import Client as OAuthClient
from oauth.models import ClientSecret, SigningKey
from oauth.services.clients import IssuedClient
from portal.audit_actions import AuditAction
from portal.models import AuditEvent, Organization, User
from tests.support.apps import APPS
from tests.support.page import filled_in
from tests.support.staff import in_admin, make_staff, make_superuser
from tests.support.totp import code_of

pytestmark = pytest.mark.django_db

CONFIRMED = {"confirmed": "yes"}
IN_ADMIN = (*APPS, "auth")
SHUT = {
    "/admin/portal/user/add/",
    "/admin/portal/organization/add/",
    "/admin/portal/auditevent/add/",
    "/admin/keys/apisecret/add/",
    "/admin/keys/apikey/add/",
    "/admin/oauth/client/add/",
    "/admin/oauth/signingkey/add/",
}


@pytest.fixture
def eve() -> User:
    return make_superuser()


@pytest.fixture
def eve_client(eve: User) -> Client:
    return in_admin(eve)


@pytest.fixture
def group() -> Group:
    return Group.objects.create(name="Support")


@pytest.fixture
def urls(
    ada: User, issued: IssuedKey, issued_client: IssuedClient, api_secret: IssuedApiSecret, group: Group
) -> list[str]:
    """Every address of admin, with an object behind each that needs one."""
    objects: dict[type[Model], Any] = {
        User: ada,
        Group: group,
        Organization: issued.credential.organization,
        Api: issued.credential.api,
        ApiKey: issued.credential,
        ApiSecret: api_secret.secret,
        OAuthClient: issued_client.credential,
        SigningKey: SigningKey.objects.first(),
        AuditEvent: AuditEvent.objects.first(),
    }
    return list(_addresses(objects))


def _addresses(objects: dict[type[Model], Any]) -> Iterator[str]:
    assert set(admin.site._registry) == set(objects), "the walk needs an object of each model"
    yield reverse("admin:index")
    yield reverse("admin:search")
    for app in IN_ADMIN:
        yield reverse("admin:app_list", args=[app])
    for model, model_admin in admin.site._registry.items():
        for pattern in model_admin.urls:
            assert isinstance(pattern, URLPattern)
            if pattern.name is None:
                continue  # Django's redirect from addresses of long ago
            takes_object = bool(pattern.pattern.converters)
            yield reverse(f"admin:{pattern.name}", args=[objects[model].pk] if takes_object else [])


def test_admin_shows_these_models_and_no_other() -> None:
    labels = {model._meta.label for model in admin.site._registry}
    assert labels == {
        "auth.Group",
        "portal.User",
        "portal.Organization",
        "portal.AuditEvent",
        "keys.Api",
        "keys.ApiSecret",
        "keys.ApiKey",
        "oauth.Client",
        "oauth.SigningKey",
    }


def test_nobody_gets_in_without_signing_in(urls: list[str], client: Client) -> None:
    for url in urls:
        response = client.get(url)
        assert response.status_code == 302, url
        sign_in = client.get(response["Location"])
        assert sign_in["Location"].startswith(f"{reverse('account_login')}?next=%2Fadmin%2F"), url


def test_members_who_are_no_staff_are_refused(urls: list[str], ada_client: Client) -> None:
    for url in urls:
        assert ada_client.get(url, follow=True).status_code == 403, url
        assert ada_client.post(url, CONFIRMED, follow=True).status_code == 403, url


def test_staff_without_a_second_factor_are_sent_to_set_it_up(urls: list[str], eve: User) -> None:
    Authenticator.objects.all().delete()
    client = in_admin(eve)
    for url in urls:
        step = client.get(client.get(url)["Location"])
        assert step["Location"].startswith(f"{reverse('mfa_activate_totp')}?next=%2Fadmin%2F"), url


def test_a_session_that_has_not_shown_the_second_factor_is_asked_for_it(eve: User, client: Client) -> None:
    client.force_login(eve)
    step = client.get(client.get(reverse("admin:index"))["Location"])
    assert step["Location"].startswith(reverse("mfa_reauthenticate"))


def test_password_and_code_lead_to_the_page_that_was_asked_for(eve: User, client: Client) -> None:
    eve.set_password("correct horse battery staple")
    eve.save()
    asked = client.get(client.get("/admin/keys/api/")["Location"])["Location"]
    second = client.post(asked, {"login": eve.email, "password": "correct horse battery staple"})
    assert second["Location"] == reverse("mfa_authenticate")
    totp = Authenticator.objects.get(user=eve).wrap()
    secret = decrypt(totp.instance.data["secret"])
    code = code_of(secret)
    entered = client.post(second["Location"], {"code": code})
    assert entered["Location"] == "/admin/keys/api/"
    assert client.get("/admin/keys/api/").status_code == 200


def test_staff_without_permission_see_the_index_and_nothing_else(urls: list[str]) -> None:
    client = in_admin(make_staff())
    index, *others = urls
    assert client.get(index).status_code == 200
    for url in others:
        expected = 404 if url in {reverse("admin:app_list", args=[app]) for app in IN_ADMIN} else 403
        assert client.get(url).status_code == expected, url
        if expected == 403:
            assert client.post(url, CONFIRMED).status_code == 403, url


def test_whoever_may_only_look_changes_nothing(urls: list[str]) -> None:
    models = [model._meta for model in admin.site._registry]
    client = in_admin(make_staff(*(f"{meta.app_label}.view_{meta.model_name}" for meta in models)))
    before = AuditEvent.objects.count()
    for url in urls:
        client.post(url, {**CONFIRMED, "action": "revocation", "_selected_action": "1"})
    assert AuditEvent.objects.count() == before


def test_a_superuser_sees_every_page_and_no_digest(urls: list[str], eve_client: Client) -> None:
    secrets = [*KeySecret.objects.all(), *ApiSecret.objects.all(), *ClientSecret.objects.all()]
    digests = [bytes(secret.digest) for secret in secrets]
    for url in urls:
        response = eve_client.get(url, follow=True)
        if url in SHUT or url.endswith("/delete/"):
            assert response.status_code == 403, url
            continue
        assert response.status_code == 200, url
        page = response.content.decode()
        assert "pepper" not in page.lower(), url
        assert not any(key.private_key in page for key in SigningKey.objects.all()), url
        assert not any(digest.hex() in page or str(digest) in page for digest in digests), url
        if ">Save</button>" in page:
            assert eve_client.post(url).status_code != 403, url


def test_nothing_can_be_deleted_not_even_by_a_superuser(urls: list[str], eve_client: Client) -> None:
    for url in urls:
        if url.endswith("/delete/"):
            assert eve_client.post(url, {"post": "yes"}).status_code == 403, url
    for model in admin.site._registry:
        page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert "delete" not in eve_client.get(page).content.decode(), page


@pytest.mark.parametrize(
    "url",
    [
        "/admin/portal/user/?password__startswith=argon2",
        "/admin/portal/user/?memberships__organization__name=Acme",
        "/admin/keys/apisecret/?digest__startswith=a",
        "/admin/keys/apisecret/?pepper_version=1",
        "/admin/keys/apikey/?secrets__digest__gt=a",
        "/admin/keys/apikey/?api__secrets__digest__gt=a",
        "/admin/keys/apikey/?environment__regex=%5B",
        "/admin/portal/auditevent/?at__year=99999999999999999999",
    ],
)
def test_no_column_can_be_guessed_at_through_a_filter(url: str, eve_client: Client) -> None:
    assert eve_client.get(url).status_code == 400


@pytest.mark.parametrize("ticked", ["x", "\0", "²", "9" * 20])
def test_a_row_that_is_none_is_refused(ticked: str, eve_client: Client) -> None:
    sent = {"action": "suspension", "_selected_action": ticked}
    assert eve_client.post("/admin/portal/organization/", sent).status_code == 400


@pytest.mark.parametrize(
    "url",
    [
        "/admin/portal/auditevent/?at__year=2026&at__month=11&at__day=22",
        "/admin/keys/apikey/?environment__exact=live&api__id__exact=1&status=Active",
        "/admin/portal/user/?is_staff__exact=1&date_joined__gte=2026-01-01+00%3A00%3A00%2B00%3A00",
    ],
)
def test_what_the_filters_links_ask_is_answered(url: str, eve_client: Client) -> None:
    assert eve_client.get(url).status_code == 200


def test_pages_keep_the_strict_content_policy(urls: list[str], eve_client: Client) -> None:
    for url in urls:
        response = eve_client.get(url)
        if response.status_code == 200:
            page = response.content.decode()
            assert "<style" not in page, url
            assert " style=" not in page, url
            assert " onclick=" not in page, url
            assert "'unsafe-" not in response["Content-Security-Policy"], url


def test_suspending_asks_first_with_the_facts(acme: Organization, key: ApiKey, eve_client: Client) -> None:
    page = eve_client.get(f"/admin/portal/organization/{acme.pk}/suspension/").content.decode()
    assert "keys and tokens are refused at once (ORGANIZATION_SUSPENDED)" in page
    assert acme.public_id in page
    assert Organization.objects.get(pk=acme.pk).suspended_at is None


def test_suspending_and_resuming_go_through_the_service(acme: Organization, eve: User, eve_client: Client) -> None:
    sent = CONFIRMED | {"reason": "Unpaid since May"}
    eve_client.post(f"/admin/portal/organization/{acme.pk}/suspension/", sent, headers={"X-Request-Id": "req-7"})
    acme.refresh_from_db()
    assert acme.suspended_at is not None
    eve_client.post(f"/admin/portal/organization/{acme.pk}/resumption/", CONFIRMED)
    acme.refresh_from_db()
    assert acme.suspended_at is None
    event = AuditEvent.objects.get(action=AuditAction.ORGANIZATION_SUSPENDED)
    assert (event.actor_kind, event.actor_id, event.address) == ("staff", eve.public_id, "127.0.0.1")
    assert event.request_id == "req-7"


def test_a_suspension_asks_for_its_reason_which_only_staff_can_read(
    acme: Organization, key: ApiKey, eve_client: Client, ada_client: Client
) -> None:
    where = f"/admin/portal/organization/{acme.pk}"
    unstated = eve_client.post(f"{where}/suspension/", CONFIRMED)
    assert unstated.status_code == 422
    assert "<li>Enter the reason.</li>" in unstated.text
    assert Organization.objects.get(pk=acme.pk).suspended_at is None
    eve_client.post(f"{where}/suspension/", CONFIRMED | {"reason": "Unpaid since May"})
    event = AuditEvent.objects.get(action=AuditAction.ORGANIZATION_SUSPENDED)
    assert event.after == {"internal_reason": "Unpaid since May"}
    for page in (f"{where}/change/", f"/admin/portal/auditevent/{event.pk}/change/"):
        assert "Unpaid since May" in eve_client.get(page).text
    assert "This organization is suspended" in ada_client.get("/app/").text
    for page in ("/app/", "/app/activity/", "/app/activity/activity.csv", "/app/activity/activity.json"):
        answer = ada_client.get(page)
        assert answer.status_code == 200
        assert "Unpaid" not in answer.getvalue().decode()


def test_an_organizations_page_shows_its_figures_keys_and_clients(
    key: ApiKey, issued_client: IssuedClient, acme: Organization, initech: Organization, eve_client: Client
) -> None:
    page = eve_client.get(f"/admin/portal/organization/{acme.pk}/change/").text
    for label in ("Active keys", "Active clients"):
        assert f"<dt>{label}</dt><dd>1</dd>" in page
    assert "Validations of keys, 24 h" in page
    for kind, credential in (("keys/apikey", key), ("oauth/client", issued_client.credential)):
        assert f"/admin/{kind}/{credential.pk}/change/" in page
        assert credential.name in page
    other = eve_client.get(f"/admin/portal/organization/{initech.pk}/change/").text
    assert key.name not in other
    assert "No API keys yet." in other


def test_staff_edit_the_external_id_and_metadata_of_an_organization(
    acme: Organization, initech: Organization, eve_client: Client
) -> None:
    where = f"/admin/portal/organization/{acme.pk}/notes/"
    told = {"external_id": "crm-42", "metadata-name": "plan", "metadata-value": "gold"}
    eve_client.post(where, CONFIRMED | told)
    assert "crm-42" in (page := eve_client.get(where).text)
    assert filled_in(page)["metadata-value"][0] == "gold"
    assert "crm-42" in eve_client.get(f"/admin/portal/organization/{acme.pk}/change/").text
    assert acme.name in eve_client.get("/admin/portal/organization/", {"q": "crm-42"}).text
    assert eve_client.post(where, CONFIRMED | {"metadata-json": "gold"}).status_code == 422
    refused = eve_client.post(f"/admin/portal/organization/{initech.pk}/notes/", CONFIRMED | told, follow=True)
    assert "Another organization has this external id." in refused.text
    assert list(Organization.objects.exclude(external_id=None).values_list("name", "operator_metadata")) == [
        ("Acme", {"plan": "gold"})
    ]


def test_many_are_suspended_at_once_after_one_question(
    acme: Organization, initech: Organization, eve_client: Client
) -> None:
    chosen = {"action": "suspension", "_selected_action": [acme.pk, initech.pk]}
    asked = eve_client.post("/admin/portal/organization/", chosen)
    assert "Suspend 2 organizations" in asked.content.decode()
    assert not Organization.objects.exclude(suspended_at=None).exists()
    eve_client.post("/admin/portal/organization/", {**chosen, **CONFIRMED, "reason": "Unpaid"})
    assert set(Organization.objects.exclude(suspended_at=None)) == {acme, initech}


def test_deactivating_shuts_out_at_once(ada: User, ada_client: Client, eve_client: Client) -> None:
    eve_client.post(f"/admin/portal/user/{ada.pk}/deactivation/", CONFIRMED)
    assert ada_client.get("/admin/").status_code == 302
    eve_client.post(f"/admin/portal/user/{ada.pk}/reactivation/", CONFIRMED)
    assert User.objects.get(pk=ada.pk).is_active
    assert "_auth_user_id" not in ada_client.session  # the old session stays over
    actions = AuditEvent.objects.filter(subject_id=ada.public_id).values_list("action", flat=True)
    assert set(actions) == {AuditAction.USER_DEACTIVATED, AuditAction.USER_REACTIVATED}


def test_nobody_deactivates_themselves(eve: User, eve_client: Client) -> None:
    page = eve_client.post(f"/admin/portal/user/{eve.pk}/deactivation/", CONFIRMED, follow=True)
    assert "This is your own account" in page.content.decode()
    assert User.objects.get(pk=eve.pk).is_active


def test_staff_cannot_act_on_a_superuser(eve: User) -> None:
    client = in_admin(make_staff("portal.view_user", "portal.change_user"))
    for action in ("deactivation", "password-reset"):
        page = client.post(f"/admin/portal/user/{eve.pk}/{action}/", CONFIRMED, follow=True)
        assert "Only a superuser can do this to staff." in page.content.decode()
    assert User.objects.get(pk=eve.pk).is_active
    assert not mail.outbox


def test_staff_can_have_a_reset_link_sent_and_see_neither_link_nor_password(ada: User, eve_client: Client) -> None:
    page = eve_client.post(f"/admin/portal/user/{ada.pk}/password-reset/", CONFIRMED, follow=True)
    assert [message.to for message in mail.outbox] == [[ada.email]]
    assert "/password/reset/key/" not in page.content.decode()
    assert AuditEvent.objects.filter(action=AuditAction.USER_PASSWORD_RESET_SENT, subject_id=ada.public_id).exists()


def test_a_superuser_says_who_is_staff_and_it_is_written_down(ada: User, group: Group, eve_client: Client) -> None:
    eve_client.post(f"/admin/portal/user/{ada.pk}/change/", {"is_staff": "on", "groups": [group.pk], "email": "x@y.z"})
    ada.refresh_from_db()
    assert ada.is_staff
    assert ada.email == "ada@example.com"  # no other field is taken
    event = AuditEvent.objects.get(action=AuditAction.USER_ACCESS_CHANGED)
    assert event.before == {"is_staff": False, "groups": []}
    assert event.after == {"is_staff": True, "groups": ["Support"]}


@pytest.mark.parametrize("field", ["is_superuser", "password", "user_permissions", "is_active"])
def test_the_form_of_a_user_takes_no_other_field(field: str, ada: User, eve_client: Client) -> None:
    before = getattr(ada, field) if field != "user_permissions" else None
    eve_client.post(f"/admin/portal/user/{ada.pk}/change/", {field: "1"})
    ada.refresh_from_db()
    if field == "user_permissions":
        assert not ada.user_permissions.exists()
    else:
        assert getattr(ada, field) == before


def test_staff_who_are_no_superusers_change_neither_users_nor_groups(ada: User, group: Group) -> None:
    client = in_admin(
        make_staff("portal.view_user", "portal.change_user", "auth.view_group", "auth.change_group", "auth.add_group")
    )
    assert client.post(f"/admin/portal/user/{ada.pk}/change/", {"is_staff": "on"}).status_code == 403
    assert client.post(f"/admin/auth/group/{group.pk}/change/", {"name": "x"}).status_code == 403
    assert client.get("/admin/auth/group/add/").status_code == 403


def test_a_group_is_offered_only_permissions_that_some_page_asks_for(group: Group, eve_client: Client) -> None:
    page = eve_client.get(f"/admin/auth/group/{group.pk}/change/").content.decode()
    for words in ("API keys: view", "APIs: edit, disable, enable", "API secrets: issue a secret"):
        assert words in page
    assert "delete" not in page
    unasked = Permission.objects.get(codename="delete_session")
    eve_client.post(f"/admin/auth/group/{group.pk}/change/", {"name": "Support", "permissions": [unasked.pk]})
    assert not group.permissions.exists()


def test_what_a_group_may_do_is_written_down(group: Group, eve_client: Client) -> None:
    wanted = Permission.objects.get(codename="change_apikey")
    eve_client.post(f"/admin/auth/group/{group.pk}/change/", {"name": "Support", "permissions": [wanted.pk]})
    event = AuditEvent.objects.get(action=AuditAction.GROUP_CHANGED)
    assert (event.subject_label, event.after) == ("Support", {"permissions": ["change_apikey"]})


def test_history_is_the_audit(acme: Organization, key: ApiKey, eve_client: Client) -> None:
    page = eve_client.get(f"/admin/keys/apikey/{key.pk}/history/", follow=True).content.decode()
    assert "key.issued" in page
    assert key.public_id in page


def test_an_audit_event_shows_what_it_replaced(acme: Organization, api: Api, eve_client: Client) -> None:
    event = AuditEvent.objects.get(action=AuditAction.API_CREATED)
    page = eve_client.get(f"/admin/portal/auditevent/{event.pk}/change/").content.decode()
    assert "https://orders.example.com" in page
    assert eve_client.post(f"/admin/portal/auditevent/{event.pk}/change/", {"action": "x"}).status_code == 403


def test_a_name_with_markup_is_shown_as_text(acme: Organization, eve_client: Client) -> None:
    Organization.objects.filter(pk=acme.pk).update(name="<img src=x onerror=alert(1)>{{7*7}}")
    for url in ("", f"{acme.pk}/change/", f"{acme.pk}/suspension/"):
        page = eve_client.get(f"/admin/portal/organization/{url}").content.decode()
        assert "<img src=x" not in page
        assert "&lt;img src=x" in page


def test_djangos_own_log_holds_no_secret(issued: IssuedKey, api_secret: IssuedApiSecret, eve_client: Client) -> None:
    eve_client.post(f"/admin/keys/apikey/{issued.credential.pk}/revocation/", {**CONFIRMED, "reason": "leaked"})
    logged = " ".join(f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all())
    assert issued.secret_text not in logged
    assert api_secret.secret_text not in logged
