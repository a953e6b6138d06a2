"""What shows a secret or widens access asks again who it is, once that was shown 15 minutes ago; then it goes on."""

import ast
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.test import Client
from django.utils import timezone

from keys.models import Api, ApiKey, ApiSecret
from keys.services.api_secrets import IssuedApiSecret, disable_api_secret
from keys.services.credentials import disable_credential
from keys.services.keys import IssuedKey
from keys.services.secrets import roll_credential
from oauth.models import Client as OAuthClient
from portal.audit import COMMAND, Actor
from portal.env import BASE_DIR
from portal.models import Invitation, Membership, Organization, User
from portal.permissions import Role
from portal.policies import Policies
from portal.reauthentication import HELD
from portal.services.policies import change_policies
from tests.support.apps import APPS
from tests.support.browsers import signed_in_by
from tests.support.staff import make_superuser
from tests.support.visitors import PASSWORD

pytestmark = pytest.mark.django_db
HOUR_AGO_S = 3600
AGAIN, CODE_AGAIN = "/accounts/reauthenticate/", "/accounts/2fa/reauthenticate/"
SUBMISSION = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def long_ago(ada: User) -> Client:
    """ada's browser, an hour after she signed in."""
    ada.set_password(PASSWORD)
    ada.save()
    return signed_in_by(ada, at=time.time() - HOUR_AGO_S)


def is_asked(browser: Client, path: str, form: Mapping[str, object]) -> bool:
    """Whether the answer to the form is the question who it is."""
    assert browser.get(path).status_code in {200, 405}  # looking is free
    answer = browser.post(path, dict(form))
    return answer.status_code == 302 and answer["Location"].startswith((AGAIN, CODE_AGAIN))


def test_a_roll_a_resumption_and_an_extension_are_asked_about(
    issued: IssuedKey, as_ada: Actor, long_ago: Client
) -> None:
    key = f"/app/keys/{issued.credential.public_id}"
    rolled = roll_credential(
        issued.credential, overlap=timedelta(hours=1), by=as_ada, submission=None, seen_secret_id=None
    )
    disable_credential(rolled.credential, by=as_ada)
    old = issued.credential.secrets.order_by("pk").first()
    assert old is not None
    assert is_asked(long_ago, f"{key}/roll/", {"overlap": "0"})
    assert is_asked(long_ago, f"{key}/resume/", {})
    assert is_asked(long_ago, f"{key}/secrets/{old.public_id}/extension/", {"hours": "24"})
    assert issued.credential.secrets.count() == 2
    issued.credential.refresh_from_db()
    assert issued.credential.disabled_at is not None
    assert not is_asked(long_ago, f"{key}/pause/", {})  # what narrows is not


def test_a_client_is_asked_about_like_a_key(oauth_client: OAuthClient, as_ada: Actor, long_ago: Client) -> None:
    client = f"/app/clients/{oauth_client.public_id}"
    disable_credential(oauth_client, by=as_ada)
    assert is_asked(long_ago, f"{client}/roll/", {"overlap": "0"})
    assert is_asked(long_ago, f"{client}/resume/", {})
    assert is_asked(long_ago, "/app/clients/new/", {"name": "another"})
    assert oauth_client.secrets.count() == OAuthClient.objects.count() == 1


def test_a_new_key_is_made_where_one_was_asked_once_one_has_answered(api: Api, long_ago: Client) -> None:
    path = f"/app/keys/new/?api={api.public_id}"
    form = {
        "name": "first", "environment": "test", "template": "custom", "access:orders": "read", "lifetime": "30",
        "submission": SUBMISSION,
    }  # fmt: skip
    asked = long_ago.post(path, form)
    assert asked["Location"].startswith(AGAIN)
    assert ApiKey.objects.count() == 0
    page = long_ago.post(asked["Location"], {"password": PASSWORD})
    assert page.status_code == 200, page.headers
    assert ApiKey.objects.get().name == "first"
    assert page["Cache-Control"] == "no-store"


