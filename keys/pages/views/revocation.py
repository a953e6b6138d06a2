"""Revoke a credential: show the facts, then ask for the reason and, if the credential is in use, its name."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from keys.pages.credential_pages import CredentialPages
from keys.pages.forms.actions import RevocationForm
from keys.pages.presenters import spread_words
from keys.pages.views.access import back, to_change
from keys.services.credentials import revoke_credential
from keys.services.errors import Refused
from portal.http import MemberRequest, actor_of, fragment_or_page, member_required
from portal.permissions import Action

IN_USE = timedelta(days=7)


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_KEYS)
def revoke(request: MemberRequest, public_id: str, pages: CredentialPages[Any]) -> HttpResponse:
    """Revoke the credential for good. The name of one in use has to be typed, so that it is not revoked by habit."""
    now = timezone.now()
    view = to_change(request, pages, public_id, now=now)
    credential = view.subject
    is_in_use = credential.last_used_at is not None and now - credential.last_used_at < IN_USE and view.can_revoke
    form = RevocationForm(request.POST or None, expected_name=credential.name if is_in_use else None)
    if request.method == "POST" and form.is_valid():
        try:
            changed = revoke_credential(credential, reason=form.wanted_reason(), by=actor_of(request))
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            words = spread_words(pages.words.refused, changed.propagation)
            messages.success(request, f"{credential.name} is revoked. {words}")
            return back(request, pages, public_id)
    context = {"form": form, "view": view, "use_words": pages.use_words(credential, now)}
    status = 422 if form.is_bound else 200
    return fragment_or_page(request, "keys/_revocation.html", "keys/revocation.html", context, status=status)
