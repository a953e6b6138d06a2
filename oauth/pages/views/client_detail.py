"""Pages of one client: overview with usage and secrets, settings."""

from datetime import datetime

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from keys.pages.presenters import CredentialView
from keys.pages.views.access import get_view
from keys.pages.views.credential_detail import days_asked, overview_of, settings_of
from oauth.models import Client
from oauth.pages import usage
from oauth.pages.client_pages import CLIENT_PAGES
from oauth.pages.forms import TokenForm
from oauth.pages.snippets import with_variable
from oauth.services.tokens import MAX_REVOKED_TOKENS
from portal.http import MemberRequest, member_required
from portal.permissions import Action


@require_safe
@member_required(Action.VIEW)
def overview(request: MemberRequest, public_id: str) -> HttpResponse:
    """Show the client's usage, its secrets with a running overlap, and the form that revokes a token."""
    now = timezone.now()
    return show_overview(request, get_view(request, CLIENT_PAGES, public_id, now=now), TokenForm(), now=now)


def show_overview(
    request: MemberRequest, view: CredentialView[Client], form: TokenForm, *, now: datetime
) -> HttpResponse:
    """Render the overview; with status 422 if the bound form has an error, such as a pasted text that is no token."""
    client = view.subject
    context = {
        **overview_of(view, "Token requests", usage.days_of_tokens(client, days=days_asked(request), now=now), now=now),
        "tokens": usage.tokens_of_client(client, now=now),
        "calls": usage.calls_of_client(client, now=now),
        "snippets": with_variable(client),
        "token_form": form,
        "revoked_words": _revoked_words(client.revoked_tokens.filter(expires_at__gt=now).count()),
    }
    return render(request, "oauth/client_overview.html", context, status=422 if form.is_bound else 200)


@require_safe
@member_required(Action.VIEW)
def client_settings(request: MemberRequest, public_id: str) -> HttpResponse:
    """Show the client's settings in words."""
    return render(request, "oauth/client_settings.html", settings_of(get_view(request, CLIENT_PAGES, public_id)))


def _revoked_words(number: int) -> str:
    if not number:
        return "No token has been revoked on its own."
    was = "1 token was" if number == 1 else f"{number:,} tokens were"
    return f"{was} revoked and would still be valid. After {MAX_REVOKED_TOKENS:,}, revoking one more revokes all."
