"""The pages about members: the list, and their roles."""

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from keys.pages.views.access import go_to
from keys.team.forms import MemberSearchForm, RoleForm
from keys.team.members import PAGE_SIZE, member_page
from keys.team.views.access import get_member, may_manage_team
from portal import reauthentication
from portal.http import MemberRequest, actor_of, fragment_or_page, member_required
from portal.permissions import MEANINGS, Action, Role
from portal.refusals import Refused
from portal.services.members import change_role


@require_safe
@member_required(Action.VIEW)
def show_members(request: MemberRequest) -> HttpResponse:
    """Show each member's role, second factor and number of keys."""
    form = MemberSearchForm(request.GET)
    text = form.text()
    after = request.GET.get("after", "")
    page = member_page(request.organization, request.membership, text=text, after=after)
    here, query = reverse("team:members"), {"q": text} if text else {}
    context = {
        "form": form,
        "page": page,
        "is_filtered": bool(text),
        "has_search": bool(text) or page.total > PAGE_SIZE,
        "is_continued": bool(after),
        "first_href": f"{here}?{urlencode(query)}",
        "more_href": f"{here}?{urlencode(query | {'after': page.next_after})}" if page.next_after else "",
        "may_manage": may_manage_team(request),
    }
    return fragment_or_page(request, "team/_members.html", "team/members.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_ORGANIZATION, widens="by form")
def change_member_role(request: MemberRequest, user_id: str) -> HttpResponse:
    """Give a member another role; a role with more permissions has to be confirmed."""
    row = get_member(request, user_id)
    before = Role(row.membership.role)
    form = RoleForm(request.POST or None, granter=Role(request.membership.role), initial={"role": before})
    widens = False
    if request.method == "POST" and form.is_valid():
        wanted = form.wanted()
        widens = before.widens(wanted) and not form.is_confirmed()
        if not widens:
            if before.widens(wanted):
                reauthentication.require_recent(request)
            try:
                change_role(row.membership, wanted, by=actor_of(request))
            except Refused as refusal:
                form.add_error("role", str(refusal))
            else:
                name = row.membership.user.display_name
                messages.success(request, f"{name} is now {_with_article(wanted)} of {request.organization.name}.")
                return go_to(request, reverse("team:members"))
    context = {
        "form": form,
        "row": row,
        "meanings": {role.value: meaning for role, meaning in MEANINGS.items()},
        "widens_to": form.wanted() if widens else None,
        "meaning": MEANINGS[form.wanted()] if widens else "",
    }
    status = 422 if form.is_bound and form.errors else 200
    return fragment_or_page(request, "team/_role.html", "team/role.html", context, status=status)


def _with_article(role: Role) -> str:
    return f"{'an' if role in {Role.OWNER, Role.ADMIN} else 'a'} {role.value}"
