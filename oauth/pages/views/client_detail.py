"""Pages of one client: overview with usage and secrets, activity, settings."""

from datetime import datetime

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from keys.pages.forms.actions import ExtensionForm
from keys.pages.presenters import secret_rows
from keys.pages.views.key_detail import CHART_DAYS, SECRETS_SHOWN, Tab, show_activity, show_overlap_use, tabs_of
from oauth.pages import usage
from oauth.pages.forms import TokenForm
from oauth.pages.presenters import ClientView
from oauth.pages.snippets import with_variable
from oauth.pages.views.access import get_view
from oauth.services.tokens import MAX_REVOKED_TOKENS
from portal import activity
from portal.http import MemberRequest, member_required
from portal.metadata import spell_metadata
from portal.permissions import Action
from portal.ui.charts import Bar

TABS = {"clients:detail": "Overview", "clients:activity": "Activity", "clients:settings": "Settings"}


@require_safe
@member_required(Action.VIEW)
def overview(request: MemberRequest, public_id: str) -> HttpResponse:
    """Show the client's usage, its secrets with a running overlap, and the form that revokes a token."""
    now = timezone.now()
    return show_overview(request, get_view(request, public_id, now=now), TokenForm(), now=now)


def show_overview(request: MemberRequest, view: ClientView, form: TokenForm, *, now: datetime) -> HttpResponse:
    """Render the overview; with status 422 if the bound form has an error, such as a pasted text that is no token."""
    client = view.client
    secrets = list(client.secrets.select_related("created_by").order_by("-pk")[:SECRETS_SHOWN])
    days = usage.days_of_tokens(client, days=CHART_DAYS, now=now)
    context = {
        "view": view,
        "tabs": _tabs(view, "clients:detail"),
        "now": now,
        "light": view.light(now),
        "tokens": usage.tokens_of_client(client, now=now),
        "calls": usage.calls_of_client(client, now=now),
        "bars": [Bar(f"{day.date.day} {day.date:%b}", day.allowed, day.denied) for day in days],
        "secrets": secret_rows(view, secrets, now=now),
        "extension": ExtensionForm(),
        "snippets": with_variable(client),
        "token_form": form,
        "revoked_words": _revoked_words(client.revoked_tokens.filter(expires_at__gt=now).count()),
    }
    return render(request, "oauth/client_overview.html", context, status=422 if form.is_bound else 200)


@require_safe
@member_required(Action.VIEW)
def overlap(request: MemberRequest, public_id: str) -> HttpResponse:
    """Show the last use of the client's old secret; the page polls this while the overlap runs."""
    now = timezone.now()
    return show_overlap_use(request, get_view(request, public_id, now=now), now=now)


@require_safe
@member_required(Action.VIEW)
def client_activity(request: MemberRequest, public_id: str) -> HttpResponse:
    """Show the changes of the client, with the values before and after."""
    view = get_view(request, public_id)
    return show_activity(request, view, _tabs(view, "clients:activity"))


@require_safe
@member_required(Action.VIEW)
def client_settings(request: MemberRequest, public_id: str) -> HttpResponse:
    """Show the client's settings in words."""
    view = get_view(request, public_id)
    client = view.client
    context = {
        "view": view,
        "tabs": _tabs(view, "clients:settings"),
        "rate_limits": activity.words(client.rate_limits),
        "metadata": spell_metadata(client.metadata),
        "operator_metadata": spell_metadata(client.operator_metadata),
    }
    return render(request, "oauth/client_settings.html", context)


def _revoked_words(number: int) -> str:
    if not number:
        return "None was revoked by itself"
    return f"{number:,} revoked one by one and not yet expired; past {MAX_REVOKED_TOKENS:,}, one more revokes all"


def _tabs(view: ClientView, current: str) -> list[Tab]:
    return tabs_of(view, TABS, current)
