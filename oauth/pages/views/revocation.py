"""Revoke all tokens of a client, or one of them."""

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from keys.pages.presenters import spread_words
from keys.pages.views.access import back, get_view, refusals_told, to_change
from keys.services.errors import Invalid
from oauth.pages.client_pages import CLIENT_PAGES
from oauth.pages.forms import TokenForm
from oauth.pages.views.client_detail import show_overview
from oauth.services.tokens import MAX_REVOKED_TOKENS, revoke_all_tokens, revoke_token
from portal.http import MemberRequest, actor_of, fragment_or_page, member_required
from portal.permissions import Action


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_KEYS)
def revoke_tokens(request: MemberRequest, public_id: str) -> HttpResponse:
    """Confirm, then revoke every token that was issued to the client so far."""
    now = timezone.now()
    view = to_change(request, CLIENT_PAGES, public_id, now=now)
    if request.method == "POST":
        with refusals_told(request):
            changed = revoke_all_tokens(view.subject, by=actor_of(request))
            words = spread_words("They are refused", changed.propagation)
            messages.success(request, f"All tokens of {view.subject.name} are revoked. {words}")
        return back(request, CLIENT_PAGES, public_id)
    context = {"view": view, "use_words": CLIENT_PAGES.use_words(view.subject, now)}
    return fragment_or_page(request, "oauth/_tokens_revocation.html", "oauth/tokens_revocation.html", context)


@sensitive_post_parameters("token")
@sensitive_variables()
@require_POST
@member_required(Action.MANAGE_KEYS)
def revoke_one_token(request: MemberRequest, public_id: str) -> HttpResponse:
    """Revoke one token, identified by its text or its ``jti``. The pasted text is not stored, logged or shown again."""
    client = to_change(request, CLIENT_PAGES, public_id).subject
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
            messages.success(
                request, f"{done} {spread_words('Requests with a revoked token are refused', changed.propagation)}"
            )
            return back(request, CLIENT_PAGES, public_id)
    now = timezone.now()
    return show_overview(request, get_view(request, CLIENT_PAGES, public_id, now=now), form.without_token(), now=now)
