"""Admin pages for organizations and audit events; ``portal.staff.people`` adds the pages for people."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from portal import activity
from portal.audit import Actor
from portal.models import AuditEvent, Invitation, Membership, Organization, ServiceAccount
from portal.names import clean_name
from portal.refusals import Refused
from portal.services.organizations import (
    ChangedOrganization,
    close_organization,
    note_organization,
    resume_organization,
    suspend_organization,
)
from portal.staff import people  # noqa: F401  # registering is the effect
from portal.staff.actions import StaffAction
from portal.staff.forms import OrganizationNotesForm, notes_of
from portal.staff.operated import OperatedAdmin
from portal.staff.shown import NO_VALUE, Figure, ShownInline, Summary, owned_tables, pretty, short
from portal.tellings import action_words
from portal.templatetags.ui import status
from portal.ui.times import exact_words
from portal.ui.typed_names import TypedNameForm

MAX_REASON_CHARS = 200


class MembershipInline(ShownInline):
    """The members of an organization; read-only, since its owners manage them."""

    model = Membership
    verbose_name_plural = "members"
    fields = readonly_fields = ("user", "role", "created_at")
    empty = "Nobody belongs to it any longer."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Select the people in the same query."""
        return super().get_queryset(request).select_related("user", "organization")


class ServiceAccountInline(ShownInline):
    """The service accounts of an organization."""

    model = ServiceAccount
    fields = readonly_fields = ("name", "public_id", "created_at", "removed_at")
    empty = "None yet. Its admins create them."


class InvitationInline(ShownInline):
    """The invitations to an organization and how each ended. The links are never shown."""

    model = Invitation
    fields = readonly_fields = ("email", "role", "sent_at", "expires_at", "outcome", "ended_at")
    empty = "Nobody was invited yet."


class SuspendedFilter(admin.SimpleListFilter):
    """Filter organizations by whether they are suspended."""

    title = "status"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", "Active"), ("suspended", "Suspended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Organization]) -> QuerySet[Organization]:
        return queryset.filter(suspended_at__isnull=self.value() == "active") if self.value() else queryset


class StatedReasonForm(forms.Form):
    """Ask for the reason of a suspension."""

    reason = forms.CharField(
        max_length=MAX_REASON_CHARS, help_text="Recorded in the audit trail, for staff only. Members cannot read it."
    )

    def clean_reason(self) -> str:
        """Return the reason, normalized and checked like a name."""
        try:
            return clean_name(self.cleaned_data["reason"], max_chars=MAX_REASON_CHARS)
        except ValueError as exc:
            raise forms.ValidationError(str(exc)) from None


class ClosingForm(StatedReasonForm, TypedNameForm):
    """Ask for the reason of a closure, and for the organization's name, typed."""

    field_order = ("reason", "name")


def _close(organization: Organization, *, by: Actor, reason: str, name: str) -> ChangedOrganization:  # noqa: ARG001  # the form has compared it
    return close_organization(organization, by=by, reason=reason)


def _in_words(values: Mapping[str, object]) -> SafeString:
    """Return the values with their labels, one a line."""
    lines = ((activity.label_of(name), activity.value_words(name, value)) for name, value in values.items())
    return format_html_join(mark_safe("<br>"), "{}: {}", lines) or SafeString(NO_VALUE)


def _note(
    organization: Organization, *, by: Actor, external_id: str, metadata: dict[str, object]
) -> ChangedOrganization:
    return note_organization(organization, external_id=external_id, operator_metadata=metadata, by=by)


