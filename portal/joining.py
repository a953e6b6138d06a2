"""Which invitation a browser has opened: its session holds the public id; the link's one-time part goes no further."""

from django.http import HttpRequest

from portal.models import Invitation

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
    """The one that still waits for an answer."""
    invitation = opened(request)
    return invitation if invitation is not None and invitation.ended_at is None else None
