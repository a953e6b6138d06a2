"""The filters of lists. A filter with an invalid value is ignored."""

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict

from keys.models import Api, Environment
from keys.pages.forms.fields import choose
from keys.pages.listing import Listing, ListingFilter, Sort, searchable
from keys.rules.states import CredentialStatus
from keys.services.credential_type import Row
from portal import activity
from portal.models import AuditEvent, ServiceAccount, User
from portal.names import normal_name

MAX_SENT_CHARS = 1000
MAX_SUBJECT_CHARS = 100
SORTS = {Sort.CREATED: "Newest", Sort.LAST_USED: "Last used", Sort.EXPIRES: "Expires first", Sort.NAME: "Name"}


class CredentialFilterForm(forms.Form):
    """Filters of a list of keys or clients; ``rows`` are all that the person may see."""

    q = forms.CharField(label="Search", required=False, max_length=MAX_SENT_CHARS, widget=forms.SearchInput)
    status = forms.ChoiceField(label="Status", required=False)
    environment = forms.ChoiceField(label="Environment", required=False, choices=[("", "Any"), *Environment.choices])
    scope = forms.ChoiceField(label="Scope", required=False)
    owner = forms.ChoiceField(label="Owner", required=False)
    api = forms.ChoiceField(label="API", required=False)
    sort = forms.ChoiceField(label="Sort by", required=False)

    def __init__(self, data: QueryDict, *, listing: Listing[Row], rows: QuerySet[Row]) -> None:
        super().__init__(data)
        rows = rows.order_by()
        apis = list(Api.objects.filter(pk__in=rows.values(listing.api)).order_by("name").prefetch_related("scopes"))
        owners = User.objects.filter(pk__in=rows.values("owner")).order_by("name", "email")
        accounts = ServiceAccount.objects.filter(pk__in=rows.values("service_account")).order_by("name")
        scopes = sorted({scope.name for api in apis for scope in api.scopes.all()})
        choose(self, "status", [("", "Any"), *((status.value, status.value) for status in listing.statuses)])
        choose(self, "scope", [("", "Any"), *((scope, scope) for scope in scopes)])
        named = [(owner.public_id, owner.display_name) for owner in owners]
        named += [(account.public_id, account.name) for account in accounts]
        choose(self, "owner", [("", "Anyone"), *named])
        choose(self, "api", [("", "Any"), *((api.public_id, api.name) for api in apis)])
        choose(self, "sort", [(sort.value, SORTS[sort]) for sort in SORTS if sort in listing.sorts])

    def wanted(self) -> ListingFilter:
        self.is_valid()
        data = self.cleaned_data
        return ListingFilter(
            text=searchable(data.get("q", "")),
            status=CredentialStatus(data["status"]) if data.get("status") else None,
            scope=data.get("scope", ""),
            environment=data.get("environment", ""),
            owner=data.get("owner", ""),
            api=data.get("api", ""),
            sort=Sort(data.get("sort") or Sort.CREATED),
        )


class ActivityFilterForm(forms.Form):
    """Filters of a list of events; days are in UTC and inclusive."""

    actor = forms.ChoiceField(label="Who", required=False)
    action = forms.ChoiceField(label="What", required=False)
    subject = forms.CharField(
        label="About",
        required=False,
        max_length=MAX_SUBJECT_CHARS,
        widget=forms.SearchInput(attrs={"placeholder": "Name or id"}),
    )
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: QueryDict, *, events: QuerySet[AuditEvent]) -> None:
        super().__init__(data)
        actors = events.exclude(actor_id="").order_by("actor_label").values_list("actor_id", "actor_label").distinct()
        actions = events.order_by("action").values_list("action", flat=True).distinct()
        choose(self, "actor", [("", "Anyone"), *actors])
        choose(self, "action", [("", "Anything"), *((action, activity.action_words(action)) for action in actions)])

    def wanted(self) -> activity.ActivityFilter:
        self.is_valid()
        return activity.ActivityFilter(**{name: value for name, value in self.cleaned_data.items() if value})

    def clean_subject(self) -> str:
        """Normalize the text as names are normalized."""
        return normal_name(self.cleaned_data["subject"])
