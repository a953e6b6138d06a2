"""What pages about people begin with: one of the organization's own, and who may change them."""

from django.shortcuts import get_object_or_404

from keys.team.members import MemberRow, member_row, visible_members
from portal.http import MemberRequest
from portal.permissions import Action


def get_member(request: MemberRequest, user_id: str) -> MemberRow:
    """The member of that id; somebody else is as unknown as nobody."""
    membership = get_object_or_404(visible_members(request.organization), user__public_id=user_id)
    return member_row(membership, request.membership)


def may_manage_team(request: MemberRequest) -> bool:
    """Whether this member may change people; a control one may not use is not drawn."""
    return request.membership.can(Action.MANAGE_ORGANIZATION)
