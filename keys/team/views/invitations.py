"""The pages about invitations that were not accepted yet."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys.pages.views.access import go_to, refusals_told
from keys.team.forms import InviteForm
from keys.team.members import open_invitations
from portal.http import MemberRequest, actor_of, fragment_or_page, member_required
from portal.models import Invitation
from portal.permissions import MEANINGS, Action, Role, may_grant
from portal.refusals import Refused
from portal.services import invitations


@require_safe
@member_required(Action.MANAGE_ORGANIZATION)
def show_invitations(request: MemberRequest) -> HttpResponse:
    """Show the unanswered invitations, including expired ones."""
    rows = open_invitations(request.organization)
    granter = Role(request.membership.role)
    grantable = [role.value for role in Role if may_grant(granter, role)]
    return render(request, "team/invitations.html", {"rows": rows, "grantable": grantable, "now": timezone.now()})


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_ORGANIZATION, widens=True)
def invite(request: MemberRequest) -> HttpResponse:
    """Invite several addresses with one role."""
    form = InviteForm(request.POST or None, granter=Role(request.membership.role))
    if request.method == "POST" and form.is_valid():
        emails = form.cleaned_data["emails"]
        try:
            invitations.invite(request.organization, emails, form.wanted(), by=actor_of(request))
        except Refused as refusal:
            form.add_error("emails", str(refusal))
        else:
            who = emails[0] if len(emails) == 1 else f"{len(emails)} people"
            lasts = f"The links work for {invitations.LIFETIME.days} days."
            messages.success(request, f"Mail to {who} is on its way. {lasts} Send again what does not arrive.")
            return go_to(request, reverse("team:invitations"))
    context = {"form": form, "meanings": {role.value: meaning for role, meaning in MEANINGS.items()}}
    status = 422 if form.is_bound else 200
    return fragment_or_page(request, "team/_invite.html", "team/invite.html", context, status=status)


@require_POST
@member_required(Action.MANAGE_ORGANIZATION, widens=True)
def resend(request: MemberRequest, invitation_id: str) -> HttpResponse:
    """Send a new link; the old link becomes void."""
    with refusals_told(request):
        sent = invitations.resend_invitation(_get(request, invitation_id), by=actor_of(request))
        messages.success(request, f"A new link is on its way to {sent.email}. The old one no longer works.")
    return go_to(request, reverse("team:invitations"))


@require_POST
@member_required(Action.MANAGE_ORGANIZATION)
def revoke(request: MemberRequest, invitation_id: str) -> HttpResponse:
    """Revoke an invitation."""
    revoked = invitations.revoke_invitation(_get(request, invitation_id), by=actor_of(request))
    if revoked.outcome == Invitation.Outcome.REVOKED:
        messages.success(request, f"The invitation of {revoked.email} no longer works.")
    else:
        messages.info(request, f"{revoked.email} has already answered.")
    return go_to(request, reverse("team:invitations"))


def _get(request: MemberRequest, invitation_id: str) -> Invitation:
    found = request.organization.invitations.select_related("organization")
    return get_object_or_404(found, public_id=invitation_id)
