"""The first page: the state of the organization's keys, and those that need attention."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from keys.models import ApiKey
from keys.pages import usage_reports
from keys.pages.key_pages import KEY_PAGES, KEYS, visible_keys
from keys.pages.presenters import CredentialView
from keys.pages.views.access import as_view, may_make
from keys.pages.views.welcome import first_request_of, newest_key, show_steps
from keys.rules.states import CredentialStatus
from portal import activity
from portal.http import MemberRequest, member_required
from portal.permissions import Action
from portal.ui.charts import chosen_range

CHART_DAYS = 7
EVENTS_SHOWN = 8
ATTENTION = (CredentialStatus.RETIRING, CredentialStatus.EXPIRES_SOON)
ATTENTION_SHOWN = 5
WORKING = (
    CredentialStatus.RETIRING,
    CredentialStatus.EXPIRES_SOON,
    CredentialStatus.NEVER_USED,
    CredentialStatus.IDLE,
    CredentialStatus.ACTIVE,
)


@dataclass(frozen=True)
class Figures:
    """The numbers at the top of the page."""

    calls: usage_reports.Calls
    working: int
    expiring: int


@require_safe
@member_required(Action.VIEW)
def overview(request: MemberRequest) -> HttpResponse:
    """Show figures, a chart, keys that need attention and the latest events.

    Without keys it shows the steps to the first one. Until a first request it shows how to send one, and no figures.
    """
    keys = visible_keys(request.organization)
    has_calls = usage_reports.has_calls(keys)
    key = None if has_calls else newest_key(keys)
    if not has_calls and key is None:
        return show_steps(request)
    now = timezone.now()
    attention = _attention(request, keys, now)
    counts = KEYS.count_by_status(keys, now=now)
    need_attention = {status: counts[status] for status in ATTENTION if counts[status]}
    context = {
        **(first_request_of(key, now=now) if key else _figures(request, counts, now)),
        "attention": attention,
        "all_attention": need_attention if sum(need_attention.values()) > len(attention) else {},
        "events": activity.tell(activity.visible_events(request.organization)[:EVENTS_SHOWN]),
        "may_make": may_make(request),
    }
    return render(request, "keys/overview.html", context)


def _figures(request: MemberRequest, counts: Counter[str], now: datetime) -> dict[str, object]:
    days = chosen_range(request.GET.get("days", ""), CHART_DAYS)
    return {
        "figures": Figures(
            usage_reports.calls_of_organization(request.organization, now=now),
            sum(counts[status] for status in WORKING),
            counts[CredentialStatus.EXPIRES_SOON],
        ),
        "chart": usage_reports.day_chart(
            "Requests",
            usage_reports.days_of_organization(request.organization, days=days, now=now),
            since=request.organization.created_at,
        ),
    }


def _attention(request: MemberRequest, keys: QuerySet[ApiKey], now: datetime) -> list[CredentialView[ApiKey]]:
    keys = KEYS.with_working_secrets(KEYS.having_status(keys, ATTENTION, now=now), now=now)
    found = keys.order_by("expires_at", "pk")[:ATTENTION_SHOWN]
    return [as_view(request, KEY_PAGES, key, now=now) for key in found]