def test_whoever_has_just_signed_in_is_not_asked(issued: IssuedKey, ada_client: Client) -> None:
    assert not is_asked(ada_client, f"/app/keys/{issued.credential.public_id}/roll/", {"overlap": "0"})
    assert not is_asked(ada_client, "/app/team/invitations/new/", {"emails": "new@example.com", "role": "owner"})
    assert Invitation.objects.count() == 1


def test_an_invitation_and_a_higher_role_are_asked_about_and_a_lower_one_is_not(
    acme: Organization, ben: User, long_ago: Client
) -> None:
    role = f"/app/team/{ben.public_id}/role/"
    assert is_asked(long_ago, "/app/team/invitations/new/", {"emails": "new@example.com", "role": "viewer"})
    assert Invitation.objects.count() == 0
    assert is_asked(long_ago, role, {"role": "owner", "confirmed": "owner"})
    assert Membership.objects.get(user=ben).role == Role.DEVELOPER
    assert not is_asked(long_ago, role, {"role": "viewer"})
    assert Membership.objects.get(user=ben).role == Role.VIEWER


@pytest.mark.parametrize(
    ("before", "wanted", "asked"),
    [
        (Policies(key_expiry_required=True), {}, True),
        (Policies(live_networks_required=True), {}, True),
        (Policies(max_key_lifetime_days=30), {"max_key_lifetime_days": "31"}, True),
        (Policies(max_key_lifetime_days=30), {"max_key_lifetime_days": "29"}, False),
        (Policies(live_keys_by=Role.OWNER), {"live_keys_by": "admin"}, True),
        (Policies(), {"live_keys_by": "owner", "key_expiry_required": "on"}, False),
    ],
)
def test_a_policy_that_asks_for_less_is_asked_about_and_one_that_asks_for_more_is_not(
    before: Policies, wanted: dict[str, object], asked: bool, as_ada: Actor, long_ago: Client
) -> None:
    acme = change_policies(Organization.objects.get(name="Acme"), before, by=as_ada)
    form = {"step": "save", "live_keys_by": "developer", **wanted}
    assert is_asked(long_ago, "/app/settings/policies/", form) is asked
    acme.refresh_from_db()
    assert (acme.policies == before) is asked


def test_what_is_held_is_done_in_the_organization_it_was_sent_in_or_not_at_all(
    initech: Organization, ada: User, long_ago: Client
) -> None:
    Membership.objects.create(organization=initech, user=ada, role=Role.OWNER)
    invite = "/app/team/invitations/new/"
    asked = long_ago.post(invite, {"emails": "new@example.com", "role": "owner"})["Location"]
    long_ago.post("/organization/", {"organization": initech.public_id, "next": "/app/"})
    answer = long_ago.post(asked, {"password": PASSWORD}, follow=True)
    assert "You changed to another organization meanwhile" in answer.text
    assert Invitation.objects.count() == 0
    assert HELD not in long_ago.session


def test_what_was_held_too_long_leads_back_to_the_page_it_was_sent_from(
    key: ApiKey, as_ada: Actor, long_ago: Client
) -> None:
    disable_credential(key, by=as_ada)
    path = f"/app/keys/{key.public_id}/"
    asked = long_ago.post(f"{path}resume/", headers={"Referer": f"{settings.PUBLIC_URL}{path}?x=1"})["Location"]
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        page = long_ago.post(asked, {"password": PASSWORD}, follow=True)
    assert page.redirect_chain == [(path, 302)]
    assert "More than ten minutes have passed" in page.text
    assert ApiKey.objects.get().disabled_at is not None


@pytest.mark.parametrize("referer", ["https://evil.example/app/", "javascript:x", "//evil.example/", "http://["])
def test_it_leads_to_no_page_of_anybody_elses(referer: str, key: ApiKey, as_ada: Actor, long_ago: Client) -> None:
    disable_credential(key, by=as_ada)
    path = f"/app/keys/{key.public_id}/resume/"
    long_ago.post(path, headers={"Referer": referer})
    assert long_ago.session[HELD]["page"] == path


