"""What every page about one key begins with: the key, if it is the organization's, as it is now."""

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
    """The organization's key; another's is as unknown as one that never was."""
    return get_object_or_404(visible_keys(request.organization), public_id=public_id)


def get_view(request: MemberRequest, public_id: str, *, now: datetime | None = None) -> KeyView:
    """The key as pages show it to this member."""
    now = now or timezone.now()
    key = get_object_or_404(KEYS.with_working_secrets(visible_keys(request.organization), now=now), public_id=public_id)
    return as_view(request, key, now=now)


def as_view(request: MemberRequest, key: ApiKey, *, now: datetime) -> KeyView:
    """A key read with its working secrets, as pages show it to this member."""
    return key_view(key, key.working_secrets, may_manage=may_change(request, key), now=now)  # type: ignore[attr-defined]  # prefetched


View = TypeVar("View", bound=CredentialView)


def to_change(request: MemberRequest, view: View) -> View:
    """The credential, for a page that changes it; raises NotAllowed for who may not."""
    require_change(view.subject, by=actor_of(request))
    return view


def may_make(request: MemberRequest) -> bool:
    """Whether this member may make keys; a control one may not use is not drawn."""
    return request.membership.can(Action.MANAGE_KEYS)


def may_change(request: MemberRequest, credential: Credential) -> bool:
    """Whether this member may change this very credential."""
    return request.membership.can(change_takes(credential, request.user))


def back(request: MemberRequest, public_id: str) -> HttpResponse:
    """After a change: the key's page."""
    return go_to(request, reverse("keys:detail", args=[public_id]))


def go_to(request: HttpRequest, url: str) -> HttpResponse:
    """After a change: the page that shows it, loaded whole, also where htmx asked."""
    if request.htmx:
        return HttpResponseClientRedirect(url)
    response = HttpResponseRedirect(url)
    response.status_code = 303  # "see other": whoever posted goes on with GET (RFC 9110 §15.4.4)
    return response


@contextmanager
def refusals_told(request: HttpRequest) -> Iterator[None]:
    """Tell what is refused inside on the page that comes next."""
    try:
        yield
    except Refused as refusal:
        messages.error(request, str(refusal))
