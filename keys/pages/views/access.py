"""Find the key of a page, if it belongs to the organization, and check whether the member may change it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect

from keys.models import ApiKey, Credential
from keys.pages.key_list import KEYS, visible_keys
from keys.pages.presenters import CredentialView, KeyView, key_view
from keys.services.common import change_takes, require_change
from keys.services.errors import Refused
from portal.http import HttpRequest, MemberRequest, actor_of
from portal.permissions import Action


def get_key(request: MemberRequest, public_id: str) -> ApiKey:
    """Return the organization's key. Another organization's key is a 404, like a key that never existed."""
    return get_object_or_404(visible_keys(request.organization), public_id=public_id)


def get_view(request: MemberRequest, public_id: str, *, now: datetime | None = None) -> KeyView:
    """Return the view of the key for this member."""
    now = now or timezone.now()
    key = get_object_or_404(KEYS.with_working_secrets(visible_keys(request.organization), now=now), public_id=public_id)
    return as_view(request, key, now=now)


def as_view(request: MemberRequest, key: ApiKey, *, now: datetime) -> KeyView:
    """Build the view for this member of a key that was read with its working secrets."""
    return key_view(key, key.working_secrets, may_manage=may_change(request, key), now=now)  # type: ignore[attr-defined]  # prefetched


View = TypeVar("View", bound=CredentialView)


def to_change(request: MemberRequest, view: View) -> View:
    """Return the credential's view, for a page that changes it; raises NotAllowed."""
    require_change(view.subject, by=actor_of(request))
    return view


def may_make(request: MemberRequest) -> bool:
    """Tell whether this member may make keys; pages hide controls that the member may not use."""
    return request.membership.can(Action.MANAGE_KEYS)


def may_change(request: MemberRequest, credential: Credential) -> bool:
    """Tell whether this member may change this credential."""
    return request.membership.can(change_takes(credential, request.user))


def back(request: MemberRequest, public_id: str) -> HttpResponse:
    """Go to the key's page after a change."""
    return go_to(request, reverse("keys:detail", args=[public_id]))


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
