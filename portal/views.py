"""The shell's own pages: landing, theme, choice of organization, errors."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render


def landing(request: HttpRequest) -> HttpResponse:
    """What this is; whoever is signed in goes on to the overview."""
    if request.user.is_authenticated:
        return redirect("/app/")
    return render(request, "portal/landing.html")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form was older than the sign-in it was made for."""
    return HttpResponse(status=403)
