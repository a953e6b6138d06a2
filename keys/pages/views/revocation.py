"""Revoke a key: show the facts, then ask for the reason and, if the key is in use, its name."""

from datetime import datetime, timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from keys.pages.forms.actions import RevocationForm
from keys.pages.presenters import CredentialView, spread_words, use_words
from keys.pages.usage_reports import callers_of_key, calls_of_key
from keys.pages.views.access import back, get_view, to_change
from keys.services.credentials import revoke_credential
from keys.services.errors import Refused
from portal.http import MemberRequest, actor_of, fragment_or_page, member_required
from portal.permissions import Action

IN_USE = timedelta(days=7)
FACTS_OVER = timedelta(hours=24)


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_KEYS)
def revoke(request: MemberRequest, public_id: str) -> HttpResponse:
    """Revoke the key for good. The name of a key in use has to be typed, so that it is not revoked by habit."""
    now = timezone.now()
    view = to_change(request, get_view(request, public_id, now=now))
    key = view.key
    form = ask_for_reason(request, view, now=now)
    if request.method == "POST" and form.is_valid():
        try:
            changed = revoke_credential(key, reason=form.wanted_reason(), by=actor_of(request))
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"{key.name} is revoked. {spread_words('Refused', changed.propagation)}")
            return back(request, public_id)
    used = use_words(calls_of_key(key, now=now), callers_of_key(key, since=now - FACTS_OVER).count())
    return show_revocation(request, view, form, used=used)


def ask_for_reason(request: MemberRequest, view: CredentialView, *, now: datetime) -> RevocationForm:
    """Build the form; a key in use has its name typed."""
    last_used_at = view.subject.last_used_at
    is_in_use = last_used_at is not None and now - last_used_at < IN_USE and view.can_revoke
    return RevocationForm(request.POST or None, expected_name=view.subject.name if is_in_use else None)


def show_revocation(request: MemberRequest, view: CredentialView, form: RevocationForm, *, used: str) -> HttpResponse:
    """Show the facts and the form; ``used`` describes the recent use."""
    context = {"form": form, "view": view, "use_words": used}
    status = 422 if form.is_bound else 200
    return fragment_or_page(request, "keys/_revocation.html", "keys/revocation.html", context, status=status)
