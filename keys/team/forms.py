"""The forms about people and organizations."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from keys.pages.forms.fields import choose
from keys.services.policies import widest_prefixes
from keys.team.services.departures import CredentialOwner
from portal.accounts.adapters import check_address
from portal.models import ServiceAccount
from portal.names import normal_name
from portal.permissions import Role, may_grant
from portal.policies import MAX_LIFETIME_DAYS, Policies
from portal.services.invitations import MAX_AT_ONCE

REVOKE = "revoke"
MAX_EMAILS_CHARS = 6000
MAX_SHOWN_CHARS = 80


class MemberSearchForm(forms.Form):
    """Search for members."""

    q = forms.CharField(label="Search", required=False, max_length=100, widget=forms.SearchInput)

    def text(self) -> str:
        """Return the search text; empty if it is invalid."""
        return normal_name(self.cleaned_data["q"]) if self.is_valid() else ""


def roles_to_grant(granter: Role) -> list[tuple[str, str]]:
    """Return the roles that a member may give, as choices."""
    return [(role.value, role.value.title()) for role in Role if may_grant(granter, role)]


class RoleForm(forms.Form):
    """Choose another role; a role with more permissions has to be confirmed."""

    role = forms.ChoiceField(label="Role", widget=forms.RadioSelect)
    confirmed = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, granter: Role, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose(self, "role", roles_to_grant(granter))

    def wanted(self) -> Role:
        return Role(self.cleaned_data["role"])

    def is_confirmed(self) -> bool:
        """Tell whether the person has confirmed this very role."""
        return bool(self.cleaned_data["confirmed"] == self.cleaned_data["role"])


class InviteForm(forms.Form):
    """Invite several addresses with one role."""

    emails = forms.CharField(
        label="E-mail addresses",
        max_length=MAX_EMAILS_CHARS,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocapitalize": "off"}),
        help_text=f"One per line or separated by commas; at most {MAX_AT_ONCE}.",
    )
    role = forms.ChoiceField(label="Role", widget=forms.RadioSelect, initial=Role.DEVELOPER)

    def __init__(self, *args: Any, granter: Role, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose(self, "role", roles_to_grant(granter))

    def clean_emails(self) -> list[str]:
        """Return the addresses, without duplicates, as accounts store them."""
        found = re.split(r"[\s,;]+", self.cleaned_data["emails"].strip())
        emails = list(dict.fromkeys(email.lower() for email in found))
        if len(emails) > MAX_AT_ONCE:
            raise ValidationError(f"Invite at most {MAX_AT_ONCE} people at once; these are {len(emails)}.")
        return list(dict.fromkeys(map(_checked, emails)))

    def wanted(self) -> Role:
        return Role(self.cleaned_data["role"])


class DepartureForm(forms.Form):
    """Choose what happens to a leaving owner's credentials; asked only if there are any."""

    fate = forms.ChoiceField(label="What happens to them")

    def __init__(self, *args: Any, new_owners: Sequence[CredentialOwner], leaves_any: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._new_owners = {new_owner.public_id: new_owner for new_owner in new_owners}
        if leaves_any:
            choose(self, "fate", fates(new_owners))
        else:
            del self.fields["fate"]

    def new_owner(self) -> CredentialOwner | None:
        """Return the new owner of the credentials; None if they are to be revoked, or if there are none."""
        return self._new_owners.get(self.cleaned_data.get("fate", REVOKE))


def fates(new_owners: Sequence[CredentialOwner]) -> list[tuple[str, str]]:
    """Return the choices for credentials that lose their owner."""
    named = [(new_owner.public_id, f"Hand them to {_name(new_owner)}") for new_owner in new_owners]
    return [("", "Choose…"), *named, (REVOKE, "Revoke them: requests are refused at once")]


class PoliciesForm(forms.Form):
    """The organization's policies for its people and their keys."""

    max_key_lifetime_days = forms.IntegerField(
        label="Longest key lifetime",
        required=False,
        min_value=1,
        max_value=MAX_LIFETIME_DAYS,
        help_text="In days, from the newest secret to the expiry. Leave empty for no limit.",
    )
    key_expiry_required = forms.BooleanField(
        label="Every key has an expiry", required=False, help_text="Nobody can choose Never."
    )
    live_networks_required = forms.BooleanField(label="Live keys have allowed addresses", required=False)
    live_keys_by = forms.ChoiceField(
        label="Who can create live keys",
        widget=forms.RadioSelect,
        choices=[
            (Role.DEVELOPER.value, "Developers"),
            (Role.ADMIN.value, "Admins"),
            (Role.OWNER.value, "Owners"),
        ],
    )
    second_factor_from = forms.DateField(
        label="Two-factor sign-in required from",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="From that day (UTC), people without one cannot sign in. Leave empty if not required.",
    )

    live_keys_by_hints: ClassVar = {
        Role.DEVELOPER.value: "And admins and owners.",
        Role.ADMIN.value: "And owners.",
        Role.OWNER.value: "Nobody else.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[
            "live_networks_required"
        ].help_text = f"A leaked key is worth little elsewhere. Together they hold no more than {widest_prefixes()}."

    def wanted(self) -> Policies:
        data = self.cleaned_data
        day = data["second_factor_from"]
        return Policies(
            data["max_key_lifetime_days"],
            data["key_expiry_required"],
            data["live_networks_required"],
            Role(data["live_keys_by"]),
            datetime.combine(day, time.min, tzinfo=UTC) if day else None,
        )


def _checked(email: str) -> str:
    try:
        return check_address(str(forms.EmailField().clean(email)))
    except ValidationError as error:
        raise ValidationError(f"{email[:MAX_SHOWN_CHARS]}: {error.messages[0]}") from None


def _name(new_owner: CredentialOwner) -> str:
    return (
        f"the service account {new_owner.name}" if isinstance(new_owner, ServiceAccount) else new_owner.name_and_address
    )
