"""The registered types of credential: API keys, and the types that outer apps add to them.

One ``CredentialType`` is all that operations, sweeps, validation, usage and events know of a type. Its pages are a
``CredentialPages``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import QuerySet

from keys.models import Api, Credential, Secret
from keys.rules.secret import SecretKind
from keys.validation.credential_types import Parser, register_credential_type
from keys.validation.store.database import Loader, register_loader
from keys.validation.usage.tables import Tables, register_tables
from portal.activity import register_fields, register_page
from portal.audit_actions import AuditAction
from portal.fields import Field

Row = TypeVar("Row", bound=Credential)


@dataclass(frozen=True)
class CredentialType:
    """One type of credential.

    ``noun`` begins the ids of its credentials and the names of its audit actions; the column of a secret that refers to
    the credential has this name as well. ``page`` is the URL name of a credential's page. People may edit ``fields``.
    ``granted`` are the rows with the ``scopes`` at an API, one of each unrevoked credential.
    ``snapshots`` names the snapshots of a credential; they are of ``snapshot_kind``, and ``load`` loads them.
    ``tell_of_end`` tells the owner that a secret has ended by the clock, within the transaction that records the end.
    """

    noun: str
    page: str
    model: type[Credential]
    fields: Mapping[str, Field]
    granted: Callable[[Api], QuerySet[Any]]
    secret_model: type[Secret]
    secret_kind: Callable[[Any], SecretKind]
    parse: Parser
    snapshot_kind: str
    snapshots: Callable[[Any], list[str]]
    load: Loader
    tell_of_end: Callable[[Any], None]

    def action(self, done: str) -> AuditAction:
        """Return the audit action, such as ``key.revoked`` for ``revoked``."""
        return AuditAction(f"{self.noun}.{done}")


_types: dict[type[Credential], CredentialType] = {}


def register(credential_type: CredentialType) -> None:
    """Register a type of credential."""
    _types[credential_type.model] = credential_type
    register_credential_type(credential_type.parse)
    register_loader(credential_type.snapshot_kind, credential_type.load)
    tables = (model._meta.db_table for model in (credential_type.secret_model, credential_type.model))  # noqa: SLF001  # Django documents it as public
    register_tables(credential_type.noun, Tables(*tables))
    register_page(credential_type.noun, credential_type.page)
    register_fields(credential_type.fields)


def credential_types() -> list[CredentialType]:
    """Return the types in the order of their registration."""
    return list(_types.values())


def type_of(credential: Credential) -> CredentialType:
    """Return the credential's type."""
    return _types[type(credential)]


def snapshots_of(credential: Credential) -> list[str]:
    """Name the credential's snapshots."""
    return type_of(credential).snapshots(credential)
