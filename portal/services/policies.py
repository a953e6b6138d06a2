"""Change the rules of an organization. Existing keys and members are not changed."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal.audit import Actor, record_of, require
from portal.audit_actions import AuditAction
from portal.mails import messages
from portal.models import Organization, User
from portal.moments import clean_moment
from portal.permissions import ROLES_FOR, Action
from portal.policies import LIVE_KEY_MAKERS, MAX_LIFETIME_DAYS, Policies
from portal.preferences import MailKind
from portal.refusals import Invalid
from portal.services.organizations import lock_organization


def change_policies(organization: Organization, wanted: Policies, *, by: Actor) -> Organization:
    """Set the rules, and mail the other people who may change them. The same rules again change nothing.

    Raises NotAllowed or Invalid.
    """
    _check(wanted)
    with transaction.atomic(durable=True):
        organization = lock_organization(organization)
        require(by, organization, Action.MANAGE_ORGANIZATION)
        before, after = organization.policies.shown(), wanted.shown()
        changed = [name for name in after if before[name] != after[name]]
        if not changed:
            return organization
        for name in changed:
            setattr(organization, name, getattr(wanted, name))
        organization.save(update_fields=changed)
        record_of(
            AuditAction.ORGANIZATION_POLICIES_CHANGED,
            organization,
            by,
            timezone.now(),
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )
        recipients = list(who_can_change_it(organization).exclude(email=by.label).values_list("email", flat=True))
    messages.send(messages.policies_changed(organization, by.name), recipients, kind=MailKind.POLICIES)
    return organization


def _check(wanted: Policies) -> None:
    days = wanted.max_key_lifetime_days
    if days is not None and not 1 <= days <= MAX_LIFETIME_DAYS:
        raise Invalid("max_key_lifetime_days", f"Choose between 1 and {MAX_LIFETIME_DAYS:,} days.")
    if wanted.live_keys_by not in LIVE_KEY_MAKERS:
        raise Invalid("live_keys_by", "Viewers make no keys.")
    try:
        clean_moment(wanted.second_factor_from)
    except ValueError as exc:
        raise Invalid("second_factor_from", str(exc)) from None


def who_can_change_it(organization: Organization) -> QuerySet[User]:
    """Return the people who may change the organization's policies."""
    managing = ROLES_FOR[Action.MANAGE_ORGANIZATION]
    members = organization.memberships.filter(role__in=managing, user__is_active=True)
    return User.objects.filter(pk__in=members.values("user")).order_by("pk")
