"""What happened in the organization."""

from collections.abc import Callable, Iterable, Iterator

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from keys import activity
from keys.activity_export import as_csv, as_json, file_of
from keys.forms.filters import ActivityFilterForm
from portal.http import MemberRequest, fragment_or_page, member_required
from portal.models import AuditEvent
from portal.permissions import Action

MORE_ID = "events-more"
CHUNK = 500
MAX_FILE_BYTES = 16 * 2**20
FORMATS: dict[str, tuple[Callable[[Iterable[AuditEvent]], Iterator[str]], str]] = {
    "csv": (as_csv, "text/csv; charset=utf-8"),
    "json": (as_json, "application/json"),
}


@require_safe
@member_required(Action.VIEW)
def show_activity(request: MemberRequest) -> HttpResponse:
    """Who did what to what, when and from where, newest first, by day."""
    events = activity.visible_events(request.organization)
    form = ActivityFilterForm(request.GET, events=events)
    page = activity.page(activity.matching(events, form.wanted()), after=request.GET.get("after", ""))
    query = {name: value for name in form.fields if (value := request.GET.get(name)) and name not in form.errors}
    here = reverse("keys:activity")
    context = {
        "form": form,
        "days": page.days,
        "is_filtered": bool(query),
        "is_continued": "after" in request.GET,
        "first_href": f"{here}?{urlencode(query)}",
        "more_href": f"{here}?{urlencode(query | {'after': page.next_after})}" if page.next_after else "",
        "exports": [
            (kind.upper(), f"{reverse('keys:activity_export', args=[kind])}?{urlencode(query)}") for kind in FORMATS
        ],
    }
    fragment = "keys/_events_more.html" if request.htmx.target == MORE_ID else "keys/_events.html"
    return fragment_or_page(request, fragment, "keys/activity.html", context)


@require_safe
@member_required(Action.VIEW)
def export_activity(request: MemberRequest, kind: str) -> HttpResponse:
    """The same events, all of them, as a file; made whole first, so that a slow reader holds no thread."""
    if kind not in FORMATS:
        raise Http404
    write, content_type = FORMATS[kind]
    events = activity.visible_events(request.organization)
    wanted = ActivityFilterForm(request.GET, events=events).wanted()
    lines = write(activity.matching(events, wanted).iterator(chunk_size=CHUNK))
    file = file_of(lines, max_bytes=MAX_FILE_BYTES)
    if file is None:
        limit = f"{MAX_FILE_BYTES // 2**20} MB"
        messages.warning(request, f"A file holds at most {limit}, and this would be more. Choose a shorter time.")
        return redirect(f"{reverse('keys:activity')}?{request.GET.urlencode()}")
    response = HttpResponse(file, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="activity.{kind}"'
    response["Cache-Control"] = "no-store"
    return response
