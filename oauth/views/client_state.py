"""Pause and resume a client, end or extend the overlap after a roll: one POST each, all reversible or foreseen."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from keys.forms.actions import ExtensionForm
from keys.presenters import spread_words
from keys.services.errors import Refused
from oauth.models import ClientSecret
from oauth.services.clients import disable_client, enable_client
from oauth.services.secrets import end_client_secret, extend_client_overlap
from oauth.views.access import back, get_client
from portal.http import MemberRequest, actor_of, member_required
from portal.permissions import Action
from portal.times import exact_words


@require_POST
@member_required(Action.MANAGE_KEYS)
def pause(request: MemberRequest, public_id: str) -> HttpResponse:
    """Give the client no tokens, and refuse those it has, until it is resumed."""
    client = get_client(request, public_id)
    try:
        changed = disable_client(client, by=actor_of(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        words = f"{client.name} is paused. {spread_words('Its tokens are refused', changed.propagation)}"
        messages.success(request, words, extra_tags=reverse("clients:resume", args=[public_id]))
    return back(request, public_id)


@require_POST
@member_required(Action.MANAGE_KEYS)
def resume(request: MemberRequest, public_id: str) -> HttpResponse:
    """Let a paused client work again."""
    client = get_client(request, public_id)
    try:
        changed = enable_client(client, by=actor_of(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{client.name} works again. {spread_words('Accepted', changed.propagation)}")
    return back(request, public_id)


@require_POST
@member_required(Action.MANAGE_KEYS)
def end_secret(request: MemberRequest, public_id: str, secret_id: str) -> HttpResponse:
    """End a retiring secret now."""
    secret = _get_secret(request, public_id, secret_id)
    try:
        changed = end_client_secret(secret, by=actor_of(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        words = spread_words("It gets no tokens", changed.propagation)
        messages.success(request, f"The old secret {secret.hint} has ended. {words}")
    return back(request, public_id)


@require_POST
@member_required(Action.MANAGE_KEYS)
def extend_secret(request: MemberRequest, public_id: str, secret_id: str) -> HttpResponse:
    """Let a retiring secret go on for longer, counted from the end it has."""
    secret = _get_secret(request, public_id, secret_id)
    form = ExtensionForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose how much longer the old secret may go on.")
        return back(request, public_id)
    ends_at = (secret.ends_at or timezone.now()) + form.length()
    try:
        extend_client_overlap(secret, ends_at=ends_at, by=actor_of(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"The old secret {secret.hint} goes on until {exact_words(ends_at)}.")
    return back(request, public_id)


def _get_secret(request: MemberRequest, public_id: str, secret_id: str) -> ClientSecret:
    secrets = get_client(request, public_id).secrets.select_related("client__organization")
    secret = secrets.filter(public_id=secret_id).first()
    if secret is None:
        raise Http404
    return secret
