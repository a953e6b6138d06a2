"""Roll a client: add a new secret, and set the end of the old one."""

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from keys.pages.forms.actions import RollForm
from keys.pages.forms.fields import refuse
from keys.pages.views.access import to_change
from keys.pages.views.issuance import show_already_done
from keys.pages.views.roll import show_roll
from keys.services.errors import AlreadyDone, Refused
from keys.services.secrets import roll_credential
from oauth.pages.presenters import issue_words
from oauth.pages.usage import tokens_of_client
from oauth.pages.views.access import get_view
from oauth.pages.views.creation import show_secret
from portal.http import MemberRequest, actor_of, member_required
from portal.permissions import Action


@sensitive_variables()
@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_KEYS, reveals=True)
def roll(request: MemberRequest, public_id: str) -> HttpResponse:
    """Ask for the end of the old secret, add the new one, and show it in the response to the same POST."""
    now = timezone.now()
    view = to_change(request, get_view(request, public_id, now=now))
    seen = view.secrets[0].public_id if view.secrets else ""
    form = RollForm(request.POST or None, now=now, initial={"seen": seen})
    if request.method == "POST" and form.is_valid():
        try:
            issued = roll_credential(
                view.client,
                overlap=form.length(),
                by=actor_of(request),
                submission=form.cleaned_data["submission"],
                seen_secret_id=form.cleaned_data["seen"],
            )
        except AlreadyDone as done:
            return show_already_done(request, get_view(request, done.subject_id))
        except Refused as refusal:
            refuse(form, refusal)
        else:
            return show_secret(request, issued, rolled=True)
    return show_roll(request, view, form, used=issue_words(tokens_of_client(view.client, now=now)), now=now)
