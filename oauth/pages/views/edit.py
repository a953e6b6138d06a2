"""Edit a client: its settings, and its scopes at each API."""

from collections.abc import Sequence
from functools import partial

from django.db.models import Q
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from keys.models import Api
from keys.pages.forms.form_policy import FormPolicy
from keys.pages.views.access import to_change
from keys.pages.views.edit import Difference, differences, edit_in_steps
from keys.rules.access_increase import adds_scopes
from keys.services.credentials import ChangedCredential
from oauth.models import Client
from oauth.pages.client_pages import CLIENT_PAGES
from oauth.pages.forms import EditClientForm
from oauth.protocol.client_fields import CLIENT_FIELDS
from oauth.services.clients import edit_client
from portal.http import MemberRequest, actor_of, member_required
from portal.permissions import Action


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_KEYS, widens="by form")
def edit(request: MemberRequest, public_id: str) -> HttpResponse:
    """Ask for the settings and scopes, show what would change, and change it."""
    view = to_change(request, CLIENT_PAGES, public_id)
    client = view.subject
    policy = FormPolicy(client.organization, actor_of(request), secret_from=timezone.now(), is_new=False)
    form = EditClientForm(
        request.POST or None, apis=_apis(client), granted=_granted(client), client=client, policy=policy
    )

    def save() -> ChangedCredential[Client]:
        wanted, grants, version = form.settings(), form.chosen_grants(), form.cleaned_data["version"]
        return edit_client(client, wanted, grants=grants, by=actor_of(request), seen_version=version)

    return edit_in_steps(request, CLIENT_PAGES, view, form, compare=partial(_compare, form), save=save)


def _compare(form: EditClientForm, client: Client) -> Sequence[Difference]:
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
