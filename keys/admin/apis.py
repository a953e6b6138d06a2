"""APIs in the admin, created and edited on a page of our own."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from keys.admin.api_secrets import shown_once, status_badge
from keys.admin.forms import ApiForm, IssueForm, initial_of, settings_of
from keys.admin.scope_removal import named
from keys.models import Api, ApiSecret, Environment, Scope
from keys.rules.field_rules import rate_words
from keys.services.api_secrets import issue_api_secret
from keys.services.apis import create_api, disable_api, edit_api, enable_api
from keys.services.errors import Invalid, Refused
from portal import reauthentication
from portal.audit import Actor, ActorKind
from portal.http import actor_of
from portal.staff.actions import Reveal, StaffAction
from portal.staff.operated import OperatedAdmin
from portal.staff.shown import NO_VALUE, ShownInline, short
from portal.templatetags.ui import status


class ScopeInline(ShownInline):
    """The scopes of an API."""

    model = Scope
    fields = readonly_fields = ("name", "description", "sensitive")
    empty = "No scopes yet. Edit the API to add some."
    max_rows = 20

    @admin.display(description="sensitive")
    def sensitive(self, scope: Scope) -> str:
        return "Yes" if scope.is_sensitive else "No"


class ApiSecretInline(ShownInline):
    """The secrets of an API's backends."""

    model = ApiSecret
    fields = readonly_fields = ("hint", "environment", "status", "created_at", "last_used_at", "ends_at")
    show_change_link = True
    ordering = ("-pk",)
    empty = "No secrets yet. Issue one, and give it to the API's backend."

    @admin.display(description="status")
    def status(self, secret: ApiSecret) -> SafeString:
        return status_badge(secret)


def _issue(api: Api, *, by: Actor, name: str, environment: Environment, submission: UUID) -> Reveal:
    return shown_once(issue_api_secret(api, name=name, environment=environment, by=by, submission=submission))


