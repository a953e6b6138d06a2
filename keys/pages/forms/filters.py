"""The filters of lists. A filter with an invalid value is ignored."""

from collections.abc import Sequence
from dataclasses import dataclass

from django import forms
from django.db.models import QuerySet
from django.forms import BoundField
from django.http import QueryDict

from keys.models import Api, Environment, Scope
from keys.pages.forms.fields import choose
from keys.pages.listing import Expires, LastUsed, Listing, ListingFilter, Sort, searchable
from keys.rules.states import CredentialStatus
from keys.services.credential_type import Row
from portal import activity
from portal.models import AuditEvent, ServiceAccount, User
from portal.names import normal_name
from portal.tellings import grouped_actions

MAX_SENT_CHARS = 1000
MAX_SUBJECT_CHARS = 100
SORTS = {
    Sort.CREATED: "Newest",
    Sort.OLDEST: "Oldest",
    Sort.LAST_USED: "Last used",
    Sort.LONGEST_UNUSED: "Longest unused",
    Sort.EXPIRES: "Expires first",
    Sort.EXPIRES_LAST: "Expires last",
    Sort.NAME: "Name, A to Z",
    Sort.NAME_DESCENDING: "Name, Z to A",
}
LAST_USED = {
    LastUsed.DAY: "In the last 24 hours",
    LastUsed.WEEK: "In the last 7 days",
    LastUsed.MONTH: "In the last 30 days",
    LastUsed.LONGER_AGO: "Over 30 days ago",
    LastUsed.NEVER: "Never",
}
EXPIRES = {
    Expires.WEEK: "In the next 7 days",
    Expires.MONTH: "In the next 30 days",
    Expires.QUARTER: "In the next 90 days",
    Expires.NEVER: "Never",
}


@dataclass(frozen=True)
class SetFilter:
    """A filter that narrows a list, in words."""

    label: str
    words: str


class FilterForm(forms.Form):
    """Filters above a list. ``folded`` names those that are folded away until a person opens them."""

    folded_names: Sequence[str] = ()

    def ignore_invalid(self) -> None:
        """Drop the values that make no sense, without an error: the list is not narrowed by them."""
        self.is_valid()
        self.data = {name: self.data[name] for name in self.cleaned_data if self.data.get(name)}
        self.errors.clear()

    @property
    def folded(self) -> list[BoundField]:
        """The folded fields that offer a choice."""
        return [bound for bound in map(self.__getitem__, self.folded_names) if _offers_choice(bound)]

    @property
    def set_filters(self) -> list[SetFilter]:
        """The filters that narrow the list; the order is no filter."""
        return [SetFilter(str(bound.label), _words_of(bound)) for bound in self if _narrows(bound)]

    @property
    def folded_count(self) -> int:
        """The number of folded filters that narrow the list."""
        return sum(_narrows(bound) for bound in self.folded)


class CredentialFilterForm(FilterForm):
    """Filters of a list of keys or clients; ``rows`` are all that the person may see."""

    folded_names = ("environment", "scope", "owner", "api", "last_used", "expires", "sort")
    q = forms.CharField(label="Search", required=False, max_length=MAX_SENT_CHARS, widget=forms.SearchInput)
    status = forms.ChoiceField(label="Status", required=False)
    environment = forms.ChoiceField(label="Environment", required=False, choices=[("", "Any"), *Environment.choices])
    scope = forms.ChoiceField(label="Scope", required=False)
    owner = forms.ChoiceField(label="Owner", required=False)
    api = forms.ChoiceField(label="API", required=False)
    last_used = forms.ChoiceField(label="Last used", required=False, choices=[("", "Any time"), *LAST_USED.items()])
    expires = forms.ChoiceField(label="Expires", required=False)
    sort = forms.ChoiceField(label="Sort by", required=False)

    def __init__(self, data: QueryDict, *, listing: Listing[Row], rows: QuerySet[Row]) -> None:
        super().__init__(data)
        rows = rows.order_by()
        apis = list(Api.objects.filter(pk__in=rows.values(listing.api)).order_by("name"))
        scopes = Scope.objects.filter(api__in=apis).values_list("name", flat=True)
        owners = User.objects.filter(pk__in=rows.values("owner")).order_by("name", "email")
        accounts = ServiceAccount.objects.filter(pk__in=rows.values("service_account")).order_by("name")
        choose(self, "status", [("", "Any"), *((status.value, status.value) for status in listing.statuses)])
        choose(self, "scope", [("", "Any"), *((scope, scope) for scope in sorted(set(scopes)))])
        named = [(owner.public_id, owner.display_name) for owner in owners.only("public_id", "name", "email")]
        choose(self, "owner", [("", "Anyone"), *named, *accounts.values_list("public_id", "name")])
        choose(self, "api", [("", "Any"), *((api.public_id, api.name) for api in apis)])
        choose(self, "expires", [("", "Any time"), *EXPIRES.items()] if listing.has_end else [])
        choose(self, "sort", [(sort.value, SORTS[sort]) for sort in SORTS if sort in listing.sorts])

    def wanted(self) -> ListingFilter:
        self.ignore_invalid()
        data = self.cleaned_data
        text = searchable(data.get("q", ""))
        self.data = {**self.data, "q": text}
        return ListingFilter(
            text=text,
            status=CredentialStatus(data["status"]) if data.get("status") else None,
            scope=data.get("scope", ""),
            environment=data.get("environment", ""),
            owner=data.get("owner", ""),
            api=data.get("api", ""),
            last_used=LastUsed(data["last_used"]) if data.get("last_used") else None,
            expires=Expires(data["expires"]) if data.get("expires") else None,
            sort=Sort(data.get("sort") or Sort.CREATED),
        )


class ActivityFilterForm(FilterForm):
    """Filters of a list of events; days are in UTC and inclusive."""

    folded_names = ("actor", "action", "since", "until")
    subject = forms.CharField(
        label="About",
        required=False,
        max_length=MAX_SUBJECT_CHARS,
        widget=forms.SearchInput(attrs={"placeholder": "Name or id"}),
    )
    actor = forms.ChoiceField(label="Who", required=False)
    action = forms.ChoiceField(label="What", required=False)
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: QueryDict, *, events: QuerySet[AuditEvent]) -> None:
        super().__init__(data)
        actors = events.exclude(actor_id="").order_by("actor_label").values_list("actor_id", "actor_label").distinct()
        actions = events.order_by("action").values_list("action", flat=True).distinct()
        labels = dict(actors)
        names = activity.names_of(labels, list(events.values_list("organization_id", flat=True)[:1]))
        told = ((who, f"{names[who]} ({label})" if who in names else label) for who, label in labels.items())
        choose(self, "actor", [("", "Anyone"), *told])
        choose(self, "action", [("", "Anything"), *grouped_actions(actions)])

    def wanted(self) -> activity.ActivityFilter:
        self.ignore_invalid()
        return activity.ActivityFilter(**{name: value for name, value in self.cleaned_data.items() if value})

    def clean_subject(self) -> str:
        """Normalize the text as names are normalized."""
        return normal_name(self.cleaned_data["subject"])


def _offers_choice(bound: BoundField) -> bool:
    return not isinstance(bound.field, forms.ChoiceField) or len(bound.subwidgets) > 2


def _narrows(bound: BoundField) -> bool:
    return bound.name != "sort" and bool(bound.value())


def _words_of(bound: BoundField) -> str:
    """Return the label of the chosen option, or the typed text."""
    if not isinstance(bound.field, forms.ChoiceField):
        return str(bound.value())
    return next((str(option.data["label"]) for option in bound.subwidgets if option.data["selected"]), "")
