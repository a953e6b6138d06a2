"""Consumers' keys in the admin, and the parts that all credentials share."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from keys.admin.forms import ReasonForm
from keys.models import ApiKey, Credential, KeySecret
from keys.pages.key_pages import KEYS
from keys.pages.presenters import key_view
from keys.rules.field_rules import spell_rate_limit
from keys.rules.states import CredentialStatus
from keys.services.credentials import (
    ChangedCredential,
    disable_credential,
    enable_credential,
    note_credential,
    revoke_credential,
)
from keys.services.errors import Refused
from portal import activity
from portal.audit import Actor
from portal.metadata import spell_metadata
from portal.staff.actions import Changed, OperatedAdmin, ShownInline, StaffAction, pretty
from portal.staff.forms import OperatorMetadataForm

Kind = TypeVar("Kind", bound=Credential)


class StatusFilter(admin.SimpleListFilter):
    """Filter by the status that the consumers' own pages show."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, status.value) for status in CredentialStatus]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        word = self.value()
        if word not in set(CredentialStatus):
            return queryset
        return KEYS.having_status(queryset, [CredentialStatus(word)], now=timezone.now())


class SecretInline(ShownInline):
    """The secrets of a credential, by their hints."""

    fields = readonly_fields = (
        "hint",
        "public_id",
        "created_at",
        "last_used_at",
        "last_used_from",
        "last_used_agent",
        "ends_at",
    )


class CredentialAdmin(OperatedAdmin[Kind]):
    """Consumers' credentials. Staff may read and stop them; creating and editing is up to the consumers."""

    declines = (Refused,)
    ordering = ("-created_at", "-pk")

    @admin.display(description="networks")
    def from_where(self, credential: Kind) -> str:
        return ", ".join(credential.networks) or "any"

    @admin.display(description="rate limits")
    def limits(self, credential: Kind) -> str:
        return ", ".join(map(spell_rate_limit, credential.rate_limits)) or "the API's"

    @admin.display(description="operator metadata")
    def noted(self, credential: Kind) -> SafeString | str:
        return pretty(credential.operator_metadata)


def operator_metadata_action(permission: str, run: Callable[..., Changed]) -> StaffAction:
    """Build the action that sets the operator's metadata of a key or client."""
    return StaffAction(
        name="metadata",
        label="Edit operator metadata",
        done="Edited the operator metadata of",
        consequence="Backends are told it with each answer, from the next one on, beside the metadata that its"
        " organization sets. Members read it and cannot change it.",
        permission=permission,
        run=run,
        form=OperatorMetadataForm,
        initial=lambda credential: {"metadata": spell_metadata(credential.operator_metadata)},
        widens=True,  # backends may allow more for a better plan
        is_bulk=False,
    )


class KeySecretInline(SecretInline):
    """The secrets of a key."""

    model = KeySecret


def _note_key(key: ApiKey, *, by: Actor, metadata: dict[str, object]) -> ChangedCredential[ApiKey]:
    return note_credential(key, metadata, by=by)


@admin.register(ApiKey)
class ApiKeyAdmin(CredentialAdmin[ApiKey]):
    """API keys, with the same status words as the consumers' pages."""

    list_display = ("name", "hint", "organization", "api", "environment", "status", "last_used_at")
    list_filter = (StatusFilter, "environment", "api", "created_at")
    list_select_related = ("organization", "api")
    search_fields = (
        "name", "public_id", "secrets__hint", "secrets__public_id", "organization__name", "organization__public_id",
        "organization__external_id",
    )  # fmt: skip
    fields = (
        "public_id", "name", "note", "organization", "api", "environment", "owner", "status", "granted", "from_where",
        "limits", "uses", "metadata", "noted", "not_before", "expires_at", "disabled_at", "revoked_at", "revoke_reason",
        "last_used_at", "created_at",
    )  # fmt: skip
    inlines = (KeySecretInline,)
    staff_actions = (
        operator_metadata_action("keys.change_apikey", _note_key),
        StaffAction(
            name="pause",
            label="Pause",
            done="Paused",
            consequence="Every request with the key is refused at once (DISABLED), until it is resumed,"
            " which its organization can do, too.",
            permission="keys.change_apikey",
            run=disable_credential,
            offered=lambda key: key.revoked_at is None and key.disabled_at is None,
            is_danger=True,
        ),
        StaffAction(
            name="resumption",
            label="Resume",
            done="Resumed",
            consequence="Requests with the key are answered again, within its own dates, limits and networks.",
            permission="keys.change_apikey",
            run=enable_credential,
            widens=True,
            offered=lambda key: key.revoked_at is None and key.disabled_at is not None,
        ),
        StaffAction(
            name="revocation",
            label="Revoke",
            done="Revoked",
            consequence="Every request with the key is refused at once (REVOKED), for good."
            " Its organization has to issue a new one.",
            permission="keys.change_apikey",
            run=revoke_credential,
            form=ReasonForm,
            offered=lambda key: key.revoked_at is None,
            is_danger=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """Load the keys with their secrets, without the digests."""
        newest_first = KeySecret.objects.order_by("-pk").defer("digest", "pepper_version")
        keys = super().get_queryset(request).select_related("organization", "api", "owner")
        return keys.prefetch_related(Prefetch("secrets", newest_first))

    def facts(self, obj: ApiKey) -> dict[str, object]:
        """Return the facts that staff should know before an action stops or resumes traffic."""
        return {
            "Hint": self.hint(obj),
            "Organization": obj.organization,
            "API": obj.api,
            "Environment": obj.environment,
            "Status": self.status(obj),
            "Last request": obj.last_used_at or "never",
        }

    @admin.display(description="key")
    def hint(self, key: ApiKey) -> str:
        """Return the hint of the newest secret."""
        return next((secret.hint for secret in key.secrets.all()), "none")

    @admin.display(description="scopes")
    def granted(self, key: ApiKey) -> str:
        return ", ".join(key.scopes) or "none"

    @admin.display(description="quota")
    def uses(self, key: ApiKey) -> str:
        return activity.words(key.quota) or "any number of uses"

    @admin.display(description="status")
    def status(self, key: ApiKey) -> str:
        """Return the status that the key's own page shows."""
        now = timezone.now()
        working = [secret for secret in key.secrets.all() if secret.works(now)]
        return key_view(key, working, may_manage=False, now=now).status.value
