"""Every operation that somebody does, asked by everybody: who may, who may not; and nothing is done for who may not.

And whatever any of them changes of what verdicts are decided on, the caches are told.

Operations are found, not listed: whatever in a ``services`` module is public and takes ``by: Actor``.
"""

import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

import keys.services
import keys.team.services
import oauth.services
import portal.services
from keys.models import Api, ApiKey, ApiSecret, Environment, KeySecret, RevokeReason, Secret
from keys.services.api_secrets import IssuedApiSecret, disable_api_secret, roll_api_secret
from keys.services.apis import ApiSettings, disable_api
from keys.services.credential_type import Row, credential_types
from keys.services.credentials import IssuedCredential, disable_credential
from keys.services.keys import IssuedKey, KeySettings
from keys.services.secrets import roll_credential
from keys.validation.store import database
from keys.validation.types import Snapshot
from oauth.models import Client, ClientSecret
from oauth.services.clients import ClientSettings, create_client
from portal import outbox
from portal.audit import COMMAND, Actor, ActorKind, NotAllowed
from portal.audit_actions import AuditAction
from portal.models import Invitation, Membership, Organization, ServiceAccount, User
from portal.permissions import Role
from portal.policies import Policies
from portal.refusals import Refused
from portal.services.invitations import invite
from portal.services.organizations import close_organization, suspend_organization
from tests.test_routes import tables

pytestmark = pytest.mark.django_db
# Whoever adds an operation says here whom it is for.
OPERATORS = {
    "issue_api_secret", "roll_api_secret", "end_api_secret", "extend_api_secret", "disable_api_secret",
    "enable_api_secret", "revoke_api_secret", "create_api", "edit_api", "disable_api", "enable_api",
    "suspend_organization", "resume_organization", "deactivate_user", "reactivate_user",
    "record_password_reset_sent", "rotate_signing_keys", "drop_signing_keys", "note_organization", "note_credential",
    "settle_restore",
}  # fmt: skip
OWNERS = {"close_organization"}
ADMINS = {
    "rename_organization", "change_role", "remove_member", "take_out", "invite", "resend_invitation",
    "revoke_invitation", "create_service_account", "remove_service_account", "change_policies",
}  # fmt: skip
MAKERS = {"issue_key", "create_client"}
KEEPERS = {  # whose credential it is, who owns one for a service account, and admins
    "edit_key", "disable_credential", "enable_credential", "revoke_credential", "roll_credential", "end_old_secret",
    "extend_overlap",
    "edit_client", "revoke_all_tokens",
}  # fmt: skip
# No role lets anybody do these: each is about oneself, or rests on a link, a password or a token that the edge checks.
ONESELF = {
    "sign_up", "create_personal_organization", "create_organization", "set_password", "end_other_sessions",
    "choose_mails", "rename_person", "choose_preferences", "close_account", "accept_invitation", "decline_invitation",
    "revoke_token", "set_up_superuser",
}  # fmt: skip
# Parts of operations: their callers have asked.
PARTS = {
    "revoke_locked", "require_grant", "hold_policies_on_new", "broken", "broken_rules", "may_change_policies",
    "hold_policies_on_edit", "hold_policies_on_roll", "hold_policies_on_client", "require_change", "hold_change",
    "lock_credential",
}  # fmt: skip
# What no snapshot shows: people, rules for what is made next, and what is new; keys that sign rotate when it is time.
UNSEEN = {
    "change_policies", "change_role", "take_out", "invite", "resend_invitation", "revoke_invitation", "create_api",
    "create_service_account", "issue_api_secret", "deactivate_user", "reactivate_user", "record_password_reset_sent",
    "rotate_signing_keys",
}  # fmt: skip
MAY: Mapping[str, set[str]] = {
    "owner": OWNERS | ADMINS | MAKERS | KEEPERS, "admin": ADMINS | MAKERS | KEEPERS, "developer": MAKERS,
    "developer whose they are": MAKERS | KEEPERS, "developer of a service account's": MAKERS | KEEPERS,
    "viewer": set(), "viewer whose they are": set(), "stranger": set(), "removed": set(),
    "owner of a suspended organization": OWNERS | ADMINS | MAKERS | KEEPERS,
    "owner of a closed organization": OWNERS,  # closing it again only tells the caches again
}  # fmt: skip


