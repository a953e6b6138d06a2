"""What every page about one key begins with: the key, if it is the organization's, as it is now."""

from datetime import datetime

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect

from keys.key_list import visible_keys, with_working_secrets
from keys.models import ApiKey
from keys.presenters import KeyView, key_view
from portal.http import HttpRequest, MemberRequest
from portal.permissions import Action


def get_key(request: MemberRequest, public_id: str) -> ApiKey:
    """The organization's key; another's is as unknown as one that never was."""
    key = visible_keys(request.organization).filter(public_id=public_id).first()
    if key is None:
        raise Http404
    return key


def get_view(request: MemberRequest, public_id: str, *, now: datetime | None = None) -> KeyView:
    """The key as pages show it to this member."""
    now = now or timezone.now()
    key = with_working_secrets(visible_keys(request.organization), now=now).filter(public_id=public_id).first()
    if key is None:
        raise Http404
    return as_view(request, key, now=now)


def as_view(request: MemberRequest, key: ApiKey, *, now: datetime) -> KeyView:
    """A key read with its working secrets, as pages show it to this member."""
    return key_view(key, key.working_secrets, may_manage=may_manage(request), now=now)  # type: ignore[attr-defined]  # prefetched


def may_manage(request: MemberRequest) -> bool:
    """Whether this member may change keys; a control one may not use is not drawn."""
    return request.membership.can(Action.MANAGE_KEYS)


def go_to(request: HttpRequest, url: str) -> HttpResponse:
    """After a change: the page that shows it, loaded whole, also where htmx asked."""
    if request.htmx:
        return HttpResponseClientRedirect(url)
    response = HttpResponseRedirect(url)
    response.status_code = 303  # "see other": whoever posted goes on with GET (RFC 9110 §15.4.4)
    return response
