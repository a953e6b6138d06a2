"""What happened in the organization."""

from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from keys import activity
from keys.forms.filters import ActivityFilterForm
from portal.http import MemberRequest, fragment_or_page, member_required
from portal.permissions import Action

MORE_ID = "events-more"


@require_safe
@member_required(Action.VIEW)
def show_activity(request: MemberRequest) -> HttpResponse:
    """Who did what to what, when and from where, newest first, by day."""
    events = activity.visible_events(request.organization)
    form = ActivityFilterForm(request.GET, events=events)
    wanted = form.wanted()
    page = activity.page(activity.matching(events, wanted), after=request.GET.get("after", ""))
    query = {name: value for name in form.fields if (value := request.GET.get(name)) and name not in form.errors}
    here = reverse("keys:activity")
    context = {
        "form": form,
        "days": page.days,
        "is_filtered": bool(query),
        "is_continued": "after" in request.GET,
        "first_href": f"{here}?{urlencode(query)}",
        "more_href": f"{here}?{urlencode(query | {'after': page.next_after})}" if page.next_after else "",
    }
    fragment = "keys/_events_more.html" if request.htmx.target == MORE_ID else "keys/_events.html"
    return fragment_or_page(request, fragment, "keys/activity.html", context)