def modules() -> Iterator[ModuleType]:
    for package in (portal.services, keys.services, keys.team.services, oauth.services):
        for found in pkgutil.iter_modules(package.__path__):
            yield import_module(f"{package.__name__}.{found.name}")


def operations() -> dict[str, Callable[..., object]]:
    found: dict[str, Callable[..., object]] = {}
    for module in modules():
        for name, function in inspect.getmembers(module, inspect.isfunction):
            is_ours = function.__module__ == module.__name__ and not name.startswith("_")
            by = inspect.signature(function).parameters.get("by")
            if is_ours and by is not None and by.annotation is Actor:
                found[name] = function
    return found


@pytest.fixture
def world(
    acme: Organization, ben: User, issued: IssuedKey, api_secret: IssuedApiSecret, as_ada: Actor
) -> dict[object, object]:
    """Something of Acme's for each kind of argument."""
    grants = {issued.credential.api.public_id: ["orders:read"]}
    made = create_client(acme, ClientSettings("sync"), grants=grants, environment=Environment.LIVE, by=as_ada)
    assert isinstance(made, IssuedCredential)
    fay = User.objects.create_user("fay@example.com")
    return {
        Organization: acme, Api: issued.credential.api, ApiKey: issued.credential, KeySecret: issued.secret,
        ApiSecret: api_secret.secret, Client: made.credential, ClientSecret: made.credential.secrets.get(), User: fay,
        Membership: Membership.objects.create(organization=acme, user=fay, role=Role.VIEWER),
        Invitation: invite(acme, ["gus@example.com"], Role.VIEWER, by=as_ada)[0],
        ServiceAccount: ServiceAccount.objects.create(organization=acme, name="deploys"),
        Role: Role.DEVELOPER, Environment: Environment.TEST, RevokeReason: RevokeReason.OTHER,
        KeySettings: KeySettings("k"), ClientSettings: ClientSettings("c"), ApiSettings: ApiSettings("A", {}),
        Policies: Policies(key_expiry_required=True), AuditAction: AuditAction.KEY_EDITED,
        timedelta: timedelta(hours=1), datetime: timezone.now() + timedelta(hours=1), str: "Changed",
        "emails": ["hal@example.com"], "grants": grants, "new_owner": None,
        "metadata": {"plan": "gold"}, "operator_metadata": {"plan": "gold"},
    }  # fmt: skip


def person(who: str, acme: Organization, ada: User, dov: User) -> Actor:
    """Whom the name stands for."""
    if who == "stranger":
        return Actor(ActorKind.USER, dov)
    if who.startswith("owner"):
        return Actor(ActorKind.USER, ada)
    user = User.objects.create_user("ida@example.com")
    if who != "removed":
        Membership.objects.create(organization=acme, user=user, role=Role(who.split(maxsplit=1)[0]))
    return Actor(ActorKind.USER, user)


def arguments(function: Callable[..., object], world: Mapping[object, object]) -> list[dict[str, object]]:
    """Arguments for the operation, of Acme's: for an operation on all types of credential, one set for each."""
    wanted = inspect.signature(function, eval_str=True).parameters.values()
    of_type: list[dict[object, object]] = [{}]
    if Row in {each.annotation for each in wanted}:
        of_type = [{Row: world[its.model], Secret: world[its.secret_model]} for its in credential_types()]
    return [
        {
            each.name: known[each.name] if each.name in known else known[each.annotation]
            for each in wanted
            if each.name != "by" and (each.default is each.empty or each.name in known)
        }
        for known in ({**world, **more} for more in of_type)
    ]


def test_each_operation_is_for_somebody() -> None:
    assert set(operations()) == OPERATORS | OWNERS | ADMINS | MAKERS | KEEPERS | ONESELF | PARTS


