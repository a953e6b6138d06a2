"""Load this app's snapshots from the database: one SELECT for all ids of a type, without building models."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.db.models import Func, OuterRef, Q, Subquery
from django.db.models.functions import JSONObject, Now

from keys.models import RevokeReason
from keys.validation.store.database import Loader
from keys.validation.store.loaders import as_json, epoch, limits_of
from keys.validation.types import (
    ClientSecretFacts,
    ClientSnapshot,
    GrantFacts,
    SigningKeyFacts,
    SigningKeysSnapshot,
    Snapshot,
)
from oauth.models import CLOCKS_DIFFER, Client, ClientSecret, Grant, RevokedToken, SigningKey
from oauth.protocol.jti import StatusIndex


class JsonList(Subquery):
    """The ``item`` of each row of a subquery, as one JSON list."""

    output_field = models.JSONField()
    template = "(SELECT coalesce(jsonb_agg(found.item), '[]') FROM (%(subquery)s) found)"

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        """The same expression in SQLite's dialect."""
        template = "(SELECT json_group_array(json(found.item)) FROM (%(subquery)s) found)"
        return self.as_sql(compiler, connection, template=template)


class Hex(Func):
    """Bytes as hexadecimal digits, because JSON cannot hold bytes."""

    output_field = models.CharField()
    template = "encode(%(expressions)s, 'hex')"

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        """The same expression in SQLite's dialect."""
        return self.as_sql(compiler, connection, template="hex(%(expressions)s)")


def _select_clients(ids: Sequence[str]) -> Any:
    """Select clients, each with its secrets, grants and revoked tokens."""
    of_client = Q(client=OuterRef("pk"))
    working = Q(ends_at=None) | Q(ends_at__gt=Now() - CLOCKS_DIFFER)
    secrets = ClientSecret.objects.filter(of_client & working).order_by("pk")
    revoked = RevokedToken.objects.remembered(Now()).filter(of_client)
    return (
        Client.objects.filter(public_id__any_of=ids)
        .order_by()
        .annotate(
            secret_rows=JsonList(
                secrets.values(item=JSONObject(id="public_id", digest=Hex("digest"), ends_at="ends_at"))
            ),
            grant_rows=JsonList(
                Grant.objects.filter(of_client)
                .order_by("pk")
                .values(item=JSONObject(api="api__public_id", identifier="api__identifier", scopes="scopes"))
            ),
            revoked_rows=JsonList(revoked.values(item=JSONObject(list="status_list_id", idx="index"))),
        )
        .values_list(
            "public_id",
            "name",
            "environment",
            "organization__public_id",
            "public_keys",
            "networks",
            "rate_limits",
            "metadata",
            "operator_metadata",
            "token_lifetime_s",
            "generation",
            "disabled_at",
            "revoked_at",
            "revoke_reason",
            "secret_rows",
            "grant_rows",
            "revoked_rows",
            named=True,
        )
    )


def _clients(rows: Iterable[Any]) -> Mapping[str, Snapshot]:
    return {row.public_id: _client(row) for row in rows}


def _select_signing_keys(_: Sequence[str]) -> Any:
    """Select all signing keys that are not long retired."""
    kept = Q(kept_until=None) | Q(kept_until__gt=Now() - CLOCKS_DIFFER)
    return (
        SigningKey.objects.filter(kept)
        .order_by("pk")
        .values_list(
            "kid", "algorithm", "public_key", "private_key", "signs_from", "signs_until", "kept_until", named=True
        )
    )


def _signing_keys(rows: Iterable[Any]) -> Mapping[str, Snapshot]:
    keys = tuple(
        SigningKeyFacts(
            kid=row.kid,
            algorithm=row.algorithm,
            public_key=as_json(row.public_key),
            private_key=row.private_key,
            signs_from=row.signs_from.timestamp(),
            signs_until=epoch(row.signs_until),
            kept_until=epoch(row.kept_until),
        )
        for row in rows
    )
    return {"all": SigningKeysSnapshot(keys)}


def _client(row: Any) -> ClientSnapshot:
    return ClientSnapshot(
        client_id=row.public_id,
        name=row.name,
        environment=row.environment,
        organization_id=row.organization__public_id,
        secrets=tuple(
            ClientSecretFacts(each["id"], bytes.fromhex(each["digest"]), _instant(each["ends_at"]))
            for each in row.secret_rows
        ),
        public_keys=as_json(row.public_keys),
        grants=tuple(
            GrantFacts(each["api"], each["identifier"], tuple(_parsed(each["scopes"]))) for each in row.grant_rows
        ),
        networks=tuple(row.networks),
        rate_limits=limits_of(row.rate_limits),
        metadata=as_json(row.metadata),
        operator_metadata=as_json(row.operator_metadata),
        token_lifetime_s=row.token_lifetime_s,
        generation=row.generation,
        revoked_indexes=frozenset(str(StatusIndex(each["list"], each["idx"])) for each in row.revoked_rows),
        is_disabled=row.disabled_at is not None,
        is_revoked=row.revoked_at is not None,
        is_compromised=row.revoke_reason == RevokeReason.LEAKED,
    )


load_clients = Loader(_select_clients, _clients)  # client:<id>
load_signing_keys = Loader(_select_signing_keys, _signing_keys)  # signing-keys:all


def _parsed(value: Any) -> Any:
    """The JSON value: SQLite nests a JSON column in JSON as text."""
    return json.loads(value) if isinstance(value, str) else value


def _instant(text: str | None) -> float | None:
    """A timestamp as seconds since the epoch; SQLite writes UTC without a zone."""
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
