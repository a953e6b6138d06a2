"""Edit a client in three steps: the form, a review of the changes, the save."""

from collections.abc import Mapping, Sequence

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys.models import Api
from keys.pages.forms.fields import refuse
from keys.pages.presenters import spread_words
from keys.pages.views.access import get_credential, go_to, to_change
from keys.pages.views.edit import Difference, differences, show_review
from keys.rules.access_increase import adds_scopes
from keys.services.errors import Conflict, Refused
from oauth.models import Client
from oauth.pages.client_pages import CLIENT_PAGES
from oauth.pages.forms import EditClientForm
from oauth.protocol.client_fields import CLIENT_FIELDS
from oauth.services.clients import edit_client
from portal import reauthentication
from portal.http import MemberRequest, actor_of, member_required
from portal.permissions import Action


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_KEYS, widens="by form")
def edit(request: MemberRequest, public_id: str) -> HttpResponse:
    """Handle all three steps; the field ``step`` names the one that was submitted."""
    view = to_change(request, CLIENT_PAGES, public_id)
    client = view.subject
    form = EditClientForm(request.POST or None, apis=_apis(client), granted=_granted(client), client=client)
    context = {"view": view, "form": form}
    step = request.POST.get("step", "")
    if step in {"review", "save"} and form.is_valid():
        try:
            return (_save if step == "save" else _review)(request, form, client, context)
        except Refused as refusal:
            refuse(form, refusal)
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "oauth/client_edit.html", context, status=status)


def _save(request: MemberRequest, form: EditClientForm, client: Client, context: Mapping[str, object]) -> HttpResponse:
    if any(each.widens for each in _differences(client, form)):
        reauthentication.require_recent(request)
    wanted, grants, version = form.settings(), form.chosen_grants(), form.cleaned_data["version"]
    try:
        changed = edit_client(client, wanted, grants=grants, by=actor_of(request), seen_version=version)
    except Conflict:
        return _review(request, form, get_credential(request, CLIENT_PAGES, client.public_id), context)
    if changed.credential.version == client.version:
        messages.info(request, f"Nothing about {client.name} was different.")
    else:
        words = spread_words("In force", changed.propagation)
        messages.success(request, f"{changed.credential.name} is changed. {words}")
    return go_to(request, reverse("clients:settings", args=[client.public_id]))


def _review(
    request: MemberRequest, form: EditClientForm, client: Client, context: Mapping[str, object]
) -> HttpResponse:
    """Show the changes against the client's present state, also after a conflicting change by another person."""
    return show_review(request, form, _differences(client, form), version=client.version, context=context)


def _differences(client: Client, form: EditClientForm) -> Sequence[Difference]:
    settings = differences(CLIENT_FIELDS, client, form.settings().cleaned(), defaults={})
    before, after = _granted(client), form.chosen_grants()
    names = {api.public_id: api.name for api in form.apis}
    return settings + [
        Difference(
            f"Scopes at {names[api_id]}",
            _scope_words(before.get(api_id)),
            _scope_words(after.get(api_id)),
            api_id in after and (api_id not in before or adds_scopes(before[api_id], after[api_id])),
        )
        for api_id in names
        if _sorted(before.get(api_id)) != _sorted(after.get(api_id))
    ]


def _apis(client: Client) -> list[Api]:
    """The APIs that can be granted, and those that are granted already."""
    offered = Q(disabled_at=None, is_builtin=False) | Q(pk__in=client.grants.values("api"))
    return list(Api.objects.filter(offered).order_by("name").prefetch_related("scopes"))


def _granted(client: Client) -> dict[str, list[str]]:
    return {grant.api.public_id: grant.scopes for grant in client.grants.all()}


def _sorted(scopes: Sequence[str] | None) -> list[str] | None:
    return None if scopes is None else sorted(scopes)


def _scope_words(scopes: Sequence[str] | None) -> str:
    if scopes is None:
        return "not let in"
    return ", ".join(scopes) or "no scopes"
