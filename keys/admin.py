"""APIs, their secrets, and consumers' keys, for staff. What is stored of a secret is never shown; a new one once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Model, Prefetch, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from keys.admin_forms import (
    ApiForm,
    IssueForm,
    ReasonForm,
    RollForm,
    ScopeFormSet,
    initial_of,
    initial_scopes_of,
    settings_of,
    spell_rate_limit,
)
from keys.key_list import Wanted, matching
from keys.models import Api, ApiKey, ApiSecret, Environment, KeySecret, RevokeReason, Scope
from keys.presenters import key_view
from keys.services.api_secrets import (
    IssuedApiSecret,
    disable_api_secret,
    enable_api_secret,
    end_api_secret,
    issue_api_secret,
    revoke_api_secret,
    roll_api_secret,
)
from keys.services.apis import create_api, disable_api, edit_api, enable_api
from keys.services.errors import Invalid, Refused
from keys.services.keys import disable_key, enable_key, revoke_key
from keys.states import Status
from portal.admin_actions import OperatedAdmin, Reveal, ShownInline, StaffAction
from portal.audit import Actor, ActorKind
from portal.http import actor_of
from portal.outbox import Propagation

# --- APIs ---


class ScopeInline(ShownInline):
    """What the API's credentials can be allowed."""

    model = Scope
    fields = readonly_fields = ("name", "description", "is_sensitive")


class ApiSecretInline(ShownInline):
    """What its backends present."""

    model = ApiSecret
    fields = readonly_fields = ("hint", "environment", "status", "created_at", "last_used_at", "ends_at")
    show_change_link = True
    ordering = ("-pk",)

    @admin.display(description="status")
    def status(self, secret: ApiSecret) -> str:
        """In a word."""
        return _status_of(secret)


def _disable_api(api: Api, *, by: Actor) -> Propagation:
    return disable_api(api, by=by).propagation


def _enable_api(api: Api, *, by: Actor) -> Propagation:
    return enable_api(api, by=by).propagation


def _issue(api: Api, *, by: Actor, name: str, environment: Environment, submission: UUID) -> Reveal:
    return _shown_once(issue_api_secret(api, name=name, environment=environment, by=by, submission=submission))


