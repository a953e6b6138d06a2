"""Which invitation a browser has opened: its session holds the public id; the link's one-time part goes no further."""

from django.http import HttpRequest
from django.utils import timezone

from portal.models import Invitation
from portal.refusals import Refused
from portal.services.invitations import refuse_unless_open

SESSION_INVITATION = "invitation"


def remember(request: HttpRequest, invitation: Invitation) -> None:
    """Hold on to it through sign-in and sign-up."""
    request.session[SESSION_INVITATION] = invitation.public_id


def forget(request: HttpRequest) -> None:
    """It has been answered."""
    request.session.pop(SESSION_INVITATION, None)


def opened(request: HttpRequest) -> Invitation | None:
    """The invitation, whatever became of it since."""
    public_id = request.session.get(SESSION_INVITATION)
    if public_id is None:
        return None
    return Invitation.objects.select_related("organization", "invited_by").filter(public_id=public_id).first()


def waiting(request: HttpRequest) -> Invitation | None:
    """The one that can still be accepted."""
    invitation = opened(request)
    if invitation is None:
        return None
    try:
        refuse_unless_open(invitation, now=timezone.now())
    except Refused:
        return None
    return invitation