def test_staff_show_the_second_factor_again_before_a_secret_is_shown_or_access_is_widened(
    api: Api, api_secret: IssuedApiSecret, key: ApiKey, ada: User
) -> None:
    eve = make_superuser()
    staff = signed_in_by(eve, "mfa", at=time.time() - HOUR_AGO_S)
    disable_api_secret(api_secret.secret, by=COMMAND)
    disable_credential(key, by=COMMAND)
    secret, confirmed = api_secret.secret, {"confirmed": "yes"}
    assert is_asked(staff, f"/admin/keys/apisecret/{secret.pk}/enabling/", confirmed)
    assert is_asked(staff, f"/admin/keys/apisecret/{secret.pk}/roll/", confirmed | {"overlap": "0"})
    assert is_asked(staff, f"/admin/keys/api/{api.pk}/secret/", confirmed | {"name": "x", "environment": "live"})
    assert is_asked(staff, f"/admin/keys/api/{api.pk}/edit/", {})
    assert is_asked(staff, f"/admin/keys/apikey/{key.pk}/resumption/", confirmed)
    better = confirmed | {"metadata": '{"plan": "gold"}'}
    assert is_asked(staff, f"/admin/keys/apikey/{key.pk}/metadata/", better)
    assert is_asked(staff, f"/admin/portal/organization/{key.organization.pk}/notes/", better)
    ticked = {"action": "resumption", "_selected_action": [key.pk], "confirmed": "yes"}
    assert is_asked(staff, "/admin/keys/apikey/", ticked)
    assert is_asked(staff, f"/admin/portal/user/{ada.pk}/change/", {"is_staff": "on"})
    assert is_asked(staff, "/admin/auth/group/add/", {"name": "Helpers"})
    key.refresh_from_db()
    ada.refresh_from_db()
    assert key.disabled_at is not None
    assert not ada.is_staff
    assert ApiSecret.objects.count() == 1
    assert not is_asked(staff, f"/admin/keys/apikey/{key.pk}/revocation/", confirmed | {"reason": "leaked"})
    now = signed_in_by(eve, "mfa")
    assert not is_asked(now, f"/admin/keys/api/{api.pk}/secret/", confirmed | {"name": "x", "environment": "live"})
    assert Authenticator.objects.filter(user=eve).exists()


# --- Each view and staff action says what it does ---

# What a view calls that shows a secret, and what it calls that lets somebody or something do more.
REVEALING = {"shown_once"}
WIDENING = {
    "issue_key", "create_client", "enable_credential", "extend_overlap", "invite", "resend_invitation",
    "issue_api_secret", "enable_api_secret", "extend_api_secret", "enable_api", "note_credential", "note_organization",
    "reactivate_user", "resume_organization",
}  # fmt: skip
WIDENING_BY_FORM = {"edit_key", "edit_client", "change_role", "change_policies"}
# Services that narrow, move or name, and those that a person does to an account of their own.
OTHERS = {
    "accept_invitation", "choose_mails", "choose_preferences", "close_account", "close_organization", "create_api",
    "create_organization", "create_service_account", "deactivate_user", "decline_invitation", "disable_api",
    "disable_api_secret", "disable_credential", "drop_signing_keys", "edit_api", "end_api_secret", "end_old_secret",
    "end_other_sessions", "record_password_reset_sent", "remove_member", "remove_service_account",
    "rename_organization", "rename_person", "require_change", "revoke_all_tokens", "revoke_api_secret",
    "revoke_credential", "revoke_invitation", "revoke_token", "roll_api_secret", "roll_credential",
    "rotate_signing_keys", "suspend_organization",
}  # fmt: skip
# allauth's views: they ask by `reauthentication_required`, or come right after the passkey was made.
SHOWS_CODES = {"ActivateTotpView", "AddPasskeyView", "GenerateCodesView", "SignUpPasskeyView"}


