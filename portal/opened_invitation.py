"""Remember the invitation that a browser opened: the session holds its public id, never the link's token."""

from django.http import HttpRequest
from django.utils import timezone

from portal.models import Invitation
from portal.refusals import Refused
from portal.services.invitations import refuse_unless_open

SESSION_INVITATION = "invitation"


def remember(request: HttpRequest, invitation: Invitation) -> None:
    """Keep the invitation in the session through sign-in and sign-up."""
    request.session[SESSION_INVITATION] = invitation.public_id


def forget(request: HttpRequest) -> None:
    """Remove the invitation from the session."""
    request.session.pop(SESSION_INVITATION, None)


def opened(request: HttpRequest) -> Invitation | None:
    """Return the opened invitation in any state, or None."""
    public_id = request.session.get(SESSION_INVITATION)
    if public_id is None:
        return None
    return Invitation.objects.select_related("organization", "invited_by").filter(public_id=public_id).first()


def waiting(request: HttpRequest) -> Invitation | None:
    """Return the opened invitation if it can still be accepted, else None."""
    invitation = opened(request)
    if invitation is None:
        return None
    try:
        refuse_unless_open(invitation, now=timezone.now())
    except Refused:
        return None
    return invitation