@admin.register(Api)
class ApiAdmin(OperatedAdmin[Api]):
    """Protected resource servers. Our own page creates and edits them, by calling the services."""

    own_pages: ClassVar[Mapping[str, str]] = {"keys.add_api": "add", "keys.change_api": "edit"}
    declines = (Refused,)
    list_display = row_columns = ("name", "identifier", "public_id", "state", "key_count", "created_at")
    empty = "No APIs yet. Add the first one: consumers create keys for it, and its backends validate them."
    search_fields = ("name", "identifier", "public_id")
    ordering = ("name", "pk")
    fields = (
        "public_id", "state", "disabled_at", "name", "identifier", "description", "limits", "ceiling",
        "signing_algorithm", "token_lifetime_s", "kind", "created_at",
    )  # fmt: skip
    inlines = (ApiSecretInline, ScopeInline)
    staff_actions = (
        StaffAction(
            name="secret",
            label="Issue a secret",
            title="Issue a secret for {name}",
            done="Issued a secret of",
            consequence="A backend with this secret can validate the API's credentials."
            " It is shown once, on the next page.",
            permission="keys.add_apisecret",
            run=_issue,
            reveals=True,
            widens=True,
            form=IssueForm,
            offered=lambda api: api.disabled_at is None,
            is_bulk=False,
        ),
        StaffAction(
            name="disabling",
            label="Disable",
            done="Disabled",
            consequence="All credentials of the API are refused at once (DISABLED), and its backends get 401,"
            " until you enable it again.",
            permission="keys.change_api",
            run=disable_api,
            offered=lambda api: api.disabled_at is None,
            is_danger=True,
        ),
        StaffAction(
            name="enabling",
            label="Enable",
            done="Enabled",
            consequence="The API's credentials and secrets work again at once.",
            permission="keys.change_api",
            run=enable_api,
            widens=True,
            offered=lambda api: api.disabled_at is not None,
        ),
    )

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tell whether the user may create APIs, which happens on our own page."""
        return bool(request.user.has_perm("keys.add_api"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Api]:
        """Annotate each API with its number of unrevoked keys."""
        live = Count("api_keys", filter=Q(api_keys__revoked_at=None))
        apis: QuerySet[Api] = super().get_queryset(request).annotate(keys_n=live)
        return apis

    def facts(self, obj: Api) -> dict[str, object]:
        """Return the facts that staff should know before an action stops or resumes traffic."""
        newest = obj.api_keys.exclude(last_used_at=None).order_by("-last_used_at").first()
        return {
            "Identifier": short(obj.identifier),
            "Keys": self.key_count(obj),
            "Last request": newest.last_used_at if newest else "Never",
            "Status": self.state(obj),
        }

    @admin.display(description="status", ordering="disabled_at")
    def state(self, api: Api) -> SafeString:
        """Return whether the API is active or disabled."""
        return status("Disabled", "bad") if api.disabled_at else status("Active", "ok")

    @admin.display(description="kind")
    def kind(self, api: Api) -> str:
        return "Built in: Latchkey itself" if api.is_builtin else "Your own"

    @admin.display(description="keys", ordering="keys_n")
    def key_count(self, api: Api) -> int:
        """Count the keys that were not revoked."""
        return int(getattr(api, "keys_n", 0))

    @admin.display(description="default rate limits")
    def limits(self, api: Api) -> str:
        return rate_words(api.default_rate_limits) or NO_VALUE

    @admin.display(description="rate limit ceiling")
    def ceiling(self, api: Api) -> str:
        return rate_words(api.max_rate_limits) or NO_VALUE

    def get_urls(self) -> list[URLPattern]:
        """Add the URL of our edit page."""
        edit = self.admin_site.admin_view(self.edit_view)
        return [path("<int:pk>/edit/", edit, name="keys_api_edit"), *super().get_urls()]

    def links(self, request: HttpRequest, obj: Api) -> list[dict[str, object]]:
        """Put the link to the edit page first."""
        may_edit = request.user.has_perm("keys.change_api") and not obj.is_builtin
        edit = {"label": "Edit", "href": reverse("admin:keys_api_edit", args=[obj.pk]), "is_danger": False}
        return [*([edit] if may_edit else []), *super().links(request, obj)]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Create an API with its scopes."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._form_page(request, None)

    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Edit an API and its scopes."""
        if not request.user.has_perm("keys.change_api"):
            raise PermissionDenied
        return self._form_page(request, get_object_or_404(Api, pk=pk))

    def _form_page(self, request: HttpRequest, api: Api | None) -> HttpResponse:
        data = request.POST if request.method == "POST" else None
        if data is not None:  # a new scope or a raised limit lets credentials do more
            reauthentication.require_recent(request)
        form = ApiForm(data, api=api, initial=initial_of(api) if api else None, label_suffix="")
        if data is not None and form.is_valid():
            saved = self._save(request, api, form)
            if saved is not None:
                removed = f" Removed {named(form.removed)}." if form.removed else ""
                messages.success(request, f"Saved {saved}.{removed}")
                return redirect("admin:keys_api_change", saved.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Edit {api}" if api else "Add API",
            "opts": self.opts,
            "original": api,
            "form": form,
        }
        return TemplateResponse(request, "admin/latchkey/api_form.html", context, status=200 if data is None else 422)

    def _save(self, request: HttpRequest, api: Api | None, form: ApiForm) -> Api | None:
        by, wanted = actor_of(request, ActorKind.STAFF), settings_of(form)
        try:
            if api is None:
                return create_api(form.cleaned_data["identifier"], wanted, by=by).api
            return edit_api(api, wanted, by=by, seen_version=form.cleaned_data["seen_version"]).api
        except Invalid as exc:
            form.add_error(exc.field if exc.field in form.fields else None, str(exc))
        except Refused as exc:
            form.add_error(None, str(exc))
        return None
