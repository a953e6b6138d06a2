"""Create a key, and show its secret once."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from keys.models import Api
from keys.pages.credential_pages import CredentialPages
from keys.pages.forms.fields import refuse
from keys.pages.forms.form_policy import FormPolicy
from keys.pages.forms.key_settings import NewKeyForm
from keys.pages.key_pages import KEY_PAGES, visible_keys
from keys.pages.presenters import CredentialView, spread_words
from keys.pages.views.access import changed_row, get_view
from keys.service_accounts import visible_service_accounts
from keys.services.credential_type import Row
from keys.services.credentials import IssuedCredential
from keys.services.errors import AlreadyDone, Refused
from keys.services.keys import issue_key
from portal.http import MemberRequest, actor_of, fragment_or_page, member_required, shown_once
from portal.models import Organization
from portal.permissions import Action


@sensitive_variables()
@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_KEYS, reveals=True, widens=True)
def new_key(request: MemberRequest) -> HttpResponse:
    """Ask for the settings, create the key, and show its secret in the response to that POST."""
    if request.organization.suspended_at is not None:
        return show_suspended(request, KEY_PAGES)
    apis = list(Api.objects.filter(disabled_at=None, is_builtin=False).order_by("name").prefetch_related("scopes"))
    api = _chosen(apis, request.GET.get("api", ""))
    if api is None:
        return render(request, "keys/key_new_api.html", {"apis": apis})
    now = timezone.now()
    form = NewKeyForm(
        request.POST or None,
        api=api,
        now=now,
        policy=FormPolicy(request.organization, actor_of(request), secret_from=now),
        accounts=list(visible_service_accounts(request.organization)),
        initial={"name": _suggested_name(request.organization, api)},
    )
    if request.method == "POST" and form.is_valid():
        try:
            issued = issue_key(
                request.organization,
                api,
                form.settings(),
                environment=form.wanted_environment(),
                by=actor_of(request),
                service_account=form.wanted_owner(),
                submission=form.cleaned_data["submission"],
            )
        except AlreadyDone as done:
            return show_already_done(request, get_view(request, KEY_PAGES, done.subject_id))
        except Refused as refusal:
            refuse(form, refusal)
        else:
            return show_secret(request, KEY_PAGES, issued)
    context = {"form": form, "api": api, "has_other_apis": len(apis) > 1}
    status = 422 if form.is_bound else 200
    return fragment_or_page(request, "keys/_key_form.html", "keys/key_new.html", context, status=status)


@sensitive_variables()
def show_secret(
    request: MemberRequest, pages: CredentialPages[Row], issued: IssuedCredential[Row], *, rolled: bool = False
) -> HttpResponse:
    """Show a secret for the only time: in this response, which is stored nowhere and must not be cached by proxies."""
    public_id = issued.credential.public_id
    context = {
        "view": get_view(request, pages, public_id),
        "created": pages.created,
        "secret": issued.secret_text,
        "rolled": rolled,
        "works": spread_words(f"The {pages.words.noun} works", issued.propagation),
        "ended": spread_words("The old secret is refused", issued.propagation),
        **pages.secret_context(issued.credential, issued.secret_text),
    }
    response = fragment_or_page(request, pages.created, "keys/secret_created.html", context)
    response.write(changed_row(request, pages, public_id) or "")
    return shown_once(response)


def show_already_done(request: MemberRequest, view: CredentialView[Any]) -> HttpResponse:
    """Show what an earlier submission of the form created, without the secret."""
    context = {"view": view}
    return fragment_or_page(request, "keys/_already_done.html", "keys/already_done.html", context)


def show_suspended(request: MemberRequest, pages: CredentialPages[Any]) -> HttpResponse:
    """Say in place of the form that a suspended organization makes no credentials, and whom to ask."""
    status = 422 if request.method == "POST" else 200
    return render(request, "keys/suspended.html", {"words": pages.words}, status=status)


def _suggested_name(organization: Organization, api: Api) -> str:
    """Suggest a name, such as ``orders-3`` for the third key of the API."""
    number = visible_keys(organization).filter(api=api).count() + 1
    return f"{slugify(api.name)[:40] or 'key'}-{number}"


def _chosen(apis: list[Api], public_id: str) -> Api | None:
    """Return the API in the URL; if there is only one API, that one."""
    if len(apis) == 1:
        return apis[0]
    return next((api for api in apis if api.public_id == public_id), None)
