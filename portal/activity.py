"""Read an organization's audit events, newest first, and phrase them for pages. ``portal.audit`` writes them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property
from itertools import groupby

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.html import format_html_join

from portal.audit_actions import AuditAction
from portal.fields import Field
from portal.limit_words import quota_words, rate_limit_words
from portal.models import INTERNAL_REASON, AuditEvent, Organization, User
from portal.policies import POLICY_FIELDS
from portal.tellings import TELLINGS, Telling, action_words
from portal.ui.markup import exact_time

PAGE_SIZE = 50


# The fields whose labels do not follow from their names; ``register_fields`` adds those of credentials.
_fields = {
    **POLICY_FIELDS,
    "api": Field("API"),
    "grants": Field("APIs and scopes"),
    "jti": Field("Token"),
    "ends_at": Field("Old secret ends", is_moment=True),
    "ends": Field("Old secrets end", is_moment=True),
    "signs_from": Field("Signs from", is_moment=True),
    "before": Field("Before", is_moment=True),
    INTERNAL_REASON: Field("Reason, for the operator only"),
    "is_staff": Field("Staff"),
    "is_superuser": Field("Superuser"),
}
# The URL name of a subject's page, by the prefix of the subject's id.
_pages: dict[str, str] = {}


def register_page(prefix: str, name: str) -> None:
    """Register the URL name of the page for subjects whose ids begin with ``prefix``."""
    _pages[prefix] = name


def register_fields(fields: Mapping[str, Field]) -> None:
    """Register the fields of a credential type. Types that share a name share its words."""
    _fields.update(fields)


@dataclass(frozen=True)
class ValueChange:
    """The values of one field before and after, in words."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class EventView:
    """One event as pages show it. ``account`` is the address of a person whom ``who`` names."""

    event: AuditEvent
    who: str
    account: str
    words: str
    icon: str
    tone: str
    subject: str
    href: str

    @cached_property
    def changes(self) -> Sequence[ValueChange]:
        """Return the values that members may see, before and after."""
        return changes(self.event.before, self.event.after_for_members)

    @property
    def is_without_actor(self) -> bool:
        """Return True if nobody did it, and the sentence begins with the subject: ``checkout-prod expired``."""
        return self.event.action == AuditAction.KEY_EXPIRED

    @property
    def is_change(self) -> bool:
        """Return True if the event has earlier values to compare with."""
        return bool(self.event.before)

    @property
    def details_label(self) -> str:
        """Return the label that unfolds the details: the client's address and the number of changed values."""
        count = len(self.changes) if self.is_change else 0
        more = "details" if not count else "1 change" if count == 1 else f"{count} changes"
        return f"{self.event.address}, {more}" if self.event.address else more.capitalize()


@dataclass(frozen=True)
class DayOfEvents:
    """The events of one day in UTC."""

    date: date
    events: Sequence[EventView]


@dataclass(frozen=True)
class ActivityFilter:
    """A person's filter for events; an empty field does not filter."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class ActivityPage:
    """At most 50 events by day. ``next_after`` is the id to continue after, empty on the last page."""

    days: Sequence[DayOfEvents]
    next_after: str


def visible_events(organization: Organization) -> QuerySet[AuditEvent]:
    """Return the events that members of the organization may read, newest first."""
    return AuditEvent.objects.filter(organization_id=organization.public_id).order_by("-at", "-id")


def suspension_reason(organization: Organization) -> str:
    """Return the operator's reason for the current suspension; empty if there is none."""
    if organization.suspended_at is None:
        return ""
    event = AuditEvent.objects.filter(
        subject_id=organization.public_id, action=AuditAction.ORGANIZATION_SUSPENDED, at=organization.suspended_at
    ).first()
    return str(event.after.get(INTERNAL_REASON, "")) if event else ""


def matching(events: QuerySet[AuditEvent], wanted: ActivityFilter) -> QuerySet[AuditEvent]:
    """Return the events that match the filter; days are in UTC, first and last included."""
    if wanted.actor:
        events = events.filter(actor_id=wanted.actor)
    if wanted.action:
        events = events.filter(action=wanted.action)
    if wanted.subject:
        events = events.filter(Q(subject_id=wanted.subject) | Q(subject_label__icontains=wanted.subject))
    if wanted.since:
        events = events.filter(at__gte=datetime.combine(wanted.since, time.min, tzinfo=UTC))
    if wanted.until:
        events = events.filter(at__lte=datetime.combine(wanted.until, time.max, tzinfo=UTC))
    return events


