"""The operator's admin site: stock admin behind the portal's own sign-in and a second factor."""

from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.decorators import secure_admin_login
from allauth.account.utils import get_next_redirect_url
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import admin, messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

LATEST_EVENTS = 10


class LatchkeyAdminSite(admin.AdminSite):
    """Admin for the operator's staff who have used a second factor in this session."""

    site_header = "Latchkey operations"
    site_title = "Latchkey operations"
    index_title = "Operations"
    index_template = "admin/latchkey/index.html"
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

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the index, with the latest audit events if the person may view them."""
        from portal.models import AuditEvent  # this module is loaded before models are

        may_see = request.user.has_perm("portal.view_auditevent")
        events = AuditEvent.objects.order_by("-at", "-pk")[:LATEST_EVENTS] if may_see else None
        return super().index(request, {"events": events, **(extra_context or {})})

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


def _has_shown_second_factor(request: HttpRequest) -> bool:
    """Return True if this session, not just the account, has used a second factor.

    So a session stolen before the factor was set up cannot open admin.
    """
    records = get_authentication_records(request, request.user)
    return any(record.get("method") == "mfa" for record in records) and is_mfa_enabled(request.user)
