"""The list of keys."""

from collections.abc import Sequence
from datetime import datetime

from django.http import HttpResponse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from keys.models import ApiKey
from keys.pages.key_list import KEYS, visible_keys
from keys.pages.presenters import KeyView, key_view
from keys.pages.usage_reports import totals_by_day
from keys.pages.views import listing
from keys.pages.views.access import may_change
from keys.pages.views.listing import ListPage
from portal.http import MemberRequest, member_required
from portal.permissions import Action

DAYS = 7


@sensitive_post_parameters("q")
@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.VIEW)
def show_list(request: MemberRequest) -> HttpResponse:
    """Show the organization's keys."""
    return listing.show_list(request, KEY_LIST)


def _views(request: MemberRequest, keys: Sequence[ApiKey], now: datetime) -> list[KeyView]:
    days = totals_by_day(keys, days=DAYS, now=now)
    return [
        key_view(key, key.working_secrets, may_manage=may_change(request, key), now=now, days=days[key.pk])  # type: ignore[attr-defined]  # prefetched
        for key in keys
    ]


KEY_LIST = ListPage(
    words=KeyView.words,
    listing=KEYS,
    visible=visible_keys,
    views=_views,
    search_hint="Name, part of the key, scope, id",
    template="keys/key_list.html",
    columns="keys/_key_columns.html",
    body="keys/_key_tbody.html",
)
