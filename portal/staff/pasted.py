"""Search in admin for a text that may be a pasted secret: it is looked up, and is kept in no URL, log or session."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from portal.names import normal_name
from portal.redaction import cut_secrets

if TYPE_CHECKING:
    from portal.staff.operated import OperatedAdmin

MAX_SENT_CHARS = 1000
MAX_SEARCH_CHARS = 100
MAX_SEARCH_WORDS = 10


def search(request: HttpRequest, admins: "Iterable[OperatedAdmin[Any]]") -> HttpResponse:
    """Redirect to the object whose secret was posted; for any other text, to the same page with the text in its URL."""
    text = normal_name(request.POST.get(SEARCH_VAR, "")[:MAX_SENT_CHARS])
    for model_admin in admins:
        found = model_admin.find_by_secret(text)
        if found is not None:
            messages.success(request, f"The secret you pasted belongs to {found}. We have not kept the text.")
            return redirect(model_admin.page_of(found))
    if cut_secrets(text) != text:
        messages.warning(request, "We know no such secret. We have not kept the text you pasted.")
        return redirect(request.path)
    query = request.GET.copy()
    query.pop(PAGE_VAR, None)
    query[SEARCH_VAR] = searchable(text)
    return redirect(f"{request.path}?{query.urlencode()}")


def searchable(text: str) -> str:
    """Return as much of the text as is searched for: names are stored normalized, and each word is a condition."""
    return " ".join(normal_name(text[:MAX_SEARCH_CHARS]).split()[:MAX_SEARCH_WORDS])


def is_in_url(request: HttpRequest) -> bool:
    """Return True, and warn the person, if the search text in the URL holds a secret or a long part of one."""
    sent = request.GET.get(SEARCH_VAR, "")
    is_secret = any(cut_secrets(text) != text for text in (sent, normal_name(sent[:MAX_SENT_CHARS])))
    if is_secret:
        messages.warning(request, "An address must not hold a secret. Paste it into the search field instead.")
    return is_secret
