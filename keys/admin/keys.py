"""Consumers' keys in the admin."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from keys.admin.credentials import CredentialAdmin, SecretInline, credential_actions
from keys.models import ApiKey, KeySecret
from keys.pages import usage_reports
from keys.pages.key_pages import DAYS, KEY_PAGES, KEYS
from keys.rules.states import CredentialStatus
from portal import activity
from portal.models import Organization
from portal.staff.shown import NO_VALUE, Figure, Summary, listed, short
from portal.ui.charts import Bar


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
    list_display = row_columns = ("name", "hint", "organization", "api", "environment", "status", "last_used_at")
    empty = "No API keys yet. Members of organizations create them."
    list_filter = (StatusFilter, "environment", "api", "created_at")
    list_select_related = ("organization", "api")
    search_fields = (
        "name", "public_id", "secrets__hint", "secrets__public_id", "organization__name", "organization__public_id",
        "organization__external_id",
    )  # fmt: skip
    fields = (
        "public_id", "name", "note", "organization", "api", "environment", "owner", "service_account", "status",
        "granted", "from_where", "limits", "uses", "own_metadata", "noted", "not_before", "expires_at", "disabled_at",
        "revoked_at", "revoke_reason", "last_used_at", "created_at",
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

    def summary(self, organization: Organization | None, *, now: datetime) -> Summary:
        """Count the keys that work, and the validations of the last days."""
        keys = ApiKey.objects.filter(
            Q(expires_at=None) | Q(expires_at__gt=now),
            revoked_at=None,
            disabled_at=None,
            organization__suspended_at=None,
            organization__closed_at=None,
        )
        if organization is None:
            calls, days = usage_reports.all_validations(now=now), usage_reports.days_of_validations(days=DAYS, now=now)
        else:
            keys = keys.filter(organization=organization)
            calls = usage_reports.calls_of_organization(organization, now=now)
            days = usage_reports.days_of_organization(organization, days=DAYS, now=now)
        of_what = "Validations" if organization is None else "Validations of keys"
        denied = f"{calls.share_words} denied" if calls.total else ""
        return Summary(
            [Figure("Active keys", f"{keys.count():,}"), Figure(f"{of_what}, 24 h", calls.total_words, denied)],
            [Bar(f"{day.date:%a} {day.date.day}", day.allowed, day.denied) for day in days],
        )

    def facts(self, obj: ApiKey) -> dict[str, object]:
        """Return the facts that staff should know before an action stops or resumes traffic."""
        return {
            "Hint": self.hint(obj),
            "Organization": short(obj.organization),
            "API": short(obj.api),
            "Environment": obj.get_environment_display(),
            "Status": self.status(obj),
            "Last request": obj.last_used_at or "Never",
            "Calls, 24\N{NO-BREAK SPACE}h": usage_reports.calls_of_key(obj, now=timezone.now()).total_words,
        }

    @admin.display(description="hint")
    def hint(self, key: ApiKey) -> str:
        """Return the hint of the newest secret."""
        return next((secret.hint for secret in key.secrets.all()), NO_VALUE)

    @admin.display(description="scopes")
    def granted(self, key: ApiKey) -> SafeString | str:
        return listed(key.scopes, "scopes") or NO_VALUE

    @admin.display(description="quota")
    def uses(self, key: ApiKey) -> str:
        return activity.value_words("quota", key.quota)
