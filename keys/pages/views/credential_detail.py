"""The parts of a credential's own pages that all types share: the tabs, the events, the use of an old secret."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from keys.pages.credential_pages import CredentialPages
from keys.pages.forms.actions import ExtensionForm
from keys.pages.presenters import CredentialView, secret_rows
from keys.pages.usage_reports import Day, day_chart
from keys.pages.views.access import get_view
from keys.pages.views.welcome import STOP_POLLING
from portal import activity
from portal.accounts.sessions import SessionStore
from portal.http import MemberRequest, fragment_or_page, member_required
from portal.metadata import spell_metadata
from portal.permissions import Action
from portal.ui.charts import chosen_range

CHART_DAYS = 30
DIALOG = "dialog-body"
SECRETS_SHOWN = 20
TABS = {"detail": "Overview", "credential_activity": "Activity", "settings": "Settings"}


@dataclass(frozen=True)
class Tab:
    """A link to one of the pages about a credential."""

    label: str
    href: str
    is_current: bool


def days_asked(request: MemberRequest) -> int:
    """Return the number of days that the chart of this page shows."""
    return chosen_range(request.GET.get("days", ""), CHART_DAYS)


def tabs_of(view: CredentialView[Any], current: str) -> list[Tab]:
    """Build the tabs of a credential; ``current`` is the name of the page's URL in its namespace."""
    pages, arguments = view.words.pages, [view.subject.public_id]
    return [Tab(label, reverse(f"{pages}:{name}", args=arguments), name == current) for name, label in TABS.items()]


def overview_of(view: CredentialView[Any], title: str, days: Sequence[Day], *, now: datetime) -> dict[str, object]:
    """Return the context of the first tab: the chart of the days, the secrets, and the current overlap."""
    secrets = list(view.subject.secrets.select_related("created_by")[:SECRETS_SHOWN])
    return {
        "view": view,
        "tabs": tabs_of(view, "detail"),
        "now": now,
        "light": view.light(now),
        "chart": day_chart(title, days, since=view.subject.created_at),
        "secrets": secret_rows(view, secrets, now=now),
        "extension": ExtensionForm(),
    }


def settings_of(view: CredentialView[Any]) -> dict[str, object]:
    """Return the context of the last tab: the settings that all types have, in words."""
    return {
        "view": view,
        "tabs": tabs_of(view, "settings"),
        "rate_limits": activity.words(view.subject.rate_limits),
        "metadata": spell_metadata(view.subject.metadata),
        "operator_metadata": spell_metadata(view.subject.operator_metadata),
    }


@require_safe
@member_required(Action.VIEW)
def overlap(request: MemberRequest, public_id: str, pages: CredentialPages[Any]) -> HttpResponse:
    """Show the last use of the old secret: in a dialog of the list, with the ways to end and extend it.

    The credential's page polls this, and is told to stop after the overlap.
    """
    now = timezone.now()
    view = get_view(request, pages, public_id, now=now)
    if request.htmx.target == DIALOG:
        shown = {"view": view, "light": view.light(now), "now": now, "extension": ExtensionForm()}
        return render(request, "keys/_overlap_dialog.html", shown)
    if isinstance(request.session, SessionStore):
        request.session.counts_as_seen = False  # else an open page would keep its session alive forever
    context = {"view": view, "light": view.light(now)}
    return render(request, "keys/_overlap_use.html", context, status=200 if view.retiring else STOP_POLLING)


@require_safe
@member_required(Action.VIEW)
def credential_activity(request: MemberRequest, public_id: str, pages: CredentialPages[Any]) -> HttpResponse:
    """Show the changes to the credential, with values before and after, page by page."""
    view = get_view(request, pages, public_id)
    events = activity.visible_events(request.organization).filter(subject_id=view.subject.public_id)
    after = request.GET.get("after", "")
    page = activity.page(events, after=after)
    context = {
        "view": view,
        "tabs": tabs_of(view, "credential_activity"),
        "days": page.days,
        "is_continued": bool(after),
        "first_href": request.path,
        "more_href": f"{request.path}?after={page.next_after}" if page.next_after else "",
    }
    return fragment_or_page(request, "keys/_events_more.html", "keys/credential_activity.html", context)
