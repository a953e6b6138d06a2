"""Find the member of a page, and check who may change members."""

from django.shortcuts import get_object_or_404

from keys.team.members import MemberRow, member_row, visible_members
from portal.http import MemberRequest
from portal.permissions import Action


def get_member(request: MemberRequest, user_id: str) -> MemberRow:
    """Return the organization's member with this id. Other people are a 404, like unknown ids."""
    membership = get_object_or_404(visible_members(request.organization), user__public_id=user_id)
    return member_row(membership, request.membership)


def may_manage_team(request: MemberRequest) -> bool:
    """Tell whether this member may change members; pages hide controls that the member may not use."""
    return request.membership.can(Action.MANAGE_ORGANIZATION)
