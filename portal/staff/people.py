"""Admin pages for people and for groups of staff."""

from typing import Any

from allauth.account.forms import ResetPasswordForm
from allauth.account.models import EmailAddress
from allauth.core import context as allauth_context
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from portal.audit import Actor, ActorKind, record
from portal.audit_actions import AuditAction
from portal.http import actor_of
from portal.models import Membership, User
from portal.services.people import deactivate_user, reactivate_user, record_password_reset_sent
from portal.staff.actions import Declined, StaffAction
from portal.staff.operated import OperatedAdmin
from portal.staff.shown import NO_VALUE
from portal.templatetags.ui import status

Values = dict[str, Any]

# Remove the pages that Django and allauth register: their changes would bypass our services, and nobody may see second
# factors.
for registered_elsewhere in (Group, EmailAddress, Authenticator):
    admin.site.unregister(registered_elsewhere)


def _deactivate(user: User, *, by: Actor) -> None:
    _refuse_on_staff(user, by)
    deactivate_user(user, by=by)


def _reactivate(user: User, *, by: Actor) -> None:
    _refuse_on_staff(user, by)
    reactivate_user(user, by=by)


def _send_password_reset(user: User, *, by: Actor) -> None:
    _refuse_on_staff(user, by)
    form = ResetPasswordForm({"email": user.email})
    if not user.is_active or not form.is_valid():
        raise Declined("A deactivated person cannot reset a password.")
    record_password_reset_sent(user, by=by)
    form.save(allauth_context.request)


def _refuse_on_staff(user: User, by: Actor) -> None:
    if user == by.user:
        raise Declined("This is your own account; ask a colleague.")
    if (user.is_staff or user.is_superuser) and not (by.user and by.user.is_superuser):
        raise Declined("Only a superuser can do this to staff.")


