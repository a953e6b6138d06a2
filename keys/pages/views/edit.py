"""Edit a key in three steps: the form, a review of the changes, the change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from keys.models import ApiKey, Credential
from keys.pages.forms.fields import refuse
from keys.pages.forms.key_settings import EditKeyForm
from keys.pages.key_pages import KEY_PAGES
from keys.pages.presenters import spread_words
from keys.pages.views.access import get_credential, go_to, to_change
from keys.rules.key_fields import KEY_FIELDS
from keys.services.errors import Conflict, Refused
from keys.services.keys import edit_key
from portal import activity, reauthentication
from portal.fields import Field
from portal.http import MemberRequest, actor_of, member_required
from portal.permissions import Action
from portal.ui.times import exact_words


@dataclass(frozen=True)
class Difference:
    """One changed field, before and after."""

    label: str
    before: str
    after: str
    widens: bool


class EditForm(Protocol):
    """A form whose values are submitted a second time from the review."""

    cleaned_data: dict[str, Any]

    def field_names(self) -> list[str]:
        """Return the names of all submitted fields."""


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(Action.MANAGE_KEYS, widens="by form")
def edit(request: MemberRequest, public_id: str) -> HttpResponse:
    """Serve the three steps at one URL; ``step`` says which one was submitted."""
    now = timezone.now()
    view = to_change(request, KEY_PAGES, public_id, now=now)
    form = EditKeyForm(request.POST or None, key=view.subject, now=now)
    context = {"view": view, "form": form, "expiry": _expiry_words(view.subject)}
    step = request.POST.get("step", "")
    if step in {"review", "save"} and form.is_valid():
        try:
            return (_save if step == "save" else _review)(request, form, view.subject, context)
        except Refused as refusal:
            refuse(form, refusal)
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "keys/key_edit.html", context, status=status)


def _save(request: MemberRequest, form: EditKeyForm, key: ApiKey, context: Mapping[str, object]) -> HttpResponse:
    if any(difference.widens for difference in _differences(key, form)):
        reauthentication.require_recent(request)
    try:
        changed = edit_key(key, form.settings(), by=actor_of(request), seen_version=form.cleaned_data["version"])
    except Conflict:
        return _review(request, form, get_credential(request, KEY_PAGES, key.public_id), context)
    if changed.credential.version == key.version:
        messages.info(request, f"Nothing about {changed.credential.name} was different.")
    else:
        messages.success(
            request, f"{changed.credential.name} is changed. {spread_words('In force', changed.propagation)}"
        )
    return go_to(request, reverse("keys:settings", args=[key.public_id]))


def _review(request: MemberRequest, form: EditKeyForm, key: ApiKey, context: Mapping[str, object]) -> HttpResponse:
    """Show the changes against the current key, also after a conflict."""
    return show_review(request, form, _differences(key, form), version=key.version, context=context)


def show_review(
    request: MemberRequest,
    form: EditForm,
    differences: Sequence[Difference],
    *,
    version: int,
    context: Mapping[str, object],
) -> HttpResponse:
    """Show the changes, with all submitted fields again; ``version`` is the current one."""
    is_conflict = form.cleaned_data["version"] != version
    sent = [(name, value) for name in form.field_names() for value in request.POST.getlist(name) if name != "version"]
    more = {
        "differences": differences,
        "is_conflict": is_conflict,
        "sent": [*sent, ("version", str(version))],
        "widens": any(difference.widens for difference in differences),
    }
    return render(request, "keys/edit_review.html", {**context, **more}, status=409 if is_conflict else 200)


def _differences(key: ApiKey, form: EditKeyForm) -> list[Difference]:
    wanted = form.settings().cleaned(key.api)
    return differences(KEY_FIELDS, key, wanted, defaults={"rate_limits": key.api.default_rate_limits})


def _expiry_words(key: ApiKey) -> str:
    return f"As it is: {exact_words(key.expires_at)}." if key.expires_at else "As it is: never."


def differences(
    fields: Mapping[str, Field],
    credential: Credential,
    wanted: Mapping[str, object],
    *,
    defaults: Mapping[str, object],
) -> list[Difference]:
    """Describe each field that would change. ``defaults`` are the values in force where a field is empty."""
    return [
        Difference(
            field.label,
            _words(name, before),
            _words(name, after),
            field.widens(before or defaults.get(name, before), after or defaults.get(name, after)),
        )
        for name, field in fields.items()
        if (before := getattr(credential, name)) != (after := wanted[name])
    ]


def _words(name: str, value: object) -> str:
    return activity.value_words(name, value.isoformat() if isinstance(value, datetime) else value)
