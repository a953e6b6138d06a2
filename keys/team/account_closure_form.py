"""The form for closing one's account."""

from collections.abc import Sequence
from typing import Any

from django import forms

from keys.team.forms import fates
from keys.team.members import count_words, possible_new_owners_at
from keys.team.services import account_closure
from keys.team.services.departures import CredentialOwner, left_counts
from portal.models import Organization, User
from portal.names import is_same_name


class ClosureForm(forms.Form):
    """Ask for a new owner of each organization and of credentials elsewhere, and for one's address as a confirmation.

    An organization with no other possible owner is closed: ``lost`` lists these.
    """

    email = forms.CharField(max_length=254, widget=forms.TextInput({"autocomplete": "off"}))
    CLOSE = "close"

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user
        self.fields["email"].label = f"Type your address {user.email} to confirm"
        self._new_owners: dict[str, Sequence[CredentialOwner]] = {}
        self.lost: list[Organization] = []
        places = list(account_closure.memberships_of(user))
        unsettled = account_closure.memberships_to_settle(user)
        left = {place: count_words(counts) for place, counts in left_counts(user).items()}
        owners = account_closure.next_owners(unsettled)
        new_owners = possible_new_owners_at([place.organization_id for place in places], instead_of=user)
        for place in places:
            organization, words = place.organization, left.get(place.organization_id, "")
            if place in unsettled:
                self._ask_who_owns(organization, words, owners.get(organization.pk, []))
            elif words:
                self._ask_who_inherits(organization, words, new_owners.get(organization.pk, []))
        self.order_fields([*self._new_owners, "email"])  # the order of the page

    def _ask_who_owns(self, organization: Organization, left: str, new_owners: Sequence[User]) -> None:
        if not new_owners:
            self.lost.append(organization)
            return
        besides = f", and your {left}" if left else ""
        people = [
            (new_owner.public_id, f"{new_owner.name_and_address} owns it next{besides}") for new_owner in new_owners
        ]
        close = (self.CLOSE, "Close it: every request with its keys is refused at once, for good")
        label = f"What happens to {organization.name}"
        self._ask(organization, label, [("", "Choose…"), *people, close], new_owners)

    def _ask_who_inherits(self, organization: Organization, left: str, new_owners: Sequence[CredentialOwner]) -> None:
        self._ask(organization, f"What happens to your {left} in {organization.name}", fates(new_owners), new_owners)

    def _ask(
        self,
        organization: Organization,
        label: str,
        choices: list[tuple[str, str]],
        new_owners: Sequence[CredentialOwner],
    ) -> None:
        self.fields[organization.public_id] = forms.ChoiceField(label=label, choices=choices)
        self._new_owners[organization.public_id] = new_owners

    @property
    def questions(self) -> list[forms.BoundField]:
        """The choice fields, one per organization where the person leaves something."""
        return [self[name] for name in self._new_owners]

    def new_owners(self) -> dict[str, CredentialOwner]:
        """Return the new owner for each organization; none where it is closed, or the credentials there are revoked."""
        chosen = self.cleaned_data
        return {
            name: new_owner
            for name, new_owners in self._new_owners.items()
            for new_owner in new_owners
            if new_owner.public_id == chosen[name]
        }

    def clean_email(self) -> str:
        """Compare with the person's address, ignoring case."""
        email: str = self.cleaned_data["email"]
        if not is_same_name(email.lower(), self._user.email.lower()):
            raise forms.ValidationError("The address is another one.")
        return email
