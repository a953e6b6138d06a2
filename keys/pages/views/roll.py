"""Roll a credential: add a new secret, and set an end for the old one."""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from keys.models import Secret
from keys.pages.credential_pages import CredentialPages
from keys.pages.forms.actions import OVERLAPS, RollForm
from keys.pages.forms.fields import DATE, refuse
from keys.pages.presenters import CredentialView
from keys.pages.views.access import get_view, to_change
from keys.pages.views.issuance import show_already_done, show_secret
from keys.rules.rolling import WorkingSecret, plan_roll
from keys.services.errors import AlreadyDone, Refused
from keys.services.secrets import roll_credential
from portal.http import MemberRequest, actor_of, fragment_or_page, member_required
from portal.permissions import Action
from portal.templatetags.ui import masked_key
from portal.ui.markup import exact_time


@sensitive_variables()
@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_KEYS, reveals=True)
def roll(request: MemberRequest, public_id: str, pages: CredentialPages[Any]) -> HttpResponse:
    """Ask when the old secret ends, add the new secret, and show it in the response to that POST."""
    now = timezone.now()
    view = to_change(request, pages, public_id, now=now)
    seen = view.secrets[0].public_id if view.secrets else ""
    form = RollForm(request.POST or None, now=now, initial={"seen": seen})
    if request.method == "POST" and form.is_valid():
        try:
            issued = roll_credential(
                view.subject,
                overlap=form.length(),
                by=actor_of(request),
                submission=form.cleaned_data["submission"],
                seen_secret_id=form.cleaned_data["seen"],
            )
        except AlreadyDone as done:
            return show_already_done(request, get_view(request, pages, done.subject_id))
        except Refused as refusal:
            refuse(form, refusal)
        else:
            return show_secret(request, pages, issued, rolled=True)
    context = {
        "form": form,
        "view": view,
        "meanings": {value: _meaning(view, int(value), now) for value in OVERLAPS if value != DATE},
        "overlap_words": _overlap_words(view),
        "use_words": pages.use_words(view.subject, now),
    }
    status = 422 if form.is_bound else 200
    return fragment_or_page(request, "keys/_roll.html", "keys/roll.html", context, status=status)


def _meaning(view: CredentialView[Any], overlap_s: int, now: datetime) -> str:
    """Describe the effect of a choice on the working secrets, by the same rule that the roll applies."""
    working = [_working(secret) for secret in reversed(view.secrets)]
    ends = plan_roll(working, overlap=timedelta(seconds=overlap_s), expires_at=view.subject.expires_at, now=now)
    for secret in view.secrets:
        end = ends.get(secret.public_id, secret.ends_at)
        if end is not None and end > now:
            who = format_html("{} keeps", masked_key(secret.hint)) if view.retiring else "Keeps"
            return format_html("{} working until {}.", who, exact_time(end))
    return "Refused as soon as the new one exists."


def _overlap_words(view: CredentialView[Any]) -> str:
    """Say which secret a roll ends now; empty if no overlap runs."""
    if view.retiring is None:
        return ""
    newest, retiring = masked_key(view.secrets[0].hint), masked_key(view.retiring.hint)
    if view.secrets[0].last_used_at is None:
        return format_html("Nobody has used {}: rolling ends it now, and {} keeps the end it has.", newest, retiring)
    return format_html("Rolling ends {} now, and {} gets the time you choose.", retiring, newest)


def _working(secret: Secret) -> WorkingSecret:
    return WorkingSecret(secret.public_id, secret.ends_at, secret.last_used_at is not None)
