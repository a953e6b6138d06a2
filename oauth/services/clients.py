"""OAuth clients as a type of credential, and the operations on them alone: create and edit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from keys.models import Api, Environment
from keys.rules.field_rules import RateLimit, clean_scopes
from keys.rules.secret import SecretKind
from keys.services.common import (
    cleaned_columns,
    lock_credential,
    mint,
    only_once,
    refuse_if_revoked,
    refuse_strange_owner,
    valid,
)
from keys.services.credential_type import CredentialType
from keys.services.credentials import ChangedCredential, IssuedCredential
from keys.services.errors import Conflict, Invalid, Refused
from keys.services.policies import hold_policies_on_client, hold_policies_on_roll
from keys.validation.snapshot_names import client_name
from oauth.access_tokens import parse_access_token
from oauth.expiry_mails import mail_ended_secret
from oauth.loaders import load_clients
from oauth.models import Client, ClientSecret, Grant
from oauth.protocol.client_fields import CLIENT_FIELDS
from portal.audit import Actor, ActorKind, record_of, require
from portal.audit_actions import AuditAction
from portal.models import Organization, ServiceAccount
from portal.outbox import change
from portal.permissions import Action
from portal.services.organizations import lock_organization

MAX_GRANTS = 20

IssuedClient = IssuedCredential[Client]
# The scopes that a client may have, by the public id of each API.
Grants = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class ClientSettings:
    """Settings of a client; each field is checked when it is used.

    ``public_keys`` is a JWK Set or a list of JWKs, for a client that authenticates by ``private_key_jwt``.
    ``token_lifetime_s`` None stands for the lifetime that each API sets.
    """

    name: str
    note: str = ""
    public_keys: object = ()
    token_lifetime_s: int | None = None
    networks: Sequence[str] = ()
    rate_limits: Sequence[RateLimit] = ()
    metadata: dict[str, object] = field(default_factory=dict)

    def cleaned(self) -> dict[str, object]:
        """The values as columns; raises Invalid with the first field that is out of bounds."""
        return cleaned_columns(self, CLIENT_FIELDS)


def create_client(
    organization: Organization,
    wanted: ClientSettings,
    *,
    grants: Grants,
    environment: Environment,
    by: Actor,
    service_account: ServiceAccount | None = None,
    submission: UUID | None = None,
) -> IssuedCredential[Client] | ChangedCredential[Client]:
    """Create a client, with a secret unless it has public keys. The owner is the service account, else the person.

    Raises NotAllowed, Invalid, Refused (closed or suspended organization, disabled API, cap reached) or AlreadyDone.
    """
    with change() as pending, only_once(submission) as remember:
        organization = lock_organization(organization)  # else parallel calls could exceed the cap
        require(by, organization, Action.MANAGE_KEYS)
        now = timezone.now()
        _refuse_if_closed(organization, by)
        refuse_strange_owner(organization, service_account)
        granted = _granted(grants, before={})
        columns: dict[str, Any] = wanted.cleaned()
        is_live = environment is Environment.LIVE
        hold_policies_on_client(organization, columns["networks"], is_live=is_live, is_new=True, by=by)
        client = Client.objects.create(
            organization=organization,
            environment=environment,
            owner=None if service_account else by.user,
            service_account=service_account,
            created_at=now,
            **columns,
        )
        remember(client.public_id)
        Grant.objects.bulk_create(Grant(client=client, api=api, scopes=scopes) for api, scopes in granted.items())
        after = {"environment": environment.value, "grants": _shown_grants(client), **_shown(client, CLIENT_FIELDS)}
        pending.invalidates(client_name(client.public_id))
        if client.public_keys:
            record_of(AuditAction.CLIENT_CREATED, client, by, now, after=after)
            minted = None
        else:
            minted = mint(SecretKind.CLIENT, by=by.user, now=now)
            secret = ClientSecret.objects.create(client=client, **minted.columns)
            record_of(AuditAction.CLIENT_CREATED, client, by, now, after={**after, "secret": secret.public_id})
    if minted is None:
        return ChangedCredential(client, pending.spread)
    return IssuedCredential(client, secret, minted.text, pending.spread)


def edit_client(
    client: Client,
    wanted: ClientSettings,
    *,
    grants: Grants | None = None,
    by: Actor,
    seen_version: int | None = None,
) -> ChangedCredential[Client]:
    """Change the settings and, if ``grants`` are given, replace all grants, in one transaction.

    Only columns that differ are written. Changed grants also apply to tokens that were issued before. Keys can be
    replaced by keys, but a client cannot change between keys and secrets. Raises NotAllowed, Invalid, Refused (revoked
    client, or a new grant at a disabled API), or Conflict if ``seen_version`` is not the current version.
    """
    with change() as pending:
        client = _lock_as_seen(client, seen_version, by)
        now = timezone.now()
        columns = _other_columns(client, wanted, by)
        before, grants_before = _shown(client, columns), _shown_grants(client)
        for name, value in columns.items():
            setattr(client, name, value)
        if grants is not None:
            _set_grants(client, _granted(grants, before=grants_before))
        grants_after = _shown_grants(client)
        if columns or grants_before != grants_after:
            client.version += 1
            client.save(update_fields=[*columns, "version"])
        if columns:
            record_of(AuditAction.CLIENT_EDITED, client, by, now, before=before, after=_shown(client, columns))
        if grants_before != grants_after:
            before_and_after = {"before": {"grants": grants_before}, "after": {"grants": grants_after}}
            record_of(AuditAction.CLIENT_GRANTS_CHANGED, client, by, now, **before_and_after)
        pending.invalidates(client_name(client.public_id))
    return ChangedCredential(client, pending.spread)


OAUTH_CLIENTS = CredentialType(
    noun="client",
    page="clients:detail",
    model=Client,
    fields=CLIENT_FIELDS,
    granted=lambda api: api.grants.filter(client__revoked_at=None),
    secret_model=ClientSecret,
    secret_kind=lambda _: SecretKind.CLIENT,
    parse=parse_access_token,
    snapshot_kind="client",
    snapshots=lambda client: [client_name(client.public_id)],
    load=load_clients,
    tell_of_end=mail_ended_secret,
)


def _lock_as_seen(client: Client, seen_version: int | None, by: Actor) -> Client:
    client = lock_credential(client, by=by)
    refuse_if_revoked(client)
    if seen_version is not None and seen_version != client.version:
        raise Conflict("Somebody else changed this client in the meantime.")
    return client


def _other_columns(client: Client, wanted: ClientSettings, by: Actor) -> dict[str, Any]:
    """The columns that differ from the client's; raises Invalid for a value or change that is not allowed."""
    wanted_columns: dict[str, Any] = wanted.cleaned()
    if bool(wanted_columns["public_keys"]) != bool(client.public_keys):
        raise Invalid("public_keys", "A client keeps to keys, or to secrets. Create another.")
    columns = {name: value for name, value in wanted_columns.items() if getattr(client, name) != value}
    if "public_keys" in columns:
        hold_policies_on_roll(client, by=by)  # like a new secret, a new key lets its owner act as the client
    if "networks" in columns:
        is_live = client.environment == Environment.LIVE
        hold_policies_on_client(client.organization, columns["networks"], is_live=is_live, is_new=False, by=by)
    return columns


