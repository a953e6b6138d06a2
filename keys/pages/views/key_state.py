"""Pause or resume a key; end or extend an overlap. Each is one POST without a confirmation page."""

from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from keys.models import KeySecret, Secret
from keys.pages.forms.actions import ExtensionForm
from keys.pages.presenters import spread_words
from keys.pages.views.access import back, get_key, refusals_told
from keys.services.credentials import disable_credential, enable_credential
from keys.services.errors import Refused
from keys.services.secrets import end_old_secret, extend_overlap
from portal.http import MemberRequest, actor_of, member_required
from portal.permissions import Action
from portal.ui.times import exact_words


@require_POST
@member_required(Action.MANAGE_KEYS)
def pause(request: MemberRequest, public_id: str) -> HttpResponse:
    """Refuse the key's requests until it is resumed."""
    key = get_key(request, public_id)
    with refusals_told(request):
        changed = disable_credential(key, by=actor_of(request))
        words = f"{key.name} is paused. {spread_words('Refused', changed.propagation)}"
        messages.success(request, words, extra_tags=reverse("keys:resume", args=[public_id]))
    return back(request, public_id)


@require_POST
@member_required(Action.MANAGE_KEYS, widens=True)
def resume(request: MemberRequest, public_id: str) -> HttpResponse:
    """Resume a paused key."""
    key = get_key(request, public_id)
    with refusals_told(request):
        changed = enable_credential(key, by=actor_of(request))
        messages.success(request, f"{key.name} works again. {spread_words('Accepted', changed.propagation)}")
    return back(request, public_id)


@require_POST
@member_required(Action.MANAGE_KEYS)
def end_secret(request: MemberRequest, public_id: str, secret_id: str) -> HttpResponse:
    """End a retiring secret now."""
    secret = _get_secret(request, public_id, secret_id)
    with refusals_told(request):
        changed = end_old_secret(secret.key, secret, by=actor_of(request))
        words = spread_words("Refused", changed.propagation)
        messages.success(request, f"The old secret {secret.hint} has ended. {words}")
    return back(request, public_id)


@require_POST
@member_required(Action.MANAGE_KEYS, widens=True)
def extend_secret(request: MemberRequest, public_id: str, secret_id: str) -> HttpResponse:
    """Extend a retiring secret, counted from its current end."""
    secret = _get_secret(request, public_id, secret_id)
    with refusals_told(request):
        ends_at = asked_end(request, secret)
        changed = extend_overlap(secret.key, secret, ends_at=ends_at, by=actor_of(request))
        secret.refresh_from_db()  # the key's own end may be earlier
        until = exact_words(secret.ends_at or ends_at)
        words = spread_words("In force", changed.propagation)
        messages.success(request, f"The old secret {secret.hint} goes on until {until}. {words}")
    return back(request, public_id)


def asked_end(request: MemberRequest, secret: Secret) -> datetime:
    """Return the new end of the retiring secret; raises Refused if the form is invalid."""
    form = ExtensionForm(request.POST)
    if not form.is_valid():
        raise Refused("Choose how much longer the old secret may go on.")
    return (secret.ends_at or timezone.now()) + form.length()


def _get_secret(request: MemberRequest, public_id: str, secret_id: str) -> KeySecret:
    secrets = get_key(request, public_id).secrets.select_related("key__organization")
    return get_object_or_404(secrets, public_id=secret_id)
