"""Every address of the pages, account and admin included, asked by everybody: who may, who may not, what it changes."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import resolve
from django.utils import timezone

from keys.models import ApiKey
from keys.services.api_secrets import IssuedApiSecret
from oauth.models import Client as OAuthClient
from portal.models import Membership, Organization, Session, User
from portal.permissions import Role
from tests.support.addresses import Address, addresses
from tests.support.apps import APPS
from tests.support.page import of_nothing, without_tokens
from tests.support.staff import in_admin, make_superuser

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
# Whoever adds a route says here whom it is for; admin is for staff, all of it.
EVERYBODY = {
    "landing", "robots", "change_password", "theme", "keys:docs",
    "team:invited", "team:invited_link", "team:invited_declining", "team:invited_switch",
    "account_login", "account_logout", "account_inactive", "account_signup", "account_email_verification_sent",
    "account_reset_password", "account_reset_password_done", "account_reset_password_from_key",
    "account_reset_password_from_key_done", "account_confirm_login_code", "mfa_authenticate",
    "account_signup_by_passkey", "mfa_login_webauthn", "mfa_signup_webauthn",
}  # fmt: skip
SIGNED_IN = {
    "organization_switch", "team:new_organization", "team:invited_acceptance",
    "account_reauthenticate", "account_email", "account_change_password",
    "account_set_password", "mfa_index", "mfa_reauthenticate", "mfa_activate_totp", "mfa_deactivate_totp",
    "mfa_generate_recovery_codes", "mfa_add_webauthn", "mfa_edit_webauthn", "mfa_remove_webauthn",
    "mfa_reauthenticate_webauthn", "account_end_other_sessions", "account_profile", "account_mails",
    "team:account_closure",
}  # fmt: skip
MEMBERS = {
    "keys:overview", "keys:welcome", "keys:list", "keys:activity", "keys:activity_export", "keys:detail",
    "keys:credential_activity", "keys:settings", "keys:first_use", "keys:overlap", "team:members", "team:settings",
    "team:service_accounts", "clients:list", "clients:overlap", "clients:detail",
    "clients:credential_activity", "clients:settings",
}  # fmt: skip
MAKERS = {"keys:new", "clients:new"}
KEEPERS = {  # developers for their own keys and clients and those of service accounts, admins for all
    "keys:edit", "keys:roll", "keys:revocation", "keys:pause", "keys:resume", "keys:end_secret",
    "keys:extend_secret", "clients:edit", "clients:roll", "clients:revocation", "clients:pause",
    "clients:resume", "clients:end_secret", "clients:extend_secret", "clients:token_revocation",
    "clients:tokens_revocation",
}  # fmt: skip
ADMINS = {
    "team:role", "team:invitations", "team:invite", "team:invitation_resending", "team:invitation_revocation",
    "team:policies", "team:new_service_account", "team:service_account_removal",
}  # fmt: skip
OWNERS = {"team:closing", "team:removal"}  # the removal is ada's, who is an owner
GROUPS: Mapping[str, set[str]] = {
    "everybody": EVERYBODY, "the signed in": SIGNED_IN, "members": MEMBERS, "makers": MAKERS,
    "keepers": KEEPERS, "admins": ADMINS, "owners": OWNERS,
}  # fmt: skip
FORM = {"reason": "other", "hours": "24", "confirmed": "yes", "name": "Changed", "theme": "dark", "step": "save"}


@pytest.fixture
def routes(key: ApiKey, api_secret: IssuedApiSecret, oauth_client: OAuthClient) -> list[Address]:
    return addresses(key, oauth_client)


@pytest.fixture
def strangers(initech: Organization, dov_client: Client) -> Client:
    return dov_client


def tables() -> dict[str, list[dict[str, Any]]]:
    """All rows of ours but the sessions, which every visit may touch."""
    labels = {*APPS, "auth", "account", "mfa", "admin"}
    models = [model for model in apps.get_models() if model._meta.app_label in labels and model is not Session]
    return {model._meta.label: list(model._default_manager.order_by("pk").values()) for model in models}


def test_each_route_is_for_somebody_and_leads_where_it_says(routes: list[Address]) -> None:
    named = [name for names in GROUPS.values() for name in names]
    assert sorted(named) == sorted(address.name for address in routes if not address.is_of_admin)
    for address in routes:
        assert resolve(address.path).route.translate({ord("^"): None, ord("$"): None}) == address.route[1:], address


def test_who_is_not_signed_in_gets_no_further_than_the_sign_in(routes: list[Address], client: Client) -> None:
    for address in routes:
        if address.name in EVERYBODY:
            continue
        for answer in (client.get(address.path, follow=True), client.post(address.path, FORM, follow=True)):
            assert answer.status_code == 405 or answer.request["PATH_INFO"] == "/accounts/login/", address


@pytest.mark.prove
def test_admin_is_for_staff_alone(routes: list[Address], ada_client: Client) -> None:
    before = tables()
    for address in routes:
        if not address.is_of_admin:
            continue
        for answer in (ada_client.get(address.path, follow=True), ada_client.post(address.path, FORM, follow=True)):
            assert answer.status_code == 403 or address.name == "admin:logout", address
    assert tables() == before


def test_a_stranger_is_told_the_same_of_ours_as_of_what_never_was(
    routes: list[Address], key: ApiKey, oauth_client: OAuthClient, strangers: Client
) -> None:
    before = tables()
    for address in routes:
        if not address.is_about_one:
            continue
        for ask in (strangers.get, strangers.post):
            for headers in ({}, HTMX):
                same = {"X-Request-Id": "the-same", **headers}
                ours = ask(address.path, FORM, headers=same)
                ids = (key.public_id, oauth_client.public_id)
                unknown = ask(of_nothing(address.path, *ids), FORM, headers=same)
                assert ours.status_code == unknown.status_code, address
                assert of_nothing(without_tokens(ours.text), *ids) == without_tokens(unknown.text), address
                assert ours.status_code in {404, 405}, address
    assert tables() == before


def test_a_stranger_sees_nothing_of_ours_anywhere(routes: list[Address], key: ApiKey, strangers: Client) -> None:
    ApiKey.objects.filter(pk=key.pk).update(name="Unmistakable")  # the docs have a billing worker, too
    OAuthClient.objects.update(name="Unmistakable")
    for address in routes:
        page = strangers.get(address.path, follow=True).getvalue().decode()
        for ours in (key.organization.public_id, "Unmistakable", "ada@example.com"):
            assert ours not in page, (address, ours)
        assert address.is_about_one or key.public_id not in page, address


def test_a_viewer_changes_nothing(routes: list[Address], cyn_client: Client) -> None:
    before = tables()
    for address in routes:
        answer = cyn_client.post(address.path, FORM)
        if address.name in MAKERS | KEEPERS | ADMINS | OWNERS | {"keys:welcome", "team:settings"}:
            assert answer.status_code == 403, address
        if address.name == "account_logout":
            break
    assert tables() == before


@pytest.mark.parametrize(
    ("who", "shut"),
    [
        ("owner", set()),
        ("admin", OWNERS),
        ("developer", OWNERS | ADMINS | KEEPERS),
        pytest.param("developer whose they are", OWNERS | ADMINS, marks=pytest.mark.prove),
        ("viewer", OWNERS | ADMINS | KEEPERS | MAKERS),
        pytest.param("viewer whose they are", OWNERS | ADMINS | KEEPERS | MAKERS, marks=pytest.mark.prove),
        ("removed", OWNERS | ADMINS | KEEPERS | MAKERS | MEMBERS),
        pytest.param("owner of a suspended organization", set(), marks=pytest.mark.prove),
        ("owner of a closed organization", OWNERS | ADMINS | KEEPERS | MAKERS | MEMBERS),
    ],
)
def test_each_page_opens_for_the_roles_it_is_for_and_for_no_other(
    who: str, shut: set[str], routes: list[Address], ada: User, signed_in: Callable[[User], Client]
) -> None:
    acme, user = ada.organizations.get(), ada
    if not who.startswith("owner"):
        user = User.objects.create_user("ida@example.com")
    if who.split(maxsplit=1)[0] in set(Role) - {Role.OWNER}:
        Membership.objects.create(organization=acme, user=user, role=who.split(maxsplit=1)[0])
    if "whose" in who:
        ApiKey.objects.update(owner=user)
        OAuthClient.objects.update(owner=user)
    acme.suspended_at = timezone.now() if "suspended" in who else None
    acme.closed_at = timezone.now() if "closed" in who else None
    acme.save()
    browser = signed_in(user)
    for address in routes:
        if address.name in OWNERS | ADMINS | KEEPERS | MAKERS | MEMBERS:
            answer = browser.get(address.path)
            if answer.status_code == 405:  # for forms alone
                answer = browser.post(address.path, {"hours": "24"})
            assert (answer.status_code == 403) == (address.name in shut), (address, answer.status_code)
            assert answer.status_code < 500, address
            answer.getvalue()  # an export that nobody reads holds its place


@pytest.mark.parametrize(
    "headers", [{**HTMX, "Origin": "https://evil.example"}, pytest.param({}, marks=pytest.mark.prove)]
)
def test_no_form_from_elsewhere_is_taken(
    routes: list[Address], ada: User, signed_in: Callable[[User], Client], headers: dict[str, str]
) -> None:
    eve = make_superuser()
    clients = [Client(), signed_in(ada), in_admin(eve)]
    before = tables()
    for client in clients:
        client.handler.enforce_csrf_checks = True
        for address in routes:
            assert client.post(address.path, FORM, headers=headers).status_code == 403, address
    assert tables() == before


@pytest.mark.prove
@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_changes_nothing(method: str, routes: list[Address], ada_client: Client) -> None:
    eve_client = in_admin(make_superuser())
    before = tables()
    for client in (ada_client, eve_client):
        for address in routes:
            answer = getattr(client, method)(address.path, FORM)
            assert answer.status_code < 500, address
            answer.getvalue()  # an export that nobody reads holds its place
    assert tables() == before
