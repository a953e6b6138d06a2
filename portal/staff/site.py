"""The operator's admin site: stock admin behind the portal's own sign-in and a second factor."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
from allauth.account.authentication import get_authentication_records
from allauth.account.decorators import secure_admin_login
from allauth.account.utils import get_next_redirect_url
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from portal.staff import pasted
from portal.staff.shown import NO_VALUE, Figure, Summary, search_table
from portal.ui.times import relative_words

if TYPE_CHECKING:
    from django.db.models import Model

    from portal.staff.operated import OperatedAdmin

LATEST_EVENTS = 10
SUMMARY_KEPT_FOR_S = 60
SECTIONS = {
    "Consumers": ("Organization", "User", "ApiKey", "Client"),
    "APIs": ("Api", "ApiSecret", "SigningKey"),
    "Operation": ("AuditEvent", "Group"),
}


class LatchkeyAdminSite(admin.AdminSite):
    """Admin for the operator's staff who have used a second factor in this session."""

    site_header = "Latchkey operations"
    site_title = "Latchkey operations"
    index_title = "Operations"
    empty_value_display = NO_VALUE
    index_template = "admin/latchkey/index.html"
    _registry: "dict[type[Model], OperatedAdmin[Any]]"  # type: ignore[assignment]  # once all apps are loaded
    enable_nav_sidebar = False  # seven kinds of things need no second menu, and lists need the width

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")

    def has_permission(self, request: HttpRequest) -> bool:
        """Return True if the person may open admin at all; each page checks its own permission, too."""
        return super().has_permission(request) and _has_shown_second_factor(request)

    @method_decorator([never_cache, secure_admin_login])  # strangers go to sign in, members who are no staff get 403
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirect staff to set up or use a second factor, and then back here."""
        back = get_next_redirect_url(request) or reverse("admin:index")
        if self.has_permission(request):
            return redirect(back)
        if is_mfa_enabled(request.user):
            step = "mfa_reauthenticate"  # signed in before the second factor was set up
        else:
            messages.info(request, "Staff need a second factor. Set it up, then come back to admin.")
            step = "mfa_activate_totp"
        return redirect(f"{reverse(step)}?{urlencode({REDIRECT_FIELD_NAME: back})}")

    def get_urls(self) -> list[Any]:
        """Add the search page."""
        return [path("search/", self.admin_view(self.search_view), name="search"), *super().get_urls()]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the name of this installation, and the sections that the person may open."""
        offered = {model["object_name"]: model for app in self.get_app_list(request) for model in app["models"]}
        for model in offered.values():
            model["name"] = self._registry[model["model"]].heading
        sections = {title: [offered[name] for name in names if name in offered] for title, names in SECTIONS.items()}
        return {
            **super().each_context(request),
            "environment_name": settings.ENVIRONMENT_NAME,
            "sections": {title: models for title, models in sections.items() if models},
        }

    def searched(self, request: HttpRequest) -> "list[OperatedAdmin[Any]]":
        """Return the admin classes of the models that this person may search, in the order of the sections."""
        found = [each for each in self._registry.values() if each.row_columns and each.has_view_permission(request)]
        order = [name for names in SECTIONS.values() for name in names]
        return sorted(found, key=lambda model_admin: order.index(str(model_admin.opts.object_name)))

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show figures, a chart and the latest audit events, as far as the person may view what they are about."""
        from portal import activity  # this module is loaded before models are
        from portal.models import AuditEvent

        summaries = [_remembered_summary(model_admin) for model_admin in self.searched(request)]
        may_see = request.user.has_perm("portal.view_auditevent")
        events = AuditEvent.objects.order_by("-at", "-pk")[:LATEST_EVENTS] if may_see else []
        context = {
            "figures": [*(figure for summary in summaries for figure in summary.figures), _sweeps()],
            "bars": next((summary.bars for summary in summaries if summary.bars), None),
            "may_see_events": may_see,
            "events": activity.tell(events),
        }
        return super().index(request, context | (extra_context or {}))

    @method_decorator(sensitive_post_parameters(SEARCH_VAR))
    def search_view(self, request: HttpRequest) -> HttpResponse:
        """Search all models for a text, or for the owner of a pasted secret, which is posted and not kept."""
        admins = self.searched(request)
        if not admins:
            raise PermissionDenied
        if request.method == "POST":
            return pasted.search(request, admins)
        if pasted.is_in_url(request):
            return redirect(request.path)
        text = pasted.searchable(request.GET.get(SEARCH_VAR, ""))
        tables = [search_table(model_admin, request, text) for model_admin in admins] if text else []
        context = {
            **self.each_context(request),
            "title": "Search",
            "text": text,
            "tables": [table for table in tables if table.rows],
        }
        return TemplateResponse(request, "admin/latchkey/search.html", context)

    def app_index(  # type: ignore[override]  # the stubs promise a page where this redirects
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the index, which lists the models of all apps."""
        if not self.get_app_list(request, app_label):
            raise Http404
        return redirect("admin:index")

    def password_change(  # type: ignore[override]  # the stubs promise a page where Django's own may redirect
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the portal's own page, which audits the change."""
        return redirect("account_change_password")

    def password_change_done(  # type: ignore[override]  # as above
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the portal's own page."""
        return redirect("account_change_password")


def _remembered_summary(model_admin: "OperatedAdmin[Any]") -> Summary:
    """Return figures about all objects of a model, at most a minute old: to count them may take a second."""
    name = f"staff.summary.{model_admin.opts.label_lower}"
    with suppress(msgspec.ValidationError):  # nothing is kept, or what another version of Latchkey keeps
        return msgspec.convert(cache.get(name), Summary)
    summary = model_admin.summary(None, now=timezone.now())
    cache.set(name, msgspec.to_builtins(summary), SUMMARY_KEPT_FOR_S)
    return summary


def _sweeps() -> Figure:
    from portal.operations.health import MAX_SWEEP_AGE_S
    from portal.operations.sweep_runs import last_sweep

    last, now = last_sweep(), timezone.now()
    if last is None:
        return Figure("Sweeps", "None yet", "Do worker and scheduler run?")
    is_late = (now - last).total_seconds() > MAX_SWEEP_AGE_S
    return Figure("Sweeps", "Late" if is_late else "On time", f"The last one ended {relative_words(last, now=now)}")


def _has_shown_second_factor(request: HttpRequest) -> bool:
    """Return True if this session, not just the account, has used a second factor.

    So a session stolen before the factor was set up cannot open admin.
    """
    records = get_authentication_records(request, request.user)
    return any(record.get("method") == "mfa" for record in records) and is_mfa_enabled(request.user)
