"""Find an organization's credential, check whether the member may change it, and return to the page after a change."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect, reswap, trigger_client_event

from keys.models import Credential
from keys.pages import listing
from keys.pages.credential_pages import CredentialPages
from keys.pages.forms.filters import CredentialFilterForm
from keys.pages.presenters import CredentialView
from keys.services.common import change_takes, require_change
from keys.services.credential_type import Row
from keys.services.errors import Refused
from portal.http import HttpRequest, MemberRequest, actor_of
from portal.permissions import Action

log = logging.getLogger(__name__)


def get_credential(request: MemberRequest, pages: CredentialPages[Row], public_id: str) -> Row:
    """Return the organization's credential. Another organization's is a 404, like one that never existed."""
    return get_object_or_404(pages.visible(request.organization), public_id=public_id)


def get_view(
    request: MemberRequest, pages: CredentialPages[Row], public_id: str, *, now: datetime | None = None
) -> CredentialView[Row]:
    """Return the view of the credential for this member."""
    now = now or timezone.now()
    rows = pages.listing.with_working_secrets(pages.visible(request.organization), now=now)
    return as_view(request, pages, get_object_or_404(rows, public_id=public_id), now=now)


def as_view(
    request: MemberRequest, pages: CredentialPages[Row], credential: Row, *, now: datetime
) -> CredentialView[Row]:
    """Build the view for this member of a credential that was read with its working secrets."""
    return pages.view(credential, credential.working_secrets, may_manage=may_change(request, credential), now=now)  # type: ignore[attr-defined]  # prefetched


def to_change(
    request: MemberRequest, pages: CredentialPages[Row], public_id: str, *, now: datetime | None = None
) -> CredentialView[Row]:
    """Return the view of the credential, for a page that changes it; raises NotAllowed."""
    view = get_view(request, pages, public_id, now=now)
    require_change(view.subject, by=actor_of(request))
    return view


def may_make(request: MemberRequest) -> bool:
    """Tell whether this member may make keys; pages hide controls that the member may not use."""
    return request.membership.can(Action.MANAGE_KEYS)


def may_change(request: MemberRequest, credential: Credential) -> bool:
    """Tell whether this member may change this credential."""
    return request.membership.can(change_takes(credential, request.user))


def back(request: MemberRequest, pages: CredentialPages[Any], public_id: str) -> HttpResponse:
    """Go to the credential's page after a change; after one from the list, return the row and close the dialog."""
    row = changed_row(request, pages, public_id)
    if row is None:
        return go_to(request, reverse(f"{pages.words.pages}:detail", args=[public_id]))
    return trigger_client_event(reswap(HttpResponse(row), "none"), "closeDialog", after="swap")


def changed_row(request: MemberRequest, pages: CredentialPages[Any], public_id: str) -> str | None:
    """Render the credential's row for the list that htmx sent the request from; None if it was sent from elsewhere.

    The change is done, and the response may show a secret for the only time: an error here is logged, and the row left
    out.
    """
    try:
        return _draw_row(request, pages, public_id)
    except Exception:
        log.exception("A changed row could not be drawn")
        return None


def _draw_row(request: MemberRequest, pages: CredentialPages[Any], public_id: str) -> str | None:
    """Render the row, the messages, and how many credentials still fit if the list is filtered by status."""
    filters = _filters_of_list(request, pages)
    if filters is None:
        return None
    now, rows = timezone.now(), pages.visible(request.organization)
    wanted = CredentialFilterForm(filters, listing=pages.listing, rows=rows).wanted()
    changed = pages.listing.with_working_secrets(rows.filter(public_id=public_id), now=now)
    matching = pages.listing.matching(rows, wanted, now=now)
    context = {
        "pages": pages,
        "row": pages.views(list(changed), partial(may_change, request), now)[0],
        "of_how_many": listing.match_words(listing.count(matching), pages.words.noun) if wanted.status else "",
        "may_make": may_make(request),
    }
    return render_to_string("keys/_list_changed.html", context, request)


def _filters_of_list(request: MemberRequest, pages: CredentialPages[Any]) -> QueryDict | None:
    if not request.htmx:
        return None
    try:
        page = urlsplit(request.htmx.current_url or "")
        return QueryDict(page.query) if page.path == pages.href else None
    except (ValueError, TooManyFieldsSent):  # the header holds no URL that a browser would have sent
        return None


def go_to(request: HttpRequest, url: str) -> HttpResponse:
    """Go to the page that shows a change, loaded as a whole even for an htmx request."""
    if request.htmx:
        return HttpResponseClientRedirect(url)
    response = HttpResponseRedirect(url)
    response.status_code = 303  # "See Other": the browser goes on with GET (RFC 9110 §15.4.4)
    return response


@contextmanager
def refusals_told(request: HttpRequest) -> Iterator[None]:
    """Show refusals raised inside as a message on the next page."""
    try:
        yield
    except Refused as refusal:
        messages.error(request, str(refusal))