@admin.register(Api)
class ApiAdmin(OperatedAdmin[Api]):
    """Protected resource servers. Made and edited on a page of their own, which calls the service."""

    declines = (Refused,)
    list_display = ("name", "identifier", "public_id", "key_count", "disabled_at", "created_at")
    search_fields = ("name", "identifier", "public_id")
    ordering = ("name", "pk")
    fields = (
        "public_id", "name", "identifier", "description", "limits", "is_builtin", "disabled_at",
        "created_at",
    )  # fmt: skip
    inlines = (ScopeInline, ApiSecretInline)
    staff_actions = (
        StaffAction(
            name="secret",
            label="Issue a secret",
            done="Issued a secret of",
            consequence="Whoever holds it may ask about this API's credentials. It is shown once, on the next page.",
            permission="keys.add_apisecret",
            run=_issue,
            form=IssueForm,
            offered=lambda api: api.disabled_at is None,
            is_bulk=False,
        ),
        StaffAction(
            name="disabling",
            label="Disable",
            done="Disabled",
            consequence="Every credential of the API is refused at once (DISABLED), and backends get 401,"
            " until it is enabled again.",
            permission="keys.change_api",
            run=_disable_api,
            offered=lambda api: api.disabled_at is None,
            is_danger=True,
        ),
        StaffAction(
            name="enabling",
            label="Enable",
            done="Enabled",
            consequence="Credentials of the API and its backends' secrets work again at once.",
            permission="keys.change_api",
            run=_enable_api,
            offered=lambda api: api.disabled_at is not None,
        ),
    )

    @property
    def permissions(self) -> set[str]:
        """Also that of the page that makes one."""
        return {*super().permissions, "keys.add_api"}

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """On a page of our own."""
        return bool(request.user.has_perm("keys.add_api"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Api]:
        """APIs, with how many keys each has."""
        live = Count("api_keys", filter=Q(api_keys__revoked_at=None))
        apis: QuerySet[Api] = super().get_queryset(request).annotate(keys_n=live)
        return apis

    def facts(self, obj: Api) -> dict[str, object]:
        """What to know before stopping or resuming its traffic."""
        newest = obj.api_keys.exclude(last_used_at=None).order_by("-last_used_at").first()
        return {
            "Identifier": obj.identifier,
            "Keys": self.key_count(obj),
            "Last request": newest.last_used_at if newest else "never",
            "Disabled": obj.disabled_at or "no",
        }

    @admin.display(description="keys", ordering="keys_n")
    def key_count(self, api: Api) -> int:
        """Keys that were not revoked."""
        return int(getattr(api, "keys_n", 0))

    @admin.display(description="default rate limits")
    def limits(self, api: Api) -> str:
        """As one types them."""
        return ", ".join(map(spell_rate_limit, api.default_rate_limits)) or "none"

    def get_urls(self) -> list[URLPattern]:
        """And the page that edits one."""
        edit = self.admin_site.admin_view(self.edit_view)
        return [path("<int:pk>/edit/", edit, name="keys_api_edit"), *super().get_urls()]

    def links(self, request: HttpRequest, obj: Api) -> list[dict[str, object]]:
        """Editing comes first."""
        may_edit = request.user.has_perm("keys.change_api") and not obj.is_builtin
        edit = {"label": "Edit", "href": reverse("admin:keys_api_edit", args=[obj.pk]), "is_danger": False}
        return [*([edit] if may_edit else []), *super().links(request, obj)]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Make an API with its scopes."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._form_page(request, None)

    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Edit an API and its scopes."""
        if not request.user.has_perm("keys.change_api"):
            raise PermissionDenied
        api = Api.objects.filter(pk=pk).first()
        if api is None:
            raise Http404
        return self._form_page(request, api)

    def _form_page(self, request: HttpRequest, api: Api | None) -> HttpResponse:
        data = request.POST if request.method == "POST" else None
        form = ApiForm(data, api=api, initial=initial_of(api) if api else None)
        scopes = ScopeFormSet(data, prefix="scopes", initial=initial_scopes_of(api) if api else None)
        if data is not None and form.is_valid() and scopes.is_valid():
            saved = self._save(request, api, form, scopes)
            if saved is not None:
                messages.success(request, f"Saved {saved}.")
                return redirect("admin:keys_api_change", saved.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Edit {api}" if api else "Add API",
            "opts": self.opts,
            "original": api,
            "form": form,
            "scopes": scopes,
        }
        return TemplateResponse(request, "admin/latchkey/api_form.html", context, status=200 if data is None else 422)

    def _save(
        self, request: HttpRequest, api: Api | None, form: ApiForm, scopes: "forms.BaseFormSet[Any]"
    ) -> Api | None:
        by, wanted = actor_of(request, ActorKind.STAFF), settings_of(form, scopes)
        try:
            if api is None:
                return create_api(form.cleaned_data["identifier"], wanted, by=by).api
            return edit_api(api, wanted, by=by, seen_version=form.cleaned_data["seen_version"]).api
        except Invalid as exc:
            form.add_error(exc.field if exc.field in form.fields else None, str(exc))
        except Refused as exc:
            form.add_error(None, str(exc))
        return None


# --- API secrets ---


def _roll(secret: ApiSecret, *, by: Actor, overlap: timedelta, submission: UUID) -> Reveal:
    rolled = roll_api_secret(secret, overlap=overlap, by=by, submission=submission, seen_secret_id=secret.public_id)
    return _shown_once(rolled)


def _shown_once(issued: IssuedApiSecret) -> Reveal:
    context = {"title": "Copy the new secret now", "secret": issued.secret, "secret_text": issued.secret_text}
    return Reveal("admin/latchkey/secret_once.html", {**context, "propagation": issued.propagation})


def _end(secret: ApiSecret, *, by: Actor) -> Propagation:
    return end_api_secret(secret, by=by).propagation


def _disable_secret(secret: ApiSecret, *, by: Actor) -> Propagation:
    return disable_api_secret(secret, by=by).propagation


def _enable_secret(secret: ApiSecret, *, by: Actor) -> Propagation:
    return enable_api_secret(secret, by=by).propagation


def _revoke_secret(secret: ApiSecret, *, by: Actor, reason: RevokeReason) -> Propagation:
    return revoke_api_secret(secret, reason=reason, by=by).propagation


def _status_of(secret: ApiSecret) -> str:
    now = timezone.now()
    if secret.revoked_at is not None:
        return Status.LEAKED if secret.revoke_reason == RevokeReason.LEAKED else Status.REVOKED
    if not secret.works(now):
        return "Ended"
    if secret.disabled_at is not None:
        return Status.PAUSED
    return Status.RETIRING if secret.ends_at else Status.ACTIVE


def _can_work(secret: ApiSecret) -> bool:
    return secret.revoked_at is None and secret.works(timezone.now())


@admin.register(ApiSecret)
class ApiSecretAdmin(OperatedAdmin[ApiSecret]):
    """What backends and gateways present. Issued from the page of their API."""

    declines = (Refused,)
    list_display = ("name", "hint", "api", "environment", "status", "last_used_at", "created_at")
    list_filter = ("environment", "api")
    list_select_related = ("api",)
    search_fields = ("name", "hint", "public_id", "api__name", "api__public_id")
    ordering = ("-pk",)
    fields = (
        "public_id", "name", "hint", "api", "environment", "status", "created_at", "created_by", "last_used_at",
        "last_used_from", "ends_at", "revoked_at", "revoke_reason",
    )  # fmt: skip
    staff_actions = (
        StaffAction(
            name="roll",
            label="Roll",
            done="Rolled",
            consequence="A new secret is made and shown once, on the next page."
            " The old one goes on for as long as you say.",
            permission="keys.change_apisecret",
            run=_roll,
            form=RollForm,
            offered=lambda secret: _can_work(secret) and secret.ends_at is None,
            is_bulk=False,
        ),
        StaffAction(
            name="ending",
            label="End now",
            done="Ended",
            consequence="Backends that still present this old secret get 401 at once.",
            permission="keys.change_apisecret",
            run=_end,
            offered=lambda secret: _can_work(secret) and secret.ends_at is not None,
            is_danger=True,
        ),
        StaffAction(
            name="disabling",
            label="Disable",
            done="Disabled",
            consequence="Backends that present the secret get 401 at once, until it is enabled again.",
            permission="keys.change_apisecret",
            run=_disable_secret,
            offered=lambda secret: _can_work(secret) and secret.disabled_at is None,
            is_danger=True,
        ),
        StaffAction(
            name="enabling",
            label="Enable",
            done="Enabled",
            consequence="Backends that present the secret are answered again.",
            permission="keys.change_apisecret",
            run=_enable_secret,
            offered=lambda secret: _can_work(secret) and secret.disabled_at is not None,
        ),
        StaffAction(
            name="revocation",
            label="Revoke",
            done="Revoked",
            consequence="Backends that present the secret get 401 at once, for good.",
            permission="keys.change_apisecret",
            run=_revoke_secret,
            form=ReasonForm,
            offered=lambda secret: secret.revoked_at is None,
            is_danger=True,
        ),
    )

    def facts(self, obj: ApiSecret) -> dict[str, object]:
        """What to know before a backend is turned away."""
        return {
            "Hint": obj.hint,
            "API": obj.api,
            "Environment": obj.environment,
            "Status": _status_of(obj),
            "Last used": obj.last_used_at or "never",
            "From": obj.last_used_from or "none",
        }

    @admin.display(description="status")
    def status(self, secret: ApiSecret) -> str:
        """In a word."""
        return _status_of(secret)


# --- API keys ---


class StatusFilter(admin.SimpleListFilter):
    """The words that the consumers' own pages use."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Each of them."""
        return [(status.value, status.value) for status in Status]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        """Those with that word now."""
        word = self.value()
        if word not in set(Status):
            return queryset
        return matching(queryset, Wanted(status=Status(word)), now=timezone.now())


class KeySecretInline(ShownInline):
    """A key's secrets, by their hints."""

    model = KeySecret
    fields = readonly_fields = ("hint", "public_id", "created_at", "last_used_at", "last_used_from", "ends_at")


def _pause(key: ApiKey, *, by: Actor) -> Propagation:
    return disable_key(key, by=by).propagation


def _resume(key: ApiKey, *, by: Actor) -> Propagation:
    return enable_key(key, by=by).propagation


def _revoke(key: ApiKey, *, by: Actor, reason: RevokeReason) -> Propagation:
    return revoke_key(key, reason=reason, by=by).propagation


@admin.register(ApiKey)
class ApiKeyAdmin(OperatedAdmin[ApiKey]):
    """Consumers' keys: read, and stopped where need be. Making and editing them is the consumers' own affair."""

    declines = (Refused,)
    list_display = ("name", "hint", "organization", "api", "environment", "status", "last_used_at")
    list_filter = (StatusFilter, "environment", "api", "created_at")
    list_select_related = ("organization", "api")
    search_fields = (
        "name", "public_id", "secrets__hint", "secrets__public_id", "organization__name", "organization__public_id",
    )  # fmt: skip
    ordering = ("-created_at", "-pk")
    fields = (
        "public_id", "name", "note", "organization", "api", "environment", "owner", "status", "granted", "from_where",
        "limits", "metadata", "not_before", "expires_at", "disabled_at", "revoked_at", "revoke_reason",
        "last_used_at", "created_at",
    )  # fmt: skip
    inlines = (KeySecretInline,)
    staff_actions = (
        StaffAction(
            name="pause",
            label="Pause",
            done="Paused",
            consequence="Every request with the key is refused at once (DISABLED), until it is resumed,"
            " which its organization can do, too.",
            permission="keys.change_apikey",
            run=_pause,
            offered=lambda key: key.revoked_at is None and key.disabled_at is None,
            is_danger=True,
        ),
        StaffAction(
            name="resumption",
            label="Resume",
            done="Resumed",
            consequence="Requests with the key are answered again, within its own dates, limits and networks.",
            permission="keys.change_apikey",
            run=_resume,
            offered=lambda key: key.revoked_at is None and key.disabled_at is not None,
        ),
        StaffAction(
            name="revocation",
            label="Revoke",
            done="Revoked",
            consequence="Every request with the key is refused at once (REVOKED), for good."
            " Its organization has to issue a new one.",
            permission="keys.change_apikey",
            run=_revoke,
            form=ReasonForm,
            offered=lambda key: key.revoked_at is None,
            is_danger=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """Keys, with their secrets."""
        newest_first = KeySecret.objects.order_by("-pk").defer("digest", "pepper_version")
        keys = super().get_queryset(request).select_related("organization", "api", "owner")
        return keys.prefetch_related(Prefetch("secrets", newest_first))

    def facts(self, obj: ApiKey) -> dict[str, object]:
        """What to know before traffic is stopped or let through."""
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
        """What may be shown of its newest secret."""
        return next((secret.hint for secret in key.secrets.all()), "none")

    @admin.display(description="scopes")
    def granted(self, key: ApiKey) -> str:
        """What it may do."""
        return ", ".join(key.scopes) or "none"

    @admin.display(description="networks")
    def from_where(self, key: ApiKey) -> str:
        """Where its calls may come from."""
        return ", ".join(key.networks) or "any"

    @admin.display(description="rate limits")
    def limits(self, key: ApiKey) -> str:
        """As one types them."""
        return ", ".join(map(spell_rate_limit, key.rate_limits)) or "the API's"

    @admin.display(description="status")
    def status(self, key: ApiKey) -> str:
        """As its own page says."""
        now = timezone.now()
        working = [secret for secret in key.secrets.all() if secret.works(now)]
        return key_view(key, working, may_manage=False, now=now).status.value