@pytest.mark.parametrize("who", MAY)
def test_an_operation_is_done_for_whom_it_is_for_and_for_nobody_else(
    who: str, world: dict[object, Any], ada: User, dov: User
) -> None:
    acme = world[Organization]
    by = person(who, acme, ada, dov)
    for credentials in (ApiKey.objects, Client.objects):
        if "whose" in who:
            credentials.update(owner=by.user)
        if "service account" in who:
            credentials.update(owner=None, service_account=world[ServiceAccount])
    if "suspended" in who:
        suspend_organization(acme, by=Actor(ActorKind.COMMAND))
    if "closed" in who:
        close_organization(acme, by=by)
    before = tables()
    for name, operation in operations().items():
        if name in ONESELF | PARTS:
            continue
        for given in arguments(operation, world):
            point = transaction.savepoint()
            outcome = attempt(operation, given, by)
            if name in MAY[who]:
                assert outcome is not NotAllowed, name
                transaction.savepoint_rollback(point)
            else:
                assert outcome in ({NotAllowed, Refused} if "closed" in who else {NotAllowed}), name
    assert tables() == before


def attempt(operation: Callable[..., object], given: Mapping[str, object], by: Actor) -> type[Exception] | None:
    """What the operation said no with: the role, or things as they are; None where it was done."""
    try:
        operation(**given, by=by)
    except NotAllowed:
        return NotAllowed
    except Refused:
        return Refused
    return None


def snapshots() -> dict[str, Snapshot]:
    """All there are, as a process that has none would read them."""
    ids = {
        "secret": [bytes(digest).hex() for digest in KeySecret.objects.values_list("digest", flat=True)],
        "apisecret": [bytes(digest).hex() for digest in ApiSecret.objects.values_list("digest", flat=True)],
        "api": list(Api.objects.values_list("public_id", flat=True)),
        "org": list(Organization.objects.values_list("public_id", flat=True)),
        "client": list(Client.objects.values_list("public_id", flat=True)),
        "signing-keys": ["all"],
    }
    loaded = {kind: load(ids[kind]) for kind, load in database._loaders.items()}
    return {f"{kind}:{found}": snapshot for kind, those in loaded.items() for found, snapshot in those.items()}


def make_way(world: Mapping[object, Any], way: str, by: Actor) -> None:
    """Something that others have done before."""
    if way == "all is disabled":
        disable_credential(world[ApiKey], by=by)
        disable_credential(world[Client], by=by)
        disable_api_secret(world[ApiSecret], by=COMMAND)
        disable_api(world[Api], by=COMMAND)
        suspend_organization(world[Organization], by=COMMAND)
    elif way == "all is rolled":
        roll_credential(world[ApiKey], overlap=timedelta(hours=1), by=by)
        roll_credential(world[Client], overlap=timedelta(hours=1), by=by)
        roll_api_secret(world[ApiSecret], overlap=timedelta(hours=1), by=COMMAND)
    elif way in {"fay's", "a service account's"}:
        owner = {"owner": world[User]} if way == "fay's" else {"owner": None, "service_account": world[ServiceAccount]}
        ApiKey.objects.update(**owner)
        Client.objects.update(**owner)


def test_whatever_an_operation_changes_of_a_snapshot_is_told_before_it_answers(
    world: dict[object, Any], as_ada: Actor
) -> None:
    told, asked, changing = set[str](), set[tuple[str, int]](), set[tuple[str, int]]()
    outbox.register_flush(told.update)
    try:
        for way in ("nothing", "all is disabled", "all is rolled", "fay's", "a service account's"):
            start = transaction.savepoint()
            make_way(world, way, as_ada)
            before = snapshots()
            for name, operation in operations().items():
                if name in ONESELF | PARTS:
                    continue
                for at, given in enumerate(arguments(operation, world)):
                    point = transaction.savepoint()
                    told.clear()
                    attempt(operation, given, COMMAND if name in OPERATORS else as_ada)
                    after = snapshots()
                    changed = {each for each, snapshot in before.items() if after.get(each) != snapshot}
                    assert changed <= told, (way, name)
                    asked.add((name, at))
                    changing |= {(name, at)} if changed else set()
                    transaction.savepoint_rollback(point)
            transaction.savepoint_rollback(start)
    finally:
        outbox.register_flush(None)
    assert {name for name, _ in asked - changing} - MAKERS == UNSEEN
