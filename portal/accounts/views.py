"""Account pages that allauth does not have: the profile, the security overview, and the choice of mails."""

from dataclasses import dataclass
from typing import Any

from allauth.account.views import ConfirmEmailVerificationCodeView, PasswordSetView
from allauth.mfa.base import views as base_views
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods, require_POST

from portal import reauthentication
from portal.accounts import login_throttle
from portal.accounts.forms import MailsForm, ProfileForm
from portal.accounts.sessions import row_key
from portal.http import HttpRequest, actor_of
from portal.models import Session
from portal.preferences import MailKind
from portal.refusals import Invalid
from portal.services import people
from portal.ui.user_agents import browser_words


@dataclass(frozen=True)
class SessionView:
    """One session as the security page lists it."""

    session: Session
    browser: str
    is_current: bool


class SecurityView(base_views.IndexView):
    """Show how the person signs in, which other ways they could add, and where they are signed in."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the person's sessions, the current one first."""
        sessions = sessions_of(self.request)
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context | {"sessions": sessions, "has_others": len(sessions) > 1}


class EnterCodeView(ConfirmEmailVerificationCodeView):
    """Enter the mailed verification code, or ask for another one."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refuse to mail another code too soon; the code that was mailed before still works."""
        if request.POST.get("action") == "resend" and (wait := self._wait()):
            messages.warning(request, f"You can ask again in {wait}. The code that was sent before still works.")
            return redirect(self.passthrough_next_url(request.path))
        answer: HttpResponse = super().post(request, *args, **kwargs)
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add when another code may be asked for and, after a wrong one, how many tries are left."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        failed = self._process.state["failed_attempts"]
        left = self._process.max_attempts - failed
        tries = ("1 try is left." if left == 1 else f"{left} tries are left.") if failed else ""
        return context | {"wait": self._wait(), "tries": tries}

    def _wait(self) -> str:
        return login_throttle.wait_for_code(self.request, self._process.email)


@method_decorator(login_required, name="dispatch")
class SetPasswordView(PasswordSetView):
    """Set a first password. It adds a way to sign in, so the person has to confirm their identity first."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Require a recent proof of identity if the account has no password.

        With a password, allauth redirects to the page that changes it, which asks for the current one.
        """
        if not request.user.has_usable_password():
            reauthentication.require_recent(request)
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return answer


def sessions_of(request: HttpRequest) -> list[SessionView]:
    """Return the person's active sessions: the current one first, the others by last use."""
    here = row_key(request.session.session_key)
    rows = Session.objects.filter(user=request.user, expire_date__gt=timezone.now()).order_by("-seen_at")
    views = [SessionView(row, browser_words(row.user_agent), is_current=row.pk == here) for row in rows]
    return sorted(views, key=lambda view: not view.is_current)


@require_POST
@login_required
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """End all of the person's other sessions."""
    ended = people.end_other_sessions(request.user, keep=row_key(request.session.session_key), by=actor_of(request))
    where = "one other browser" if ended == 1 else f"{ended} other browsers"
    messages.success(request, f"You are signed out of {where}." if ended else "You were signed in nowhere else.")
    return redirect("mfa_index")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def edit_profile(request: HttpRequest) -> HttpResponse:
    """Show and save the person's name and preferences."""
    user, by = request.user, actor_of(request)
    initial = {"name": user.name, "time_zone": user.time_zone, "density": user.density}
    form = ProfileForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            people.rename_person(user, form.cleaned_data["name"], by=by)
        except Invalid as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            wanted = form.cleaned_data["time_zone"]
            people.choose_preferences(user, time_zone=wanted, density=form.wanted_density(), by=by)
            messages.success(request, "Your profile is saved.")
            return redirect("account_profile")
    return render(request, "portal/account_profile.html", {"form": form}, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def choose_mails(request: HttpRequest) -> HttpResponse:
    """Show and save which optional mails the person receives."""
    user = request.user
    initial = {"wanted": [kind.value for kind in MailKind if kind not in user.unwanted_mails]}
    form = MailsForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        people.choose_mails(user, form.kinds(), by=actor_of(request))
        messages.success(request, "Your choice is saved.")
        return redirect("account_mails")
    return render(request, "portal/account_mails.html", {"form": form}, status=422 if form.errors else 200)
