"""Consumers' keys in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from keys.admin.credentials import CredentialAdmin, SecretInline, credential_actions
from keys.models import ApiKey, KeySecret
from keys.pages.key_pages import KEY_PAGES, KEYS
from keys.rules.states import CredentialStatus
from portal import activity


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


class KeySecretInline(SecretInline):
    """The secrets of a key."""

    model = KeySecret


@admin.register(ApiKey)
class ApiKeyAdmin(CredentialAdmin[ApiKey]):
    """API keys, with the same status words as the consumers' pages."""

    pages = KEY_PAGES
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
    staff_actions = credential_actions(
        "keys.change_apikey",
        paused="Every request with the key is refused at once (DISABLED), until you or its organization resumes it.",
        resumed="The key works again, within its dates, limits and allowed addresses.",
        revoked="Every request with the key is refused at once (REVOKED). This cannot be undone:"
        " the organization has to create a new key.",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """Load the keys with their APIs."""
        return super().get_queryset(request).select_related("api")

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

    @admin.display(description="hint")
    def hint(self, key: ApiKey) -> str:
        """Return the hint of the newest secret."""
        return next((secret.hint for secret in key.secrets.all()), "none")

    @admin.display(description="scopes")
    def granted(self, key: ApiKey) -> str:
        return ", ".join(key.scopes) or "none"

    @admin.display(description="quota")
    def uses(self, key: ApiKey) -> str:
        return activity.value_words("quota", key.quota)