@admin.register(Organization)
class OrganizationAdmin(OperatedAdmin[Organization]):
    """Admin of organizations, which own all credentials."""

    list_display = row_columns = ("name", "public_id", "state", "key_count", "member_count", "created_at")
    empty = "No organizations yet. Each person who signs up gets one."
    list_filter = (SuspendedFilter, "is_personal", "created_at")
    declines = (Refused,)
    search_fields = ("name", "public_id", "external_id", "memberships__user__email")
    ordering = ("-created_at", "-pk")
    fields = (
        "public_id", "state", "suspension", "closed_at", "external_id", "metadata", "kind", "policies", "created_at",
    )  # fmt: skip
    inlines = (MembershipInline, ServiceAccountInline, InvitationInline)
    staff_actions = (
        StaffAction(
            name="notes",
            label="Edit external id and metadata",
            title="Edit the external id and metadata of {name}",
            done="Edited the external id and metadata of",
            consequence="Backends receive both with every response about the organization's credentials."
            " Members can read them but not change them.",
            permission="portal.change_organization",
            run=_note,
            form=OrganizationNotesForm,
            initial=notes_of,
            widens=True,
            is_bulk=False,
        ),
        StaffAction(
            name="suspension",
            label="Suspend",
            done="Suspended",
            consequence="All requests with the organization's keys and tokens are refused at once"
            " (ORGANIZATION_SUSPENDED), and nobody can create keys or clients, until you resume it."
            " Members can still sign in.",
            permission="portal.change_organization",
            run=suspend_organization,
            form=StatedReasonForm,
            offered=lambda organization: organization.suspended_at is None,
            is_danger=True,
        ),
        StaffAction(
            name="resumption",
            label="Resume",
            done="Resumed",
            consequence="The organization's keys and tokens work again at once,"
            " unless they are paused, expired or revoked.",
            permission="portal.change_organization",
            run=resume_organization,
            widens=True,
            offered=lambda organization: organization.suspended_at is not None,
        ),
        StaffAction(
            name="closing",
            label="Close",
            done="Closed",
            consequence="All requests with the organization's keys and tokens are refused at once"
            " (ORGANIZATION_SUSPENDED). Members lose access and are told by mail. This cannot be undone:"
            " to stop traffic for a time, suspend it.",
            permission="portal.change_organization",
            run=_close,
            form=ClosingForm,
            offered=lambda organization: organization.closed_at is None,
            is_bulk=False,
            is_danger=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        """Count each organization's keys and members in the same query."""
        live = Q(api_keys__revoked_at=None)
        counts = {
            "keys_n": Count("api_keys", filter=live, distinct=True),
            "members_n": Count("members", distinct=True),
        }
        organizations: QuerySet[Organization] = super().get_queryset(request).annotate(**counts)
        return organizations

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the organization with its figures and its latest keys and clients."""
        organization = self.get_object(request, unquote(object_id))
        context: dict[str, Any] = {}
        if organization is not None:
            admins = self.admin_site.searched(request)
            now = timezone.now()
            summaries = [model_admin.summary(organization, now=now) for model_admin in admins]
            context = {
                "figures": [figure for summary in summaries for figure in summary.figures],
                "bars": next((summary.bars for summary in summaries if summary.bars), None),
                "tables": owned_tables(admins, request, organization),
            }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def facts(self, obj: Organization) -> dict[str, object]:
        """Return the facts that staff should know before they stop or resume the organization's traffic."""
        return {
            "Id": obj.public_id,
            "Keys": self.key_count(obj),
            "Last request": obj.api_keys.aggregate(at=Max("last_used_at"))["at"] or "Never",
            "Status": self.state(obj),
        }

    def summary(self, organization: Organization | None, *, now: datetime) -> Summary:
        """Count all organizations, or the members of one."""
        if organization is not None:
            return Summary([Figure("Members", f"{organization.memberships.count():,}")])
        counts = Organization.objects.aggregate(
            all=Count("pk", filter=Q(closed_at=None)),
            suspended=Count("pk", filter=Q(closed_at=None, suspended_at__isnull=False)),
        )
        hint = f"{counts['suspended']:,} suspended" if counts["suspended"] else ""
        return Summary([Figure("Organizations", f"{counts['all']:,}", hint)])

    @admin.display(description="status", ordering="suspended_at")
    def state(self, organization: Organization) -> SafeString:
        """Return whether the organization is active, suspended or closed."""
        if organization.closed_at:
            return status("Closed", "mute")
        return status("Suspended", "bad") if organization.suspended_at else status("Active", "ok")

    @admin.display(description="suspended")
    def suspension(self, organization: Organization) -> str:
        """Return when and why the organization was suspended."""
        if organization.suspended_at is None:
            return NO_VALUE
        reason = activity.suspension_reason(organization)
        return f"{exact_words(organization.suspended_at)}: {reason or 'no reason was recorded'}"

    @admin.display(description="kind")
    def kind(self, organization: Organization) -> str:
        return "Personal: made when its owner signed up" if organization.is_personal else "Team"

    @admin.display(description="policies")
    def policies(self, organization: Organization) -> SafeString:
        """Return the rules for its members and their keys, one a line."""
        return _in_words(organization.policies.shown())

    @admin.display(description="operator metadata")
    def metadata(self, organization: Organization) -> SafeString | str:
        """Return the metadata that backends receive in responses."""
        return pretty(organization.operator_metadata)

    @admin.display(description="keys", ordering="keys_n")
    def key_count(self, organization: Organization) -> int:
        """Return the number of keys that are not revoked."""
        return int(getattr(organization, "keys_n", 0))

    @admin.display(description="members", ordering="members_n")
    def member_count(self, organization: Organization) -> int:
        return int(getattr(organization, "members_n", 0))


@admin.register(AuditEvent)
class AuditEventAdmin(OperatedAdmin[AuditEvent]):
    """The audit trail, read-only."""

    list_display = ("when", "what", "actor", "subject_label", "subject_id", "address")
    title = "Audit trail"
    empty = "Nothing has happened yet."
    list_filter = ("action", "actor_kind", "at")
    search_fields = (
        "=subject_id", "=organization_id", "=actor_id", "=request_id", "=public_id", "actor_label", "subject_label",
    )  # fmt: skip
    date_hierarchy = "at"
    ordering = ("-at", "-pk")
    fields = (
        "public_id", "when", "what", "action", "actor_kind", "actor_id", "actor_label", "organization_id", "subject_id",
        "subject_label", "address", "request_id", "was", "became",
    )  # fmt: skip

    @admin.display(description="time", ordering="at")
    def when(self, event: AuditEvent) -> str:
        """Return the time with seconds: the order of events matters here."""
        return f"{exact_words(event.at).removesuffix(' UTC')}:{event.at:%S} UTC"

    @admin.display(description="what", ordering="action")
    def what(self, event: AuditEvent) -> str:
        """Return the action in words, as the portal's pages say it."""
        return action_words(event.action)

    @admin.display(description="actor")
    def actor(self, event: AuditEvent) -> SafeString | str:
        """Return the actor's label and kind."""
        return short(f"{event.actor_label} ({event.actor_kind})") if event.actor_id else event.actor_label.capitalize()

    @admin.display(description="before")
    def was(self, event: AuditEvent) -> SafeString:
        """Return the values before the change."""
        return _in_words(event.before)

    @admin.display(description="after")
    def became(self, event: AuditEvent) -> SafeString:
        """Return the values after the change."""
        return _in_words(event.after)