def _set_grants(client: Client, granted: Mapping[Api, list[str]]) -> None:
    client.grants.exclude(api__in=granted).delete()
    for api, scopes in granted.items():
        client.grants.update_or_create(api=api, defaults={"scopes": scopes})


def _refuse_if_closed(organization: Organization, by: Actor) -> None:
    if organization.closed_at is not None:
        raise Refused("This organization is closed.")
    if organization.suspended_at is not None:
        raise Refused("This organization is suspended; it can create no clients.")
    if by.kind not in {ActorKind.USER, ActorKind.CREDENTIAL}:
        return  # the cap applies to members, not to operators
    most = settings.MAX_CLIENTS_PER_ORGANIZATION
    if Client.objects.filter(organization=organization, revoked_at=None).count() >= most:
        raise Refused(f"This organization has {most} clients, the most it may have. Revoke one first.")


def _granted(grants: Grants, *, before: Mapping[str, object]) -> dict[Api, list[str]]:
    """The checked scopes by API. A disabled API may stay granted but cannot be added."""
    if not grants:
        raise Invalid("grants", "Choose at least one API.")
    if len(grants) > MAX_GRANTS:
        raise Invalid("grants", f"At most {MAX_GRANTS} APIs.")
    apis = {api.public_id: api for api in Api.objects.filter(public_id__in=grants).prefetch_related("scopes")}
    granted: dict[Api, list[str]] = {}
    for api_id, scopes in grants.items():
        if api_id not in apis:
            raise Invalid("grants", f"There is no API {api_id[:50]!r}.")
        api = apis[api_id]
        if api.disabled_at is not None and api_id not in before:
            raise Refused("This API is disabled; no clients are let in.")
        grantable = [scope.name for scope in api.scopes.all()]
        granted[api] = valid("grants", lambda: clean_scopes(scopes, grantable=grantable))  # noqa: B023  # called at once
    return granted


def _shown_grants(client: Client) -> dict[str, object]:
    return dict(client.grants.order_by("pk").values_list("api__public_id", "scopes"))


def _shown(client: Client, names: Iterable[str]) -> dict[str, object]:
    """The fields as JSON values for the audit trail; public keys are shown by their kids."""
    values = {name: getattr(client, name) for name in names}
    if "public_keys" in values:
        values["public_keys"] = [key["kid"] for key in client.public_keys]
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