class Source:
    """A module: its functions, and where the names it imports come from."""

    def __init__(self, path: Path) -> None:
        self.tree = tree = ast.parse(path.read_text())
        self.staff_actions = [call for call in _calls(tree) if ast.unparse(call.func) == "StaffAction"]
        self.functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        self.classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        self.origins = {alias.name: node.module or "" for node in imports for alias in node.names}


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _names(tree: ast.AST) -> set[str]:
    used = (getattr(node, "id", None) or getattr(node, "attr", None) for node in ast.walk(tree))
    return {name for name in used if name}


def _sources() -> dict[str, Source]:
    paths = [path for app in APPS for path in sorted((BASE_DIR / app).rglob("*.py"))]
    shells = [path for path in paths if not {"migrations", "services", "validation"} & set(path.parts)]
    return {".".join(path.relative_to(BASE_DIR).with_suffix("").parts): Source(path) for path in shells}


def _leads_to(module: str, node: ast.AST, sources: dict[str, Source], seen: set[tuple[str, str]]) -> set[str]:
    """The names of all that is used here, and by the shells' functions that are."""
    names = _names(node)
    for name in set(names):
        origin = module if name in sources[module].functions else sources[module].origins.get(name, "")
        if origin in sources and name in sources[origin].functions and (origin, name) not in seen:
            seen.add((origin, name))
            names |= _leads_to(origin, sources[origin].functions[name], sources, seen)
    return names


def _said(call: ast.Call) -> tuple[object, object]:
    said = {keyword.arg: keyword.value for keyword in call.keywords}
    return tuple(ast.literal_eval(said[name]) if name in said else False for name in ("reveals", "widens"))  # type: ignore[return-value]  # two


def _run_by(action: ast.Call) -> str:
    """The name of what the action runs."""
    return next(ast.unparse(keyword.value) for keyword in action.keywords if keyword.arg == "run")


def _meant(names: set[str]) -> tuple[object, object]:
    by_form = "by form" if names & WIDENING_BY_FORM and "require_recent" in names else False
    return bool(names & REVEALING), True if names & WIDENING else by_form


def test_each_view_and_each_staff_action_says_whether_it_reveals_or_widens() -> None:
    sources, wrong = _sources(), []
    for module, source in sources.items():
        for view in source.functions.values():
            for call in view.decorator_list:
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "member_required":
                    meant = _meant(_leads_to(module, view, sources, set()))
                    wrong += [(module, view.name, meant)] * (_said(call) != meant)
        for call in source.staff_actions:
            run = _run_by(call)
            does = source.functions.get(run)
            names = _leads_to(module, does, sources, set()) if does else {run}
            wrong += [(module, run, _meant(names))] * (_said(call) != _meant(names))
    assert wrong == []


def test_no_other_view_shows_a_secret() -> None:
    sources = _sources()
    classes = [(module, node) for module, source in sources.items() for node in source.classes]
    showing = {node.name for module, node in classes if _leads_to(module, node, sources, set()) & REVEALING}
    assert showing - {"OperatedAdmin", "ApiAdmin", "ApiSecretAdmin"} == SHOWS_CODES


def test_each_service_that_a_page_calls_is_known_to_widen_or_not() -> None:
    sources = _sources()
    pages = {name for name in sources if ".views" in name or ".admin" in name or ".staff" in name}
    used = {name for page in pages for name in _names(sources[page].tree)} & _services()
    assert used - WIDENING - WIDENING_BY_FORM - OTHERS == set()
    assert OTHERS - used == set()


def _services() -> set[str]:
    paths = [path for app in APPS for path in (BASE_DIR / app).glob("**/services/*.py")]
    nodes = [node for path in paths for node in ast.parse(path.read_text()).body]
    acts = [
        node for node in nodes if isinstance(node, ast.FunctionDef) and "by" in {a.arg for a in node.args.kwonlyargs}
    ]
    return {node.name for node in acts if node.name[0] != "_"}
