"""Pause or resume a credential; end or extend an overlap. Each is one POST without a confirmation page."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from keys.pages.credential_pages import CredentialPages
from keys.pages.forms.actions import ExtensionForm
from keys.pages.presenters import spread_words
from keys.pages.views.access import back, get_credential, refusals_told
from keys.services.credentials import disable_credential, enable_credential
from keys.services.errors import Refused
from keys.services.secrets import end_old_secret, extend_overlap
from portal.http import MemberRequest, actor_of, member_required
from portal.permissions import Action
from portal.ui.markup import exact_time


@require_POST
@member_required(Action.MANAGE_KEYS)
def pause(request: MemberRequest, public_id: str, pages: CredentialPages[Any]) -> HttpResponse:
    """Refuse the credential until it is resumed."""
    credential = get_credential(request, pages, public_id)
    with refusals_told(request):
        changed = disable_credential(credential, by=actor_of(request))
        words = f"{credential.name} is paused. {spread_words(pages.words.refused, changed.propagation)}"
        messages.success(request, words, extra_tags=reverse(f"{pages.words.pages}:resume", args=[public_id]))
    return back(request, pages, public_id)


@require_POST
@member_required(Action.MANAGE_KEYS, widens=True)
def resume(request: MemberRequest, public_id: str, pages: CredentialPages[Any]) -> HttpResponse:
    """Resume a paused credential."""
    credential = get_credential(request, pages, public_id)
    with refusals_told(request):
        changed = enable_credential(credential, by=actor_of(request))
        messages.success(
            request, f"{credential.name} works again. {spread_words('Requests are accepted', changed.propagation)}"
        )
    return back(request, pages, public_id)


@require_POST
@member_required(Action.MANAGE_KEYS)
def end_secret(request: MemberRequest, public_id: str, secret_id: str, pages: CredentialPages[Any]) -> HttpResponse:
    """End a retiring secret now."""
    credential = get_credential(request, pages, public_id)
    secret = get_object_or_404(credential.secrets, public_id=secret_id)
    with refusals_told(request):
        changed = end_old_secret(credential, secret, by=actor_of(request))
        words = spread_words(pages.words.old_refused, changed.propagation)
        messages.success(request, f"The old secret {secret.hint} has ended. {words}")
    return back(request, pages, public_id)


@require_POST
@member_required(Action.MANAGE_KEYS, widens=True)
def extend_secret(request: MemberRequest, public_id: str, secret_id: str, pages: CredentialPages[Any]) -> HttpResponse:
    """Extend a retiring secret, counted from its current end."""
    credential = get_credential(request, pages, public_id)
    secret = get_object_or_404(credential.secrets, public_id=secret_id)
    with refusals_told(request):
        form = ExtensionForm(request.POST)
        if not form.is_valid():
            raise Refused("Choose how much longer the old secret is to work.")
        ends_at = (secret.ends_at or timezone.now()) + form.length()
        changed = extend_overlap(credential, secret, ends_at=ends_at, by=actor_of(request))
        secret.refresh_from_db()  # the credential's own end may be earlier
        until = exact_time(secret.ends_at or ends_at)
        words = spread_words("In force", changed.propagation)
        messages.success(request, format_html("The old secret {} works until {}. {}", secret.hint, until, words))
    return back(request, pages, public_id)
