"""The pages of one key: its use, its settings."""

from datetime import timedelta

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from keys.pages import usage_reports
from keys.pages.key_pages import KEY_PAGES
from keys.pages.presenters import quota_view
from keys.pages.snippets import with_variable
from keys.pages.views.access import get_view
from keys.pages.views.credential_detail import CHART_DAYS, overview_of, settings_of
from keys.pages.views.welcome import first_use_of
from keys.rules.field_rules import rate_words
from portal.http import MemberRequest, member_required
from portal.permissions import Action

CALLERS_SHOWN = 5


@require_safe
@member_required(Action.VIEW)
def overview(request: MemberRequest, public_id: str) -> HttpResponse:
    """Show the key's use, its secrets, and the current overlap."""
    now = timezone.now()
    view = get_view(request, KEY_PAGES, public_id, now=now)
    key = view.subject
    callers = usage_reports.callers_of_key(key, since=now - timedelta(days=CHART_DAYS))
    caller_count = callers.count()
    context = {
        **overview_of(view, usage_reports.days_of_key(key, days=CHART_DAYS, now=now), now=now),
        "calls": usage_reports.calls_of_key(key, now=now),
        "callers": callers[:CALLERS_SHOWN],
        "caller_count": caller_count,
        "more_callers": max(caller_count - CALLERS_SHOWN, 0),
        "snippets": with_variable(),
        "quota": quota_view(key, now=now),
        **first_use_of(key, now=now),
    }
    return render(request, "keys/key_overview.html", context)


@require_safe
@member_required(Action.VIEW)
def key_settings(request: MemberRequest, public_id: str) -> HttpResponse:
    """Show the key's settings in words."""
    view = get_view(request, KEY_PAGES, public_id)
    context = {
        **settings_of(view),
        "ceiling": rate_words(view.subject.api.max_rate_limits),
        "quota": quota_view(view.subject, now=timezone.now()),
    }
    return render(request, "keys/key_settings.html", context)
