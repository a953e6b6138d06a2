"""Pause and resume a client, end or extend the overlap after a roll: one POST each, without confirmation.

A pause can be undone, and the end of an old secret was announced by the roll.
"""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from keys.pages.presenters import spread_words
from keys.pages.views.access import refusals_told
from keys.pages.views.key_state import asked_end
from keys.services.credentials import disable_credential, enable_credential
from keys.services.secrets import end_old_secret, extend_overlap
from oauth.models import ClientSecret
from oauth.pages.views.access import back, get_client
from portal.http import MemberRequest, actor_of, member_required
from portal.permissions import Action
from portal.ui.times import exact_words


@require_POST
@member_required(Action.MANAGE_KEYS)
def pause(request: MemberRequest, public_id: str) -> HttpResponse:
    """Issue no tokens to the client and refuse its tokens, until it is resumed."""
    client = get_client(request, public_id)
    with refusals_told(request):
        changed = disable_credential(client, by=actor_of(request))
        words = f"{client.name} is paused. {spread_words('Its tokens are refused', changed.propagation)}"
        messages.success(request, words, extra_tags=reverse("clients:resume", args=[public_id]))
    return back(request, public_id)


@require_POST
@member_required(Action.MANAGE_KEYS, widens=True)
def resume(request: MemberRequest, public_id: str) -> HttpResponse:
    """Resume a paused client."""
    client = get_client(request, public_id)
    with refusals_told(request):
        changed = enable_credential(client, by=actor_of(request))
        messages.success(request, f"{client.name} works again. {spread_words('Accepted', changed.propagation)}")
    return back(request, public_id)


@require_POST
@member_required(Action.MANAGE_KEYS)
def end_secret(request: MemberRequest, public_id: str, secret_id: str) -> HttpResponse:
    """End an old secret at once."""
    secret = _get_secret(request, public_id, secret_id)
    with refusals_told(request):
        changed = end_old_secret(secret.client, secret, by=actor_of(request))
        words = spread_words("It gets no tokens", changed.propagation)
        messages.success(request, f"The old secret {secret.hint} has ended. {words}")
    return back(request, public_id)


@require_POST
@member_required(Action.MANAGE_KEYS, widens=True)
def extend_secret(request: MemberRequest, public_id: str, secret_id: str) -> HttpResponse:
    """Extend the overlap of an old secret, counted from its present end."""
    secret = _get_secret(request, public_id, secret_id)
    with refusals_told(request):
        ends_at = asked_end(request, secret)
        changed = extend_overlap(secret.client, secret, ends_at=ends_at, by=actor_of(request))
        words = spread_words("In force", changed.propagation)
        messages.success(request, f"The old secret {secret.hint} goes on until {exact_words(ends_at)}. {words}")
    return back(request, public_id)


def _get_secret(request: MemberRequest, public_id: str, secret_id: str) -> ClientSecret:
    secrets = get_client(request, public_id).secrets.select_related("client__organization")
    return get_object_or_404(secrets, public_id=secret_id)
