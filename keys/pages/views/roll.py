"""Roll a credential: add a new secret, and set an end for the old one."""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from keys.pages.credential_pages import CredentialPages
from keys.pages.forms.actions import KEEP, NOW, OVERLAPS, Kept, RollForm
from keys.pages.forms.fields import DATE, refuse
from keys.pages.presenters import CredentialView
from keys.pages.views.access import get_view, to_change
from keys.pages.views.issuance import show_already_done, show_secret
from keys.rules.rolling import WorkingSecret, keeps_older, plan_roll
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
    kept = _kept(view)
    form = RollForm(request.POST or None, now=now, kept=kept, initial={"seen": seen})
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
        "kept": kept,
        "meanings": _meanings(view, kept, now),
        "overlap_words": _overlap_words(view, kept),
        "use_words": pages.use_words(view.subject, now),
    }
    status = 422 if form.is_bound else 200
    return fragment_or_page(request, "keys/_roll.html", "keys/roll.html", context, status=status)


def _kept(view: CredentialView[Any]) -> Kept | None:
    """Return the older secret if every overlap leaves it the end it has."""
    if view.retiring is None or view.retiring.ends_at is None or not keeps_older(_working(view)):
        return None
    return Kept(view.retiring.hint, min(filter(None, (view.retiring.ends_at, view.subject.expires_at))))


def _meanings(view: CredentialView[Any], kept: Kept | None, now: datetime) -> dict[str, str]:
    """Describe the effect of each choice."""
    if kept:
        newest = masked_key(view.secrets[0].hint)
        return {
            NOW: "Both secrets are refused as soon as the new one exists.",
            KEEP: format_html("{} is refused as soon as the new one exists.", newest),
        }
    return {value: _meaning(view, int(value), now) for value in OVERLAPS if value != DATE}


def _meaning(view: CredentialView[Any], overlap_s: int, now: datetime) -> str:
    """Describe the effect of a choice on the working secrets, by the same rule that the roll applies."""
    ends = plan_roll(_working(view), overlap=timedelta(seconds=overlap_s), expires_at=view.subject.expires_at, now=now)
    for secret in view.secrets:
        end = ends.get(secret.public_id, secret.ends_at)
        if end is not None and end > now:
            who = format_html("{} keeps", masked_key(secret.hint)) if view.retiring else "Keeps"
            return format_html("{} working until {}.", who, exact_time(end))
    return "Refused as soon as the new one exists."


def _overlap_words(view: CredentialView[Any], kept: Kept | None) -> str:
    """Say which secret a roll ends now; empty if no overlap runs."""
    if view.retiring is None:
        return ""
    newest, retiring = masked_key(view.secrets[0].hint), masked_key(view.retiring.hint)
    if kept:
        return format_html("Nobody has used {}: rolling ends it now.", newest)
    return format_html("Rolling ends {} now, and {} gets the time you choose.", retiring, newest)


def _working(view: CredentialView[Any]) -> list[WorkingSecret]:
    """Return the facts of the working secrets, oldest first."""
    return [
        WorkingSecret(secret.public_id, secret.ends_at, secret.last_used_at is not None)
        for secret in reversed(view.secrets)
    ]
