"""A list of credentials with search, filters, order and pages."""

import re
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from django_htmx.http import push_url

from keys.pages import listing
from keys.pages.credential_pages import CredentialPages
from keys.pages.forms.filters import MAX_SENT_CHARS, CredentialFilterForm
from keys.pages.listing import ListingFilter, Sort
from keys.pages.views.access import go_to, may_change, may_make
from keys.services.credential_type import Row
from portal.http import MemberRequest, fragment_or_page, member_required
from portal.names import normal_name
from portal.permissions import Action


@dataclass(frozen=True)
class SortLink:
    """The link of a column's header. ``direction`` is that of the shown list, empty if it has another order."""

    column: str
    href: str
    direction: str


@sensitive_post_parameters("q")
@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.VIEW)
def show_list(request: MemberRequest, pages: CredentialPages[Any]) -> HttpResponse:
    """Show the organization's credentials.

    The search text is posted, because it may be a pasted secret, and URLs are kept in histories and logs. A text that
    is no secret then becomes part of the URL that the response leads to.
    """
    sent = request.POST if request.method == "POST" else request.GET
    rows = pages.visible(request.organization)
    text = normal_name(sent.get("q", "")[:MAX_SENT_CHARS])
    if listing.is_whole_secret(text):
        return _show_owner_of(request, pages, rows, text)
    form = CredentialFilterForm(sent, listing=pages.listing, rows=rows)
    wanted = form.wanted()
    address = pages.href + _query(wanted)
    if request.method == "POST" and not request.htmx:
        return go_to(request, address)
    response = _show(request, pages, rows, form, wanted)
    return push_url(response, address) if request.method == "POST" else response


def _show(
    request: MemberRequest,
    pages: CredentialPages[Row],
    rows: QuerySet[Row],
    form: CredentialFilterForm,
    wanted: ListingFilter,
) -> HttpResponse:
    now, after = timezone.now(), request.GET.get("after", "")
    rows = pages.listing.matching(rows, wanted, now=now)
    found = pages.listing.page(rows, sort=wanted.sort, after=after, now=now)
    total = listing.count(rows)
    before = _number(request.GET.get("before", "")) if after else 0
    last = before + len(found.rows)
    adds_rows = request.htmx.target == pages.more_id
    parameters = _parameters(wanted) | {"after": found.next_cursor, "before": str(last)}
    count, noun = listing.count_words(total), pages.words.noun if total == 1 else f"{pages.words.noun}s"
    context = {
        "pages": pages,
        "words": pages.words,
        "form": form,
        "rows": pages.views(found.rows, partial(may_change, request), now),
        "adds_rows": adds_rows,
        "shown": f"{last:,}" if adds_rows or not before else f"{before + 1:,} to {last:,}",
        "of_how_many": listing.match_words(total, pages.words.noun) if last > total else f"of {count} {noun}",
        "count": count,
        "noun": noun,
        "total": total,
        "sorts": {sort.column: _sort_link(pages, wanted, sort) for sort in (Sort.NAME, Sort.LAST_USED, Sort.EXPIRES)},
        "is_filtered": bool(form.set_filters),
        "is_continued": bool(after),
        "first_href": pages.href + _query(wanted),
        "more_href": f"{pages.href}?{urlencode(parameters)}" if found.next_cursor else "",
        "may_make": may_make(request),
    }
    fragment = "keys/_list_rows.html" if adds_rows else "keys/_list_table.html"
    return fragment_or_page(request, fragment, pages.list_page, context)


def _show_owner_of(
    request: MemberRequest, pages: CredentialPages[Row], rows: QuerySet[Row], secret: str
) -> HttpResponse:
    found, noun = pages.listing.find_by_secret(rows, secret), pages.words.noun
    if found is None:
        messages.warning(
            request, f"No {noun} of this organization has the secret you pasted. We have not kept the text."
        )
        return go_to(request, pages.href)
    messages.success(request, f"The secret you pasted belongs to {found.name}. We have not kept the text.")
    return go_to(request, reverse(f"{pages.words.pages}:detail", args=[found.public_id]))


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


def _sort_link(pages: CredentialPages[Row], wanted: ListingFilter, sort: Sort) -> SortLink:
    """Link to the list in this order; if it has the order of the column already, to the opposite order."""
    if wanted.sort.column != sort.column:
        return SortLink(sort.column, pages.href + _query(replace(wanted, sort=sort)), "")
    href = pages.href + _query(replace(wanted, sort=wanted.sort.opposite))
    return SortLink(sort.column, href, "descending" if listing.descends(wanted.sort) else "ascending")


def _parameters(wanted: ListingFilter) -> dict[str, str]:
    values = {"q" if name == "text" else name: str(value) for name, value in asdict(wanted).items() if value}
    if wanted.sort is Sort.CREATED:
        del values["sort"]
    return values


def _query(wanted: ListingFilter) -> str:
    parameters = _parameters(wanted)
    return f"?{urlencode(parameters)}" if parameters else ""
