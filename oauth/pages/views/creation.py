"""Create a client: the form, and the one page that shows its secret."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from keys.models import Api
from keys.pages.forms.fields import refuse
from keys.pages.forms.form_policy import FormPolicy
from keys.pages.presenters import spread_words
from keys.pages.views.access import back, get_view
from keys.pages.views.issuance import show_already_done, show_secret, show_suspended
from keys.service_accounts import visible_service_accounts
from keys.services.credentials import IssuedCredential
from keys.services.errors import AlreadyDone, Refused
from oauth.pages.client_pages import CLIENT_PAGES
from oauth.pages.forms import NewClientForm
from oauth.services.clients import create_client
from portal.http import MemberRequest, actor_of, member_required
from portal.permissions import Action


@sensitive_variables()
@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_KEYS, reveals=True, widens=True)
def new_client(request: MemberRequest) -> HttpResponse:
    """Show the form, create the client, and show its secret in the response to the same POST."""
    if request.organization.suspended_at is not None:
        return show_suspended(request, CLIENT_PAGES)
    apis = list(Api.objects.filter(disabled_at=None, is_builtin=False).order_by("name").prefetch_related("scopes"))
    granted: dict[str, list[str]] = {apis[0].public_id: []} if len(apis) == 1 else {}
    accounts = list(visible_service_accounts(request.organization))
    policy = FormPolicy(request.organization, actor_of(request), secret_from=timezone.now())
    form = NewClientForm(request.POST or None, apis=apis, granted=granted, accounts=accounts, policy=policy)
    if request.method == "POST" and form.is_valid():
        try:
            made = create_client(
                request.organization,
                form.settings(),
                grants=form.chosen_grants(),
                environment=form.wanted_environment(),
                by=actor_of(request),
                service_account=form.wanted_owner(),
                submission=form.cleaned_data["submission"],
            )
        except AlreadyDone as done:
            return show_already_done(request, get_view(request, CLIENT_PAGES, done.subject_id))
        except Refused as refusal:
            refuse(form, refusal)
        else:
            if isinstance(made, IssuedCredential):
                return show_secret(request, CLIENT_PAGES, made)
            messages.success(
                request, f"{made.credential.name} is created. {spread_words('It gets tokens', made.propagation)}"
            )
            return back(request, CLIENT_PAGES, made.credential.public_id)
    status = 422 if form.is_bound else 200
    return render(request, "oauth/client_new.html", {"form": form, "apis": apis}, status=status)
