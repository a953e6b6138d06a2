"""Read the members of an organization, for pages. Only services change them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from keys.models import ApiKey, Credential
from keys.team.services.departures import CredentialOwner, by_organization, credentials_owned_by
from portal.models import Invitation, Membership, Organization, ServiceAccount, User
from portal.permissions import ROLES_FOR, Action, Role, may_grant

PAGE_SIZE = 50
LEFT_SHOWN = 10
MAX_SEARCH_CHARS = 100


@dataclass(frozen=True)
class MemberRow:
    """A member, as seen by a viewer who may or may not change the membership."""

    membership: Membership
    keys: int
    has_second_factor: bool
    may_change: bool
    is_oneself: bool

    @property
    def may_remove(self) -> bool:
        """Whether the page offers removing the member, or leaving."""
        return self.may_change or self.is_oneself


@dataclass(frozen=True)
class MemberPage:
    """At most 50 members, and the id after which the next page begins; the id is empty on the last page."""

    rows: Sequence[MemberRow]
    total: int
    next_after: str


@dataclass(frozen=True)
class LeftView:
    """The credentials that a leaving owner has: their number in words, and some of them, recently used first."""

    count: int
    words: str
    shown: Sequence[Credential]

    @property
    def more(self) -> int:
        """The number of credentials that are not shown."""
        return self.count - len(self.shown)


def visible_members(organization: Organization) -> QuerySet[Membership]:
    """Return the members with their users, number of unrevoked keys, and whether they have a second factor."""
    keys = ApiKey.objects.filter(organization=organization, owner=OuterRef("user"), revoked_at=None)
    factors = Authenticator.objects.filter(user=OuterRef("user")).exclude(type=Authenticator.Type.RECOVERY_CODES)
    counted = keys.order_by().values("owner").annotate(n=Count("pk")).values("n")
    members = Membership.objects.filter(organization=organization).select_related("user", "organization")
    return members.annotate(
        keys_n=Coalesce(Subquery(counted, output_field=IntegerField()), 0), second_factor=Exists(factors)
    )


def member_page(organization: Organization, viewer: Membership, *, text: str = "", after: str = "") -> MemberPage:
    """Return the members after the person with id ``after``, by address; an unknown id gives the first page."""
    members = visible_members(organization)
    if text:
        members = members.filter(Q(user__email__icontains=text) | Q(user__name__icontains=text))
    total = members.count()
    last = User.objects.filter(public_id=after, memberships__organization=organization).first() if after else None
    if last is not None:
        members = members.filter(user__email__gt=last.email)
    found = list(members.order_by("user__email")[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    next_after = shown[-1].user.public_id if len(found) > PAGE_SIZE else ""
    return MemberPage([member_row(membership, viewer) for membership in shown], total, next_after)


def member_row(membership: Membership, viewer: Membership) -> MemberRow:
    """Build the row of one of ``visible_members``, for this viewer."""
    return MemberRow(
        membership,
        keys=getattr(membership, "keys_n", 0),
        has_second_factor=getattr(membership, "second_factor", False),
        may_change=may_grant(Role(viewer.role), Role(membership.role)),
        is_oneself=membership.user_id == viewer.user_id,
    )


def open_invitations(organization: Organization) -> QuerySet[Invitation]:
    """Return the unanswered invitations, newest first. Expired ones are included: they can be sent again."""
    waiting = Invitation.objects.filter(organization=organization, ended_at=None)
    return waiting.select_related("invited_by").order_by("-sent_at", "-pk")


def left_view(owner: CredentialOwner, organization: Organization) -> LeftView:
    """Return the credentials that a leaving owner leaves behind."""
    kinds = credentials_owned_by(owner, organization)
    counts = {rows.model: rows.count() for rows in kinds}
    in_use = F("last_used_at").desc(nulls_last=True)
    latest = [row for rows in kinds for row in rows.order_by(in_use, "pk")[:LEFT_SHOWN]]
    latest.sort(key=lambda row: row.last_used_at.timestamp() if row.last_used_at else 0, reverse=True)
    return LeftView(sum(counts.values()), count_words(counts), latest[:LEFT_SHOWN])


def count_words(counts: Mapping[type[Credential], int]) -> str:
    """Describe counts: ``2 API keys and 1 OAuth client``; empty for none."""
    return " and ".join(
        f"{n:,} {model._meta.verbose_name if n == 1 else model._meta.verbose_name_plural}"  # noqa: SLF001  # Django documents it as public
        for model, n in counts.items()
        if n
    )


def possible_new_owners(organization: Organization, *, instead_of: CredentialOwner) -> list[CredentialOwner]:
    """Return possible new owners of credentials: service accounts first, because they stay when people leave."""
    accounts = ServiceAccount.objects.filter(organization=organization, removed_at=None).order_by("name")
    people = User.objects.filter(
        memberships__organization=organization, memberships__role__in=ROLES_FOR[Action.MANAGE_KEYS], is_active=True
    ).order_by("email")
    new_owners: list[CredentialOwner] = [*accounts, *people]
    return [new_owner for new_owner in new_owners if new_owner != instead_of]


def possible_new_owners_at(organizations: Collection[int], *, instead_of: User) -> dict[int, list[CredentialOwner]]:
    """Return possible new owners for many organizations, by the organizations' pks; runs two queries."""
    accounts = ServiceAccount.objects.filter(organization__in=organizations, removed_at=None).order_by("name")
    makers = Membership.objects.filter(
        organization__in=organizations, role__in=ROLES_FOR[Action.MANAGE_KEYS], user__is_active=True
    )
    people = makers.exclude(user=instead_of).select_related("user").order_by("user__email")
    found: list[tuple[int, CredentialOwner]] = [(account.organization_id, account) for account in accounts]
    return by_organization([*found, *((each.organization_id, each.user) for each in people)])
