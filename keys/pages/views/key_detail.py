"""The pages of one key: its use, its events, its settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from keys.pages import usage_reports
from keys.pages.forms.actions import ExtensionForm
from keys.pages.presenters import CredentialView, KeyView, quota_view, secret_rows
from keys.pages.snippets import with_variable
from keys.pages.views.access import get_view
from keys.pages.views.welcome import STOP_POLLING, first_use_of
from keys.rules.field_rules import rate_words
from portal import activity
from portal.accounts.sessions import SessionStore
from portal.http import MemberRequest, fragment_or_page, member_required
from portal.metadata import spell_metadata
from portal.permissions import Action
from portal.ui.charts import Bar

CHART_DAYS = 30
CALLERS_SHOWN = 5
SECRETS_SHOWN = 20


TABS = {"keys:detail": "Overview", "keys:key_activity": "Activity", "keys:settings": "Settings"}


@dataclass(frozen=True)
class Tab:
    """A link to one of the pages about a key or client."""

    label: str
    href: str
    is_current: bool


@require_safe
@member_required(Action.VIEW)
def overview(request: MemberRequest, public_id: str) -> HttpResponse:
    """Show the key's use, its secrets, and the current overlap."""
    now = timezone.now()
    view = get_view(request, public_id, now=now)
    key = view.key
    callers = usage_reports.callers_of_key(key, since=now - timedelta(days=CHART_DAYS))
    caller_count = callers.count()
    secrets = list(key.secrets.select_related("created_by")[:SECRETS_SHOWN])
    days = usage_reports.days_of_key(key, days=CHART_DAYS, now=now)
    context = {
        "view": view,
        "tabs": _tabs(view, "keys:detail"),
        "now": now,
        "light": view.light(now),
        "calls": usage_reports.calls_of_key(key, now=now),
        "bars": [Bar(f"{day.date.day} {day.date:%b}", day.allowed, day.denied) for day in days],
        "callers": callers[:CALLERS_SHOWN],
        "caller_count": caller_count,
        "more_callers": max(caller_count - CALLERS_SHOWN, 0),
        "secrets": secret_rows(view, secrets, now=now),
        "extension": ExtensionForm(),
        "snippets": with_variable(),
        "quota": quota_view(key, now=now),
        **first_use_of(key, now=now),
    }
    return render(request, "keys/key_overview.html", context)


@require_safe
@member_required(Action.VIEW)
def overlap(request: MemberRequest, public_id: str) -> HttpResponse:
    """Show the last use of the key's old secret. The key's page polls this while an overlap runs."""
    now = timezone.now()
    return show_overlap_use(request, get_view(request, public_id, now=now), now=now)


def show_overlap_use(request: MemberRequest, view: CredentialView, *, now: datetime) -> HttpResponse:
    """Render the part that a polling page replaces; after the overlap, tell it to stop polling."""
    if isinstance(request.session, SessionStore):
        request.session.counts_as_seen = False  # else an open page would keep its session alive forever
    context = {"view": view, "light": view.light(now)}
    return render(request, "keys/_overlap_use.html", context, status=200 if view.retiring else STOP_POLLING)


@require_safe
@member_required(Action.VIEW)
def key_activity(request: MemberRequest, public_id: str) -> HttpResponse:
    """Show the changes to the key, with values before and after."""
    view = get_view(request, public_id)
    return show_activity(request, view, _tabs(view, "keys:key_activity"))


def show_activity(request: MemberRequest, view: CredentialView, tabs: Sequence[Tab]) -> HttpResponse:
    """Show the events about one key or client, page by page."""
    events = activity.visible_events(request.organization).filter(subject_id=view.subject.public_id)
    after = request.GET.get("after", "")
    page = activity.page(events, after=after)
    context = {
        "view": view,
        "tabs": tabs,
        "days": page.days,
        "is_continued": bool(after),
        "first_href": request.path,
        "more_href": f"{request.path}?after={page.next_after}" if page.next_after else "",
    }
    return fragment_or_page(request, "keys/_events_more.html", "keys/credential_activity.html", context)


@require_safe
@member_required(Action.VIEW)
def key_settings(request: MemberRequest, public_id: str) -> HttpResponse:
    """Show the key's settings in words."""
    view = get_view(request, public_id)
    context = {
        "view": view,
        "tabs": _tabs(view, "keys:settings"),
        "rate_limits": activity.words(view.key.rate_limits),
        "ceiling": rate_words(view.key.api.max_rate_limits),
        "quota": quota_view(view.key, now=timezone.now()),
        "metadata": spell_metadata(view.key.metadata),
        "operator_metadata": spell_metadata(view.key.operator_metadata),
    }
    return render(request, "keys/key_settings.html", context)


def _tabs(view: KeyView, current: str) -> list[Tab]:
    return tabs_of(view, TABS, current)


def tabs_of(view: CredentialView, labels: Mapping[str, str], current: str) -> list[Tab]:
    """Build the tabs of a key or client, from labels by URL name."""
    arguments = [view.subject.public_id]
    return [Tab(label, reverse(name, args=arguments), name == current) for name, label in labels.items()]
