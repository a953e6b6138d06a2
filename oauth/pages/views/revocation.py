"""Revoke a client, all of its tokens, or one of them."""

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from keys.pages.presenters import spread_words
from keys.pages.views.access import refusals_told, to_change
from keys.pages.views.revocation import ask_for_reason, show_revocation
from keys.services.credentials import revoke_credential
from keys.services.errors import Invalid, Refused
from oauth.pages.forms import TokenForm
from oauth.pages.presenters import issue_words
from oauth.pages.usage import tokens_of_client
from oauth.pages.views.access import back, get_view
from oauth.pages.views.client_detail import show_overview
from oauth.services.tokens import MAX_REVOKED_TOKENS, revoke_all_tokens, revoke_token
from portal.http import MemberRequest, actor_of, fragment_or_page, member_required
from portal.permissions import Action


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_KEYS)
def revoke(request: MemberRequest, public_id: str) -> HttpResponse:
    """Confirm, then revoke the client for good. For a client in use the person types its name, against accidents."""
    now = timezone.now()
    view = to_change(request, get_view(request, public_id, now=now))
    form = ask_for_reason(request, view, now=now)
    if request.method == "POST" and form.is_valid():
        try:
            changed = revoke_credential(view.client, reason=form.wanted_reason(), by=actor_of(request))
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            words = spread_words("Its tokens are refused", changed.propagation)
            messages.success(request, f"{view.client.name} is revoked. {words}")
            return back(request, public_id)
    return show_revocation(request, view, form, used=issue_words(tokens_of_client(view.client, now=now)))


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_KEYS)
def revoke_tokens(request: MemberRequest, public_id: str) -> HttpResponse:
    """Confirm, then revoke every token that was issued to the client so far."""
    now = timezone.now()
    view = to_change(request, get_view(request, public_id, now=now))
    if request.method == "POST":
        with refusals_told(request):
            changed = revoke_all_tokens(view.client, by=actor_of(request))
            words = spread_words("They are refused", changed.propagation)
            messages.success(request, f"All tokens of {view.client.name} are revoked. {words}")
        return back(request, public_id)
    context = {"view": view, "use_words": issue_words(tokens_of_client(view.client, now=now))}
    return fragment_or_page(request, "oauth/_tokens_revocation.html", "oauth/tokens_revocation.html", context)


@sensitive_post_parameters("token")
@sensitive_variables()
@require_POST
@member_required(Action.MANAGE_KEYS)
def revoke_one_token(request: MemberRequest, public_id: str) -> HttpResponse:
    """Revoke one token, identified by its text or its ``jti``. The pasted text is not stored, logged or shown again."""
    client = to_change(request, get_view(request, public_id)).client
    form = TokenForm(request.POST)
    if form.is_valid():
        try:
            changed = revoke_token(client, form.cleaned_data["token"], by=actor_of(request))
        except Invalid as refusal:
            form.add_error("token", str(refusal))
        else:
            done = f"The token {form.cleaned_data['token']} is revoked."
            if changed.credential.generation > client.generation:
                done = f"All tokens are revoked: {MAX_REVOKED_TOKENS:,} already were, the most there can be one by one."
            messages.success(request, f"{done} {spread_words('Refused', changed.propagation)}")
            return back(request, public_id)
    now = timezone.now()
    return show_overview(request, get_view(request, public_id, now=now), form.without_token(), now=now)