def page(events: QuerySet[AuditEvent], *, after: str) -> ActivityPage:
    """Return the page that follows the event with the id ``after``; an unknown id gives the first page."""
    last = events.filter(public_id=after).first() if after else None
    if last is not None:
        events = _behind(events, last)
    rows = list(events[: PAGE_SIZE + 1])
    shown = rows[:PAGE_SIZE]
    return ActivityPage(by_day(shown), shown[-1].public_id if len(rows) > PAGE_SIZE else "")


def in_pages(events: QuerySet[AuditEvent], *, of: int) -> Iterator[list[AuditEvent]]:
    """Yield all events, ``of`` at a time; no cursor or transaction stays open between two pages."""
    rest = events
    while rows := list(rest[:of]):
        yield rows
        rest = _behind(events, rows[-1])


def _behind(events: QuerySet[AuditEvent], last: AuditEvent) -> QuerySet[AuditEvent]:
    """Return the events that come after ``last`` in the list, newest first.

    The first condition looks redundant, but it is the one for which the database can use the index.
    """
    return events.filter(at__lte=last.at).filter(Q(at__lt=last.at) | Q(id__lt=last.pk))


def by_day(events: Iterable[AuditEvent]) -> list[DayOfEvents]:
    """Group the events, which are newest first, by day."""
    days = groupby(tell(events), key=lambda view: view.event.at.astimezone(UTC).date())
    return [DayOfEvents(day, list(found)) for day, found in days]


def tell(events: Iterable[AuditEvent]) -> list[EventView]:
    """Return the events with their words, icons, links and changes; people have the names that they have today."""
    found = list(events)
    ids = {event_id for event in found for event_id in (event.actor_id, event.subject_id)}
    names = names_of(ids, {event.organization_id for event in found})
    return [_told(event, names) for event in found]


def names_of(ids: Collection[str], organizations: Collection[str]) -> dict[str, str]:
    """Return the names, by id, of people who are members of the organizations, which are given by id.

    People without a name are left out, and so are those who left: what they call themselves elsewhere is not told here.
    """
    members = User.objects.filter(public_id__in=ids, memberships__organization__public_id__in=organizations)
    return dict(members.exclude(name="").values_list("public_id", "name"))


def _told(event: AuditEvent, names: Mapping[str, str]) -> EventView:
    telling = TELLINGS.get(event.action) or Telling(action_words(event.action), "information-circle")
    subject = names.get(event.subject_id, event.subject_label)
    if event.action == AuditAction.MEMBER_JOINED and "role" in event.after:  # the subject is the person who acted
        subject = str(event.after["role"])
    page = _pages.get(event.subject_id.partition("_")[0])
    href = reverse(page, args=[event.subject_id]) if page else ""
    name = names.get(event.actor_id, "")
    return EventView(
        event,
        who=name or (event.actor_label if event.actor_id else event.actor_label.capitalize()),
        account=event.actor_label if name else "",
        words=telling.words,
        icon=telling.icon,
        tone=telling.tone,
        subject=subject,
        href=href,
    )


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> list[ValueChange]:
    """Return the fields whose values differ, in words; a field that is empty before and after is left out."""
    names = list(dict.fromkeys([*before, *after]))
    return [
        ValueChange(label_of(name), value_words(name, before.get(name)), value_words(name, after.get(name)))
        for name in names
        if words(before.get(name)) != words(after.get(name))
    ]


def label_of(name: str) -> str:
    """Return a field's label."""
    return _field(name).label


def value_words(name: str, value: object) -> str:
    """Return a field's value in words, or the words for an unset value; a time is HTML."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not words(value):
        return _field(name).unset
    field = _field(name)
    return _moment_words(value) if field.is_moment else words(field.phrase(value))


def _moment_words(value: object) -> str:
    """Return an instant as HTML, or the instants of several secrets after the ids of these."""
    if isinstance(value, dict):
        return format_html_join(", ", "{}: {}", ((name, _moment_words(each)) for name, each in value.items()))
    at = _moment(value)
    return exact_time(at) if at else words(value)


def _field(name: str) -> Field:
    return _fields.get(name) or Field(name.replace("_", " ").capitalize())


def words(value: object) -> str:
    """Return a JSON value in words; empty for an empty value."""
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, dict):
        if value.keys() == {"name", "limit", "window_s"}:
            return f"{rate_limit_words(value['limit'], value['window_s'])} ({value['name']})"
        if value.keys() == {"limit", "refill"}:
            return quota_words(value["limit"], value["refill"])
        return ", ".join(f"{name}: {words(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(words(item) for item in value)
    return str(value)


def _moment(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo else None
