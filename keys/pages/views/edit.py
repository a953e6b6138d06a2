"""Edit a credential in three steps: the form, a review of the changes, the change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from keys.models import Credential
from keys.pages.credential_pages import CredentialPages
from keys.pages.forms.credential import CredentialForm
from keys.pages.forms.fields import refuse
from keys.pages.presenters import CredentialView, spread_words
from keys.pages.views.access import get_credential, go_to
from keys.services.credential_type import Row
from keys.services.credentials import ChangedCredential
from keys.services.errors import Conflict, Refused
from portal import activity, reauthentication
from portal.fields import Field
from portal.http import MemberRequest


@dataclass(frozen=True)
class Difference:
    """One changed field, before and after."""

    label: str
    before: str
    after: str
    widens: bool


def edit_in_steps(
    request: MemberRequest,
    pages: CredentialPages[Row],
    view: CredentialView[Row],
    form: CredentialForm,
    *,
    compare: Callable[[Row], Sequence[Difference]],
    save: Callable[[], ChangedCredential[Row]],
    **more: object,
) -> HttpResponse:
    """Serve the three steps at one URL; ``step`` says which one was submitted.

    ``compare`` returns what the form would change of a credential, and ``save`` changes it. ``more`` is for the form's
    template.
    """
    context = {"view": view, "form": form, **more}
    credential, step = view.subject, request.POST.get("step", "")

    def review(current: Row) -> HttpResponse:
        return _show_review(request, form, compare(current), version=current.version, context=context)

    try:
        if step == "review" and form.is_valid():
            return review(credential)
        if step == "save" and form.is_valid():
            if any(difference.widens for difference in compare(credential)):
                reauthentication.require_recent(request)
            try:
                changed = save()
            except Conflict:
                return review(get_credential(request, pages, credential.public_id))
            _tell(request, changed, was=credential.version)
            return go_to(request, reverse(f"{pages.words.pages}:settings", args=[credential.public_id]))
    except Refused as refusal:
        refuse(form, refusal)
    status = 422 if form.is_bound and form.errors else 200
    return render(request, pages.edit_page, context, status=status)


def _tell(request: MemberRequest, changed: ChangedCredential[Row], *, was: int) -> None:
    name = changed.credential.name
    if changed.credential.version == was:
        messages.info(request, f"Nothing changed in {name}.")
    else:
        messages.success(request, f"{name} is changed. {spread_words('In force', changed.propagation)}")


def _show_review(
    request: MemberRequest,
    form: CredentialForm,
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
