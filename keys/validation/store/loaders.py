"""Load this app's snapshots from the database: one SELECT for all ids of a kind, without building models."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import BinaryField, Field
from django.db.models.lookups import In

from keys.models import Api, ApiSecret, KeySecret, RevokeReason
from keys.rules.field_rules import RateLimit
from keys.validation.store.database import Loader
from keys.validation.types import (
    ApiSecretSnapshot,
    ApiSnapshot,
    KeySnapshot,
    Limit,
    OrganizationSnapshot,
    Quota,
    Snapshot,
)
from portal.models import Organization


@Field.register_lookup
class AnyOf(In):
    """``IN``, which PostgreSQL gets with one array: one prepared statement serves any number of values."""

    lookup_name = "any_of"

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """The same lookup in PostgreSQL's dialect."""
        column, parameters = self.process_lhs(compiler, connection)
        of_type = "bytea" if isinstance(self.lhs.output_field, BinaryField) else "text"
        return f"{column} = ANY(%s::{of_type}[])", [*parameters, list(self.rhs)]


def _select_keys(digests: Sequence[bytes]) -> Any:
    return (
        KeySecret.objects.filter(digest__any_of=digests)
        .order_by()
        .values_list(
            "digest",
            "public_id",
            "ends_at",
            "key__public_id",
            "key__name",
            "key__environment",
            "key__organization__public_id",
            "key__api__public_id",
            "key__scopes",
            "key__networks",
            "key__rate_limits",
            "key__quota",
            "key__metadata",
            "key__operator_metadata",
            "key__not_before",
            "key__expires_at",
            "key__disabled_at",
            "key__revoked_at",
            "key__revoke_reason",
            named=True,
        )
    )


def _keys(rows: Iterable[Any]) -> Mapping[str, Snapshot]:
    return {
        bytes(row.digest).hex(): KeySnapshot(
            digest=bytes(row.digest),
            secret_id=row.public_id,
            secret_ends_at=epoch(row.ends_at),
            key_id=row.key__public_id,
            name=row.key__name,
            environment=row.key__environment,
            organization_id=row.key__organization__public_id,
            api_id=row.key__api__public_id,
            scopes=tuple(row.key__scopes),
            networks=tuple(row.key__networks),
            rate_limits=limits_of(row.key__rate_limits),
            quota=None if row.key__quota is None else Quota(row.key__quota["limit"], row.key__quota["refill"]),
            metadata=as_json(row.key__metadata),
            operator_metadata=as_json(row.key__operator_metadata),
            not_before=epoch(row.key__not_before),
            expires_at=epoch(row.key__expires_at),
            is_disabled=row.key__disabled_at is not None,
            is_revoked=row.key__revoked_at is not None,
            is_compromised=row.key__revoke_reason == RevokeReason.LEAKED,
        )
        for row in rows
    }


def _select_api_secrets(digests: Sequence[bytes]) -> Any:
    return (
        ApiSecret.objects.filter(digest__any_of=digests)
        .order_by()
        .values_list(
            "digest", "public_id", "api__public_id", "environment", "ends_at", "disabled_at", "revoked_at", named=True
        )
    )


def _api_secrets(rows: Iterable[Any]) -> Mapping[str, Snapshot]:
    return {
        bytes(row.digest).hex(): ApiSecretSnapshot(
            digest=bytes(row.digest),
            secret_id=row.public_id,
            api_id=row.api__public_id,
            environment=row.environment,
            ends_at=epoch(row.ends_at),
            is_disabled=row.disabled_at is not None,
            is_revoked=row.revoked_at is not None,
        )
        for row in rows
    }


def _select_apis(ids: Sequence[str]) -> Any:
    """Select one row per scope, and one row for an API without scopes."""
    return (
        Api.objects.filter(public_id__any_of=ids)
        .order_by()
        .values_list(
            "public_id",
            "identifier",
            "default_rate_limits",
            "max_rate_limits",
            "signing_algorithm",
            "token_lifetime_s",
            "disabled_at",
            "scopes__name",
            named=True,
        )
    )


def _apis(rows: Sequence[Any]) -> Mapping[str, Snapshot]:
    apis = {row.public_id: row for row in rows}
    return {
        public_id: ApiSnapshot(
            api_id=public_id,
            identifier=api.identifier,
            scopes=frozenset(row.scopes__name for row in rows if row.public_id == public_id and row.scopes__name),
            rate_limits=limits_of(api.default_rate_limits),
            max_rate_limits=limits_of(api.max_rate_limits),
            signing_algorithm=api.signing_algorithm,
            token_lifetime_s=api.token_lifetime_s,
            is_disabled=api.disabled_at is not None,
        )
        for public_id, api in apis.items()
    }


def _select_organizations(ids: Sequence[str]) -> Any:
    return (
        Organization.objects.filter(public_id__any_of=ids)
        .order_by()
        .values_list("public_id", "name", "external_id", "operator_metadata", "suspended_at", "closed_at", named=True)
    )


def _organizations(rows: Iterable[Any]) -> Mapping[str, Snapshot]:
    """Build the snapshots. A closed organization counts as suspended."""
    return {
        row.public_id: OrganizationSnapshot(
            organization_id=row.public_id,
            name=row.name,
            external_id=row.external_id,
            metadata=as_json(row.operator_metadata),
            is_suspended=bool(row.suspended_at or row.closed_at),
        )
        for row in rows
    }


load_keys = Loader(_select_keys, _keys, key=bytes.fromhex)  # secret:<digest>
load_api_secrets = Loader(_select_api_secrets, _api_secrets, key=bytes.fromhex)  # apisecret:<digest>
load_apis = Loader(_select_apis, _apis)  # api:<id>
load_organizations = Loader(_select_organizations, _organizations)  # org:<id>

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def as_json(value: object) -> bytes:
    """Encode JSON as snapshots hold it and responses show it.

    The text of PostgreSQL would differ: it has spaces, and writes 0.00001 where Python writes 1e-05.
    """
    return _encode(value).encode()


def epoch(instant: datetime | None) -> float | None:
    """Convert to seconds since the epoch, as snapshots hold instants."""
    return None if instant is None else instant.timestamp()


def limits_of(limits: Sequence[RateLimit]) -> tuple[Limit, ...]:
    """Convert rate limits to the snapshots' type."""
    return tuple(Limit(limit["name"], limit["limit"], limit["window_s"]) for limit in limits)
