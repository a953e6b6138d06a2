"""The pages of one key: its use, its settings, and the form that changes them."""

from datetime import timedelta
from functools import partial

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from keys.models import ApiKey
from keys.pages import usage_reports
from keys.pages.forms.form_policy import FormPolicy
from keys.pages.forms.key_settings import EditKeyForm
from keys.pages.key_pages import KEY_PAGES
from keys.pages.presenters import quota_view
from keys.pages.views.access import get_view, to_change
from keys.pages.views.credential_detail import CHART_DAYS, days_asked, overview_of, settings_of
from keys.pages.views.edit import Difference, differences, edit_in_steps
from keys.pages.views.welcome import first_request_of
from keys.rules.field_rules import rate_words
from keys.rules.key_fields import KEY_FIELDS
from keys.services.credentials import ChangedCredential
from keys.services.keys import edit_key
from keys.services.policies import secret_from
from portal.http import MemberRequest, actor_of, member_required
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
        **overview_of(view, "Requests", usage_reports.days_of_key(key, days=days_asked(request), now=now), now=now),
        "calls": usage_reports.calls_of_key(key, now=now),
        "callers": callers[:CALLERS_SHOWN],
        "caller_count": caller_count,
        "more_callers": max(caller_count - CALLERS_SHOWN, 0),
        "quota": quota_view(key, now=now),
        **first_request_of(key, now=now),
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


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_KEYS, widens="by form")
def edit(request: MemberRequest, public_id: str) -> HttpResponse:
    """Ask for the settings, show what would change, and change it."""
    now = timezone.now()
    view = to_change(request, KEY_PAGES, public_id, now=now)
    key = view.subject
    policy = FormPolicy(key.organization, actor_of(request), secret_from(key), is_new=False)
    form = EditKeyForm(request.POST or None, key=key, now=now, policy=policy)

    def save() -> ChangedCredential[ApiKey]:
        return edit_key(key, form.settings(), by=actor_of(request), seen_version=form.cleaned_data["version"])

    return edit_in_steps(request, KEY_PAGES, view, form, compare=partial(_compare, form), save=save)


def _compare(form: EditKeyForm, key: ApiKey) -> list[Difference]:
    wanted = form.settings().cleaned(key.api, before=key)
    return differences(KEY_FIELDS, key, wanted, defaults={"rate_limits": key.api.default_rate_limits})
