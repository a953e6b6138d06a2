"""Answer an invitation. The mailed link redirects to a URL without its one-time token. Looking changes nothing."""

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from keys.pages.views.access import go_to
from portal import opened_invitation
from portal.http import HttpRequest, actor_of, sign_in
from portal.middleware import SESSION_ORGANIZATION
from portal.permissions import MEANINGS, Role
from portal.refusals import Refused
from portal.services import invitations


@require_safe
def open_link(request: HttpRequest, token: str) -> HttpResponse:
    """Remember the invitation in the session, and redirect to a URL without the token."""
    invitation = invitations.find_by_token(token)
    if invitation is None:
        return _show_gone(request, "The link is not complete, or a newer one was sent in its place.", status=404)
    opened_invitation.remember(request, invitation)
    response = redirect("team:invited")
    response["Referrer-Policy"] = "no-referrer"
    return response


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Show who invites, to which organization and role, and the possible answers."""
    invitation = opened_invitation.opened(request)
    if invitation is None:
        return _show_gone(request, "Open the link in your mail once more.", status=404)
    try:
        invitations.refuse_unless_open(invitation, now=timezone.now())
    except Refused as refusal:
        return _show_gone(request, str(refusal), status=410)
    is_signed_in = request.user.is_authenticated
    context = {
        "invitation": invitation,
        "meaning": MEANINGS[Role(invitation.role)],
        "is_signed_in": is_signed_in,
        "is_for_me": is_signed_in and invitations.is_for(invitation, request.user),
        "next": urlencode({"next": reverse("team:invited")}),
    }
    return render(request, "team/invited.html", context)


@require_POST
def accept(request: HttpRequest) -> HttpResponse:
    """Become a member, and switch to the organization."""
    if not request.user.is_authenticated:
        return sign_in(request)
    invitation = opened_invitation.opened(request)
    if invitation is None:
        return redirect("team:invited")
    try:
        membership = invitations.accept_invitation(invitation, user=request.user, by=actor_of(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("team:invited")
    opened_invitation.forget(request)
    request.session[SESSION_ORGANIZATION] = membership.organization.public_id
    messages.success(request, f"Welcome to {membership.organization.name}. Your role here: {membership.role}.")
    return go_to(request, reverse("keys:overview"))


@require_POST
def decline(request: HttpRequest) -> HttpResponse:
    """Decline the invitation; this needs no account."""
    invitation = opened_invitation.opened(request)
    if invitation is not None:
        invitations.decline_invitation(invitation, by=actor_of(request))
        opened_invitation.forget(request)
    return render(request, "team/declined.html", {"invitation": invitation})


@require_POST
def switch_account(request: HttpRequest) -> HttpResponse:
    """Sign out, and sign in again with the account that the invitation is for."""
    invitation = opened_invitation.opened(request)
    logout(request)
    if invitation is not None:
        opened_invitation.remember(request, invitation)
    return redirect(f"{reverse('account_login')}?{urlencode({'next': reverse('team:invited')})}")


def _show_gone(request: HttpRequest, why: str, *, status: int) -> HttpResponse:
    return render(request, "team/invitation_gone.html", {"why": why}, status=status)
