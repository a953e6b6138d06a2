"""The list of keys: search, filter, sort, page by page."""

from dataclasses import asdict
from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from django_htmx.http import push_url

from keys import key_list
from keys.forms.filters import KeyFilterForm
from keys.presenters import KeyView, key_view
from keys.usage import totals_by_day
from keys.views.access import go_to, may_change, may_make
from portal.http import MemberRequest, fragment_or_page, member_required
from portal.permissions import Action

DAYS = 7
MORE_ID = "keys-more"


@sensitive_post_parameters("q")
@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.VIEW)
def show_list(request: MemberRequest) -> HttpResponse:
    """The organization's keys.

    What is searched for is posted, since it may be a pasted key, and an address is kept in histories and logs. Whatever
    is no key then stands in the address that the answer leads to.
    """
    sent = request.POST if request.method == "POST" else request.GET
    if key_list.is_whole_secret(sent.get("q", "").strip()):
        return _show_owner_of(request, sent.get("q", "").strip())
    form = KeyFilterForm(sent, organization=request.organization)
    wanted = form.wanted()
    address = reverse("keys:list") + _query(wanted)
    if request.method == "POST" and not request.htmx:
        return go_to(request, address)
    if form.data.get("q", "").strip() != wanted.text:
        form = KeyFilterForm(_with_text(sent, wanted.text), organization=request.organization)
    response = _show(request, form, wanted, after=request.GET.get("after", ""))
    return push_url(response, address) if request.method == "POST" else response


def _with_text(sent: QueryDict, text: str) -> QueryDict:
    copy = sent.copy()
    copy["q"] = text
    return copy


def _show(request: MemberRequest, form: KeyFilterForm, wanted: key_list.Wanted, *, after: str) -> HttpResponse:
    now = timezone.now()
    everything = key_list.visible_keys(request.organization)
    keys = key_list.matching(everything, wanted, now=now)
    page = key_list.page(keys, sort=wanted.sort, after=after, now=now)
    total = key_list.count(keys)
    query = _query(wanted)
    context = {
        "form": form,
        "rows": _rows(request, page, now),
        "caption": _caption(len(page.keys), total, is_continued=bool(after)),
        "total": total,
        "is_filtered": _query(wanted, with_sort=False) != "",
        "is_continued": bool(after),
        "first_href": reverse("keys:list") + query,
        "more_href": _more_href(wanted, page.next_cursor),
        "more_id": MORE_ID,
        "may_make": may_make(request),
    }
    fragment = "keys/_key_rows.html" if request.htmx.target == MORE_ID else "keys/_key_table.html"
    return fragment_or_page(request, fragment, "keys/key_list.html", context)


def _rows(request: MemberRequest, page: key_list.Page, now: datetime) -> list[KeyView]:
    days = totals_by_day(page.keys, days=DAYS, now=now)
    return [
        key_view(key, key.working_secrets, may_manage=may_change(request, key), now=now, days=days[key.pk])  # type: ignore[attr-defined]  # prefetched
        for key in page.keys
    ]


def _show_owner_of(request: MemberRequest, secret: str) -> HttpResponse:
    key = key_list.find_by_secret(secret, request.organization)
    if key is None:
        messages.warning(request, "No key of this organization has the secret you pasted. We have not kept the text.")
        return go_to(request, reverse("keys:list"))
    messages.success(request, f"The secret you pasted belongs to {key.name}. We have not kept the text.")
    return go_to(request, reverse("keys:detail", args=[key.public_id]))


def _caption(shown: int, total: int, *, is_continued: bool) -> str:
    of = f"{key_list.MAX_COUNTED:,}+" if total > key_list.MAX_COUNTED else f"{total:,}"
    return f"{shown} more of {of} keys" if is_continued else f"{shown} of {of} {'key' if total == 1 else 'keys'}"


def _parameters(wanted: key_list.Wanted, *, with_sort: bool = True) -> dict[str, str]:
    values = {"q" if name == "text" else name: str(value) for name, value in asdict(wanted).items() if value}
    if not with_sort or wanted.sort is key_list.Sort.CREATED:
        del values["sort"]
    return values


def _more_href(wanted: key_list.Wanted, cursor: str) -> str:
    return f"{reverse('keys:list')}?{urlencode(_parameters(wanted) | {'after': cursor})}" if cursor else ""


def _query(wanted: key_list.Wanted, *, with_sort: bool = True) -> str:
    parameters = _parameters(wanted, with_sort=with_sort)
    return f"?{urlencode(parameters)}" if parameters else ""
