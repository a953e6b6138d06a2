"""The page of the organization's events."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from keys.pages.exports import begin_export
from keys.pages.forms.filters import ActivityFilterForm
from portal import activity
from portal.activity_export import as_csv, as_json
from portal.http import MemberRequest, error_page, fragment_or_page, member_required
from portal.models import AuditEvent
from portal.permissions import Action

MORE_ID = "events-more"
EXPORT_PAGE = 250
RETRY_AFTER_S = 10
FORMATS: dict[str, tuple[Callable[[Iterable[Sequence[AuditEvent]]], Iterator[str]], str]] = {
    "csv": (as_csv, "text/csv; charset=utf-8"),
    "json": (as_json, "application/json"),
}


@require_safe
@member_required(Action.VIEW)
def show_activity(request: MemberRequest) -> HttpResponse:
    """Show who did what, to what, when and from where: newest first, by day."""
    events = activity.visible_events(request.organization)
    form = ActivityFilterForm(request.GET, events=events)
    page = activity.page(activity.matching(events, form.wanted()), after=request.GET.get("after", ""))
    query = dict(form.data.items())
    here = reverse("keys:activity")
    first_href = f"{here}?{urlencode(query)}" if query else here
    context = {
        "form": form,
        "days": page.days,
        "is_continued": "after" in request.GET,
        "first_href": first_href,
        "more_href": f"{here}?{urlencode(query | {'after': page.next_after})}" if page.next_after else "",
        "exports": [
            (kind.upper(), f"{reverse('keys:activity_export', args=[kind])}?{urlencode(query)}") for kind in FORMATS
        ],
    }
    if request.htmx.target == MORE_ID:
        return fragment_or_page(request, "keys/_events_more.html", "keys/activity.html", context)
    response = fragment_or_page(request, "keys/_events.html", "keys/activity.html", context)
    return push_url(response, first_href) if request.htmx else response


@require_safe
@member_required(Action.VIEW)
def export_activity(request: MemberRequest, kind: str) -> HttpResponseBase:
    """Export all matching events as a file, which is produced page by page while it is read."""
    if kind not in FORMATS:
        raise Http404
    write, content_type = FORMATS[kind]
    events = activity.visible_events(request.organization)
    wanted = ActivityFilterForm(request.GET, events=events).wanted()
    pages = activity.in_pages(activity.matching(events, wanted), of=EXPORT_PAGE)
    if request.method == "HEAD":
        return HttpResponse(content_type=content_type)
    export = begin_export(write(pages), user_id=request.user.public_id)
    if export is None:
        return _too_many_exports(request)
    response = StreamingHttpResponse(export, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="activity.{kind}"'
    response["Cache-Control"] = "no-store"
    return response


def _too_many_exports(request: MemberRequest) -> HttpResponse:
    response = error_page(
        request,
        status=503,
        title="Another export is under way",
        detail="You can have one export at a time, and the server makes few at once. Try again in a few seconds.",
    )
    response["Retry-After"] = str(RETRY_AFTER_S)
    return response
