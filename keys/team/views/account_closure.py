"""The page that closes one's account."""

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from keys.pages.presenters import spread_words
from keys.team.account_closure_form import ClosureForm
from keys.team.services.account_closure import close_account
from portal import reauthentication
from portal.http import HttpRequest, actor_of
from portal.outbox import batch_changes
from portal.refusals import Refused


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def close(request: HttpRequest) -> HttpResponse:
    """Ask about every organization that the person leaves, on one page, then close the account."""
    reauthentication.require_recent(request)
    user = request.user
    form = ClosureForm(request.POST if request.method == "POST" else None, user=user)
    if request.method == "POST" and form.is_valid():
        address, by = user.email, actor_of(request)
        try:
            with batch_changes() as ended:
                close_account(user, form.new_owners(), by=by)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            logout(request)
            get_adapter().send_notification_mail("account/email/account_closed", user, email=address)
            words = spread_words("Requests with credentials that ended with it are refused", ended.spread)
            messages.success(request, f"Your account is closed. {words} We notified your address and deleted the rest.")
            return redirect("account_login")
    return render(request, "team/account_closure.html", {"form": form}, status=422 if form.errors else 200)