@admin.register(User)
class UserAdmin(OperatedAdmin[User]):
    """Admin of people. Superusers decide who is staff and in which groups; nobody sees or sets a password."""

    list_display = ("email", "name", "state", "staff", "has_second_factor", "date_joined", "last_login")
    row_columns = ("email", "name", "state", "staff", "last_login")
    title = "People"
    empty = "No people yet."
    list_filter = ("is_active", "is_staff", "date_joined")
    search_fields = ("email", "name", "public_id")
    ordering = ("-date_joined", "-pk")
    fields = (
        "public_id", "email", "name", "state", "has_second_factor", "date_joined", "last_login", "belongs_to",
        "superuser", "is_staff", "groups",
    )  # fmt: skip
    filter_horizontal = ()
    staff_actions = (
        StaffAction(
            name="deactivation",
            label="Deactivate",
            done="Deactivated",
            consequence="The person is signed out everywhere at once and cannot sign in until reactivated."
            " Keys keep working: to stop traffic, suspend the organization or revoke its keys.",
            permission="portal.change_user",
            run=_deactivate,
            offered=lambda user: user.is_active,
            is_danger=True,
        ),
        StaffAction(
            name="reactivation",
            label="Reactivate",
            done="Reactivated",
            consequence="The person can sign in again, with the same password and second factor.",
            permission="portal.change_user",
            run=_reactivate,
            widens=True,
            offered=lambda user: not user.is_active,
        ),
        StaffAction(
            name="password-reset",
            label="Send a password reset",
            title="Send a password reset to {name}",
            done="Sent a password reset to",
            consequence="The person gets a mail with a link to choose a new password."
            " The current one works until then.",
            permission="portal.change_user",
            run=_send_password_reset,
            offered=lambda user: user.is_active,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Add whether each person has a second factor."""
        factors = Authenticator.objects.filter(user=OuterRef("pk"))
        users: QuerySet[User] = super().get_queryset(request).annotate(second_factor=Exists(factors))
        return users

    def facts(self, obj: User) -> dict[str, object]:
        """Return the facts to show before an action on the person."""
        owned = Membership.objects.filter(user=obj).select_related("organization")
        return {
            "Name": obj.name or NO_VALUE,
            "Organizations": ", ".join(f"{each.organization} ({each.role})" for each in owned) or NO_VALUE,
            "Staff": "Yes" if obj.is_staff else "No",
            "Last sign-in": obj.last_login or "Never",
        }

    @admin.display(description="second factor")
    def has_second_factor(self, user: User) -> str:
        """Return whether the person has set up a second factor."""
        return "Yes" if getattr(user, "second_factor", False) else "No"

    @admin.display(description="status", ordering="is_active")
    def state(self, user: User) -> SafeString:
        """Return whether the person may sign in."""
        return status("Active", "ok") if user.is_active else status("Deactivated", "bad")

    @admin.display(description="staff", ordering="is_staff")
    def staff(self, user: User) -> str:
        return "Superuser" if user.is_superuser else "Staff" if user.is_staff else "No"

    @admin.display(description="superuser")
    def superuser(self, user: User) -> str:
        return "Yes" if user.is_superuser else "No"

    @admin.display(description="organizations")
    def belongs_to(self, user: User) -> str:
        """Return the person's organizations and roles."""
        return ", ".join(
            f"{each.organization} ({each.role})" for each in user.memberships.select_related("organization")
        )

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Let superusers change staff access, except their own: nobody can lock themselves out."""
        return bool(request.user.is_superuser) and (obj is None or obj.pk != request.user.pk)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Return all fields but staff access and groups."""
        return [name for name in self.fields if name not in {"is_staff", "groups"}]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Show groups as check boxes."""
        kwargs |= {
            "widget": forms.CheckboxSelectMultiple(),
            "help_text": "Staff can open this admin, with the permissions of their groups.",
        }
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001  # Django's
        """Audit the change of staff access, in the form's own transaction."""
        before = {"is_staff": form.initial["is_staff"], "groups": sorted(map(str, form.initial["groups"]))}
        super().save_related(request, form, formsets, change)
        after = {"is_staff": form.cleaned_data["is_staff"], "groups": sorted(map(str, form.cleaned_data["groups"]))}
        _record(AuditAction.USER_ACCESS_CHANGED, request, form.instance, before=before, after=after)


@admin.register(Group)
class GroupAdmin(OperatedAdmin[Group]):
    """Admin of staff groups and their permissions, for superusers."""

    list_display = ("name",)
    title = "Staff groups"
    empty = "No staff groups yet. A group gives its staff permissions; superusers need none."
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "permissions")

    @property
    def permissions(self) -> set[str]:
        """Return no permissions, so that no group can be permitted to extend itself."""
        return set()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Allow superusers only, because groups grant permissions."""
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Allow superusers only."""
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Allow superusers only."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Allow superusers only."""
        return bool(request.user.is_superuser)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only permissions that some admin page requires."""
        asked = Q()
        for model_admin in self.admin_site._registry.values():  # noqa: SLF001  # Django offers no other way to ask
            for permission in getattr(model_admin, "permissions", ()):
                app_label, _, codename = permission.partition(".")
                asked |= Q(content_type__app_label=app_label, codename=codename)
        offered = Permission.objects.filter(asked).select_related("content_type")
        kwargs |= {"queryset": offered, "widget": forms.CheckboxSelectMultiple(), "help_text": ""}
        field: Any = super().formfield_for_manytomany(db_field, request, **kwargs)
        field.label_from_instance = self._permission_words
        return field

    def _permission_words(self, permission: Permission) -> str:
        """Return what is permitted, such as ``People: deactivate, reactivate, send a password reset``."""
        admins = self.admin_site._registry.values()  # noqa: SLF001  # Django offers no other way to ask
        name = f"{permission.content_type.app_label}.{permission.codename}"
        pages = [each.own_pages[name] for each in admins if name in each.own_pages]
        actions = [action.label for each in admins for action in each.staff_actions if action.permission == name]
        heading = next(each.heading for each in admins if each.opts.model_name == permission.content_type.model)
        return f"{heading}: {', '.join([*pages, *actions]).lower() or 'view'}"

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001  # Django's
        """Audit the change of the group, in the form's own transaction."""
        before = {
            "name": form.initial.get("name", ""),
            "permissions": sorted(each.codename for each in form.initial.get("permissions", ())),
        }
        super().save_related(request, form, formsets, change)
        after = {
            "name": form.cleaned_data["name"],
            "permissions": sorted(each.codename for each in form.cleaned_data["permissions"]),
        }
        _record(AuditAction.GROUP_CHANGED, request, form.instance, before=before, after=after)


def _record(action: AuditAction, request: HttpRequest, subject: Model, *, before: Values, after: Values) -> None:
    changed = [name for name in after if before[name] != after[name]]
    if not changed:
        return
    record(
        action,
        actor=actor_of(request, ActorKind.STAFF),
        at=timezone.now(),
        subject_id=getattr(subject, "public_id", ""),
        subject_label=str(subject),
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )
