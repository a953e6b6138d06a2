"""The public docs page for backend developers."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys.pages import backend_guide, snippets
from portal.http import HttpRequest


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show how to validate a key, the meaning of every code, the format of a key, and how to roll.

    Members read it in the frame of the portal, other people in that of the landing page.
    """
    context = {
        "layout": "layouts/app.html" if request.membership else "layouts/site.html",
        "whoami": snippets.with_variable()[0].text,
        "validate": backend_guide.validate_snippets(settings.PUBLIC_URL),
        "answer": backend_guide.ANSWER,
        "codes": backend_guide.CODES,
        "pattern": backend_guide.pattern(settings.KEY_BRAND),
        "checksum": backend_guide.CHECKSUM,
        "brand": settings.KEY_BRAND,
    }
    return render(request, "docs/backend.html", context)
