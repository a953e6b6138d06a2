"""The pages of one's own account that allauth does not have: where one is signed in, and the overview of security."""

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
from portal.accounts.forms import MailsForm
from portal.accounts.sessions import row_key
from portal.accounts.user_agents import browser_words
from portal.http import HttpRequest, actor_of
from portal.models import MailKind, Session
from portal.services import people


@dataclass(frozen=True)
class SessionView:
    """A session as the page lists it."""

    session: Session
    browser: str
    is_current: bool


class SecurityView(base_views.IndexView):
    """How one gets in, what one could get in by besides, and where one is in."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With the sessions, this one first."""
        sessions = sessions_of(self.request)
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context | {"sessions": sessions, "has_others": len(sessions) > 1}


class EnterCodeView(ConfirmEmailVerificationCodeView):
    """The code from the mail, or the wish for another."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Stay here where it is too soon for another code: the one that was mailed goes on working."""
        if request.POST.get("action") == "resend":
            wait = login_throttle.wait_for_code(request, self.get_context_data()["email"])
            if wait:
                messages.warning(request, wait)
                return redirect("account_email_verification_sent")
        answer: HttpResponse = super().post(request, *args, **kwargs)
        return answer


@method_decorator(login_required, name="dispatch")
class SetPasswordView(PasswordSetView):
    """A first password: one more way in, so who it is is asked again."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Ask, unless there is a password already: then that has a page of its own, and asks for it."""
        if not request.user.has_usable_password():
            reauthentication.require_recent(request)
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return answer


def sessions_of(request: HttpRequest) -> list[SessionView]:
    """The person's sessions that go on, this one first, then by last use."""
    here = row_key(request.session.session_key)
    rows = Session.objects.filter(user=request.user, expire_date__gt=timezone.now()).order_by("-seen_at")
    views = [SessionView(row, browser_words(row.user_agent), is_current=row.pk == here) for row in rows]
    return sorted(views, key=lambda view: not view.is_current)


@require_POST
@login_required
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """Sign out everywhere else."""
    ended = people.end_other_sessions(request.user, keep=row_key(request.session.session_key), by=actor_of(request))
    where = "one other browser" if ended == 1 else f"{ended} other browsers"
    messages.success(request, f"You are signed out of {where}." if ended else "You were signed in nowhere else.")
    return redirect("mfa_index")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def choose_mails(request: HttpRequest) -> HttpResponse:
    """Which mails one wants, of those one may go without."""
    user = request.user
    initial = {"wanted": [kind.value for kind in MailKind if kind not in user.unwanted_mails]}
    form = MailsForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        people.choose_mails(user, form.kinds(), by=actor_of(request))
        messages.success(request, "Your choice is saved.")
        return redirect("account_mails")
    return render(request, "portal/account_mails.html", {"form": form}, status=422 if form.errors else 200)
