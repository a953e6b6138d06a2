"""API keys as a type of credential, and the operations on them alone: issue and edit."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from keys.models import Api, ApiKey, Environment, KeySecret
from keys.rules.field_rules import QuotaLimit, RateLimit, clean_scopes
from keys.rules.key_fields import KEY_FIELDS
from keys.rules.secret import SecretKind
from keys.services.common import (
    cleaned_columns,
    lock_credential,
    mint,
    only_once,
    refuse_if_over,
    refuse_strange_owner,
    secret_name,
)
from keys.services.credential_type import CredentialType
from keys.services.credentials import ChangedCredential, IssuedCredential
from keys.services.endings import write_end_notice
from keys.services.errors import Conflict, Invalid, Refused
from keys.services.policies import hold_policies_on_edit, hold_policies_on_new
from keys.validation.api_keys import parse_api_key
from keys.validation.store.loaders import load_keys
from portal.audit import Actor, ActorKind, record_of, require
from portal.audit_actions import AuditAction
from portal.models import Organization, ServiceAccount
from portal.outbox import change
from portal.permissions import Action
from portal.services.organizations import lock_organization

IssuedKey = IssuedCredential[ApiKey]


@dataclass(frozen=True)
class KeySettings:
    """The settings of a key that a person chooses. They are checked when they are used."""

    name: str
    scopes: Sequence[str] = ()
    expires_at: datetime | None = None
    not_before: datetime | None = None
    networks: Sequence[str] = ()
    rate_limits: Sequence[RateLimit] = ()
    quota: QuotaLimit | None = None
    metadata: dict[str, object] = field(default_factory=dict)
    note: str = ""

    def cleaned(self, api: Api, *, before: ApiKey | None = None) -> dict[str, object]:
        """Check the settings and return them as columns; raises Invalid naming the first bad field.

        The moments that the key has had ``before`` are kept: it may be older than their bounds.
        """
        grantable = list(api.scopes.values_list("name", flat=True))
        checks: dict[str, Callable[[Any], object]] = {"scopes": partial(clean_scopes, grantable=grantable)}
        for name, each in KEY_FIELDS.items():
            if before is not None and each.is_moment and getattr(self, name) == getattr(before, name):
                checks[name] = _kept
        cleaned = cleaned_columns(self, KEY_FIELDS, **checks)
        if self.not_before and self.expires_at and self.not_before >= self.expires_at:
            raise Invalid("not_before", "The key would begin after it ends.")
        return cleaned


def issue_key(
    organization: Organization,
    api: Api,
    wanted: KeySettings,
    *,
    environment: Environment,
    by: Actor,
    service_account: ServiceAccount | None = None,
    submission: UUID | None = None,
) -> IssuedKey:
    """Create a key and its first secret. The owner is the service account if given, else the acting person.

    Raises NotAllowed, Invalid, Refused (suspended organization, disabled API, cap reached) or AlreadyDone.
    """
    with change() as pending, only_once(submission) as remember:
        organization = lock_organization(organization)  # keeps parallel calls from passing the cap
        require(by, organization, Action.MANAGE_KEYS)  # under the lock: a member just removed must leave no key behind
        api = Api.objects.get(pk=api.pk)
        now = timezone.now()
        _refuse_if_closed(organization, api, by, now)
        refuse_strange_owner(organization, service_account)
        columns = wanted.cleaned(api)
        _refuse_the_past(wanted.expires_at, now)
        hold_policies_on_new(organization, columns, is_live=environment is Environment.LIVE, by=by, now=now)
        key = ApiKey.objects.create(
            organization=organization,
            api=api,
            environment=environment,
            owner=None if service_account else by.user,
            service_account=service_account,
            created_at=now,
            **columns,
        )
        remember(key.public_id)
        minted = mint(_secret_kind(key), by=by.user, now=now)
        secret = KeySecret.objects.create(key=key, **minted.columns)
        after = {"api": api.public_id, "environment": environment.value, "secret": secret.public_id}
        record_of(AuditAction.KEY_ISSUED, key, by, now, after={**after, **_shown(key, KEY_FIELDS)})
        pending.invalidates(*_snapshots(key))  # the digest may be cached as unknown
    return IssuedCredential(key, secret, minted.text, pending.spread)


def edit_key(
    key: ApiKey, wanted: KeySettings, *, by: Actor, seen_version: int | None = None
) -> ChangedCredential[ApiKey]:
    """Change the key's settings; unchanged fields are not written.

    Raises NotAllowed, Invalid, Refused (revoked or expired); Conflict if ``seen_version`` is not the current version.
    """
    with change() as pending:
        key = lock_credential(key, by=by)
        now = timezone.now()
        refuse_if_over(key, now)
        if seen_version is not None and seen_version != key.version:
            raise Conflict("Somebody else changed this key in the meantime.")
        columns = wanted.cleaned(key.api, before=key)
        if columns["expires_at"] != key.expires_at:
            _refuse_the_past(wanted.expires_at, now)
        changed = [name for name in KEY_FIELDS if getattr(key, name) != columns[name]]
        hold_policies_on_edit(key, columns, changed, by=by)
        before = _shown(key, changed)
        for name in changed:
            setattr(key, name, columns[name])
        if changed:
            key.version += 1
            key.save(update_fields=[*changed, "version"])
            record_of(AuditAction.KEY_EDITED, key, by, now, before=before, after=_shown(key, changed))
        pending.invalidates(*_snapshots(key))
    return ChangedCredential(key, pending.spread)


def _snapshots(key: ApiKey) -> list[str]:
    return [secret_name(secret) for secret in key.secrets.all()]


def _secret_kind(key: ApiKey) -> SecretKind:
    return SecretKind(key.environment)


API_KEYS = CredentialType(
    noun="key",
    page="keys:detail",
    model=ApiKey,
    fields=KEY_FIELDS,
    granted=lambda api: api.api_keys.filter(revoked_at=None),
    secret_model=KeySecret,
    secret_kind=_secret_kind,
    parse=parse_api_key,
    snapshot_kind="secret",
    snapshots=_snapshots,
    load=load_keys,
    tell_of_end=write_end_notice,
)


def _refuse_if_closed(organization: Organization, api: Api, by: Actor, now: datetime) -> None:
    if organization.closed_at is not None:
        raise Refused("This organization is closed.")
    if organization.suspended_at is not None:
        raise Refused("This organization is suspended; it can issue no keys.")
    if api.disabled_at is not None:
        raise Refused("This API is disabled; no keys are issued for it.")
    if by.kind is not ActorKind.USER:
        return  # the cap is for members; operators may exceed it
    live = ApiKey.objects.filter(organization=organization, revoked_at=None).filter(
        Q(expires_at=None) | Q(expires_at__gt=now)
    )
    if live.count() >= settings.MAX_KEYS_PER_ORGANIZATION:
        raise Refused(
            f"This organization has {settings.MAX_KEYS_PER_ORGANIZATION} keys, the most it may have. Revoke one first."
        )


def _kept(value: Any) -> Any:
    return value


def _refuse_the_past(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise Invalid("expires_at", "Choose an expiry in the future.")


def _shown(key: ApiKey, names: Iterable[str]) -> dict[str, object]:
    """Return the fields as JSON values, for the audit event."""
    values = {name: getattr(key, name) for name in names}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
