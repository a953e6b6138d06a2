"""An organization with awkward data: many rows, long names, scripts of all directions. Rows are written in bulk."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle, islice
from typing import Any

from allauth.account.models import EmailAddress
from django.db import connection
from django.utils import timezone

from keys.models import Api, ApiKey, ApiSecret, Caller, Environment, KeySecret, QuotaUse, RevokeReason, Scope, Usage
from keys.rules.field_rules import QuotaLimit, RateLimit
from keys.rules.secret import SecretKind
from keys.services.common import Minted, mint
from keys.validation.types import Code
from oauth.models import Client, ClientSecret, Grant
from portal.audit import ActorKind
from portal.audit_actions import AuditAction
from portal.models import AuditEvent, Invitation, Membership, Organization, ServiceAccount, User
from portal.permissions import Role

KEYS, CLIENTS, MEMBERS, INVITATIONS, ACCOUNTS, EVENTS = 1215, 60, 200, 30, 12, 3000
SCOPES = 500
DAYS_OF_USE = 30
KEYS_IN_USE = 60  # the newest ones, which lists begin with; fewer rows are made sooner
DAY = timedelta(days=1)
# Each at most 100 characters: without a gap, with gaps, of wide letters, right to left, without case, of several parts.
NAMES = (
    "billing worker",
    "checkout-prod-eu",
    "continuous-integration-of-the-payments-platform-in-eu-central-1-on-behalf-of-the-reconciliation-team",
    "The nightly job that compares all invoices of the last quarter with the payments that banks reported",
    "W" * 100,
    "مفتاح خدمة الفواتير الليلية للمنطقة الشرقية",
    "مفتاحخدمةالفواتيرالليليةللمنطقةالشرقية" * 2,
    "מפתח השירות הלילי של מחלקת הנהלת החשבונות",
    "每晚对账任务使用的密钥请勿删除" * 6,
    "👩‍👩‍👧‍👦🏴󠁧󠁢󠁳󠁣󠁴󠁿🇩🇪🔑" * 5,
    "Ünïcödé naïveté Đặng Thị Hồng Ǆ ﷽",
    "<b>orders</b> & \"refunds\" 'EU'",
    "a_b_c_d_e_f_g_h_i_j_k_l_m_n_o_p_q_r_s_t_u_v_w_x_y_z_0_1_2_3_4_5_6_7_8_9",
    "x",
)
SHORT_NAMES = ("billing worker", "checkout-prod-eu", "nightly export", "mobile app")
LONG_ADDRESS = f"{'a.very.long.mailbox' * 3}@{'mail.' * 30}example.com"
ADDRESSES = ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "203.0.113.7", "198.51.100.200")
AGENTS = ("", "curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0")
NETWORKS = [f"2001:db8:{number:x}:ffff:ffff:ffff:ffff::/112" for number in range(100)]
RATES = [RateLimit(name=f"a-limit-with-a-rather-long-name-{n}", limit=1_000_000, window_s=86_400) for n in range(4)]
QUOTA = QuotaLimit(limit=10_000, refill="month")
_VERBS, _FEW = ("read", "write", "delete", "administer"), ("orders:read", "orders:write", "refunds:write")
# The columns of each state but for its key's own; a span is that time from now.
_STATES: Sequence[Mapping[str, object]] = (
    {"last_used_at": -DAY / 24},
    {"last_used_at": -DAY, "disabled_at": -DAY / 2},
    {"last_used_at": -DAY / 24},
    {"last_used_at": -DAY / 24, "expires_at": 3 * DAY},
    {"last_used_at": -5 * DAY, "expires_at": -2 * DAY},
    {"last_used_at": -3 * DAY, "revoked_at": -2 * DAY, "revoke_reason": RevokeReason.UNUSED},
    {"last_used_at": -3 * DAY, "revoked_at": -2 * DAY, "revoke_reason": RevokeReason.LEAKED},
    {},
    {"not_before": DAY, "expires_at": 90 * DAY},
    {"last_used_at": -100 * DAY},
    {"last_used_at": -DAY / 24, "expires_at": 365 * DAY},
)
_RETIRING = 2  # the place of this state, which is one of secrets
METADATA = {"team": NAMES[2], "cost-center": NAMES[8], "nested": {"list": list(NAMES)}}


@dataclass(frozen=True)
class Awkward:
    """The organization, its owner and an API with many scopes, and each secret that was made."""

    organization: Organization
    owner: User
    api: Api
    secrets: Sequence[str]


def make_awkward(*, keys: int = KEYS, names: Sequence[str] = NAMES, scopes: int = SCOPES) -> Awkward:
    """Make all of it, within a few seconds, with these names in turn."""
    maker = _Maker(names)
    maker.make_people()
    maker.make_apis(scopes)
    made = maker.make_keys(keys)
    maker.make_use(made[-KEYS_IN_USE:])
    maker.make_clients()
    maker.make_events(made)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as the database would by itself, a minute later
    return Awkward(maker.organization, maker.people[0], maker.apis[0], maker.secrets)


class _Maker:
    def __init__(self, names: Sequence[str]) -> None:
        self._now = timezone.now()
        self._names = names
        self.secrets: list[str] = []
        self.organization = Organization.objects.create(
            name=names[2], max_key_lifetime_days=30, key_expiry_required=True
        )
        self.people: list[User] = []
        self.accounts: list[ServiceAccount] = []
        self.apis: list[Api] = []

    def _name(self, number: int) -> str:
        return self._names[number % len(self._names)]

    def _mint(self, kind: SecretKind, by: User | None = None) -> Minted:
        minted = mint(kind, by=by, now=self._now)
        self.secrets.append(minted.text)
        return minted

    def _at_times(self, columns: Mapping[str, object]) -> dict[str, Any]:
        return {
            column: self._now + value if isinstance(value, timedelta) else value for column, value in columns.items()
        }

    def _common(self, number: int) -> dict[str, Any]:
        """The columns that keys and clients share; every sixth one has all that it may have."""
        is_full = number % 6 == 0
        return {
            "organization": self.organization,
            "owner": None if number % 3 == 0 else self.people[number % 7],
            "service_account": self.accounts[number % ACCOUNTS] if number % 3 == 0 else None,
            "environment": Environment.TEST if number % 5 == 0 else Environment.LIVE,
            "name": self._name(number),
            "networks": NETWORKS if is_full else [],
            "rate_limits": RATES if is_full else [],
            "metadata": METADATA if is_full else {},
            "operator_metadata": METADATA if is_full else {},
        }

    def make_people(self) -> None:
        """Members of all roles, the first of them an owner; people who are invited; and service accounts."""
        emails = ["ada@example.com", "ben@example.com", "cyn@example.com", LONG_ADDRESS]
        emails += [f"member-{number}@example.com" for number in range(MEMBERS - len(emails))]
        self.people = User.objects.bulk_create(
            User(email=email, name=self._name(number) if number % 5 else "", password="!")
            for number, email in enumerate(emails)
        )
        EmailAddress.objects.bulk_create(
            EmailAddress(user=person, email=person.email, verified=True, primary=True) for person in self.people
        )
        roles = cycle([Role.OWNER, Role.DEVELOPER, Role.VIEWER, Role.ADMIN])
        Membership.objects.bulk_create(
            Membership(organization=self.organization, user=person, role=role)
            for person, role in zip(self.people, roles, strict=False)
        )
        Invitation.objects.bulk_create(
            Invitation(
                organization=self.organization,
                email=f"{number}.{LONG_ADDRESS}" if number % 3 == 0 else f"guest-{number}@example.com",
                role=Role.DEVELOPER,
                digest=hashlib.sha256(f"invitation {number}".encode()).digest(),
                invited_by=self.people[number % 5],
                sent_at=self._now - number * DAY / 2,
                expires_at=self._now + (7 - number / 2) * DAY,
            )
            for number in range(INVITATIONS)
        )
        self.accounts = ServiceAccount.objects.bulk_create(
            ServiceAccount(organization=self.organization, name=f"{self._name(number)[:90]} {number}")
            for number in range(ACCOUNTS)
        )

    def make_apis(self, scopes: int) -> None:
        """An API with many scopes and a long name, and two ordinary ones; each has two secrets."""
        self.apis = Api.objects.bulk_create(
            [
                Api(
                    name=NAMES[3],
                    identifier=f"https://{'orders.' * 20}example.com/v1",
                    description="Orders, refunds and parcels of all regions. " * 6,
                    default_rate_limits=RATES,
                    max_rate_limits=RATES,
                ),
                Api(name="Orders", identifier="https://orders.example.com", description="Read and place orders"),
                Api(name=NAMES[5], identifier="https://billing.example.com", disabled_at=self._now),
            ]
        )
        many = [f"resource-{number:03}.of.the.platform:{verb}" for number in range(scopes // 4) for verb in _VERBS]
        many[7] = "x" * 128
        Scope.objects.bulk_create(
            Scope(api=api, name=scope, description=self._name(number), is_sensitive=number % 7 == 0)
            for api, named in zip(self.apis, (many, _FEW, ["invoices:read"]), strict=True)
            for number, scope in enumerate(named)
        )
        for api in self.apis:
            for number, environment in enumerate(Environment):
                minted = self._mint(SecretKind.API)
                secret = ApiSecret(api=api, environment=environment, name=self._name(number + 2), **minted.columns)
                secret.line = secret.public_id
                secret.save()

    def make_keys(self, count: int) -> list[ApiKey]:
        """Keys of all states, oldest first; a retiring one has a second secret."""
        scopes = [[scope.name for scope in api.scopes.all()] for api in self.apis]
        keys = []
        for number in range(count):
            of = 0 if number % 4 == 0 else 1
            keys.append(
                ApiKey(
                    api=self.apis[of],
                    **self._common(number),
                    note=(f"{self._name(number)} {self._name(number + 3)}" if number % 2 else "")[:200],
                    scopes=scopes[of][: SCOPES if number % 8 == 0 else number % 4],
                    quota=QUOTA if number % 6 == 0 else None,
                    created_at=self._now - (count - number) * DAY / 2,
                    **self._at_times(_STATES[number % len(_STATES)]),
                )
            )
        ApiKey.objects.bulk_create(keys)
        secrets = []
        for number, key in enumerate(keys):
            ends = [self._now + DAY] if number % len(_STATES) == _RETIRING else []
            for end in (*ends, None):
                minted = self._mint(SecretKind(key.environment), by=key.owner)
                used = {"last_used_at": key.last_used_at, "last_used_agent": AGENTS[number % len(AGENTS)]}
                secrets.append(KeySecret(key=key, ends_at=end, **minted.columns, **used))
        KeySecret.objects.bulk_create(secrets)
        return keys

    def make_use(self, keys: Sequence[ApiKey]) -> None:
        """Thirty days of calls, refusals among them, from several addresses."""
        usages, hour = [], self._now.replace(minute=0, second=0, microsecond=0)
        secrets = {secret.key_id: secret.public_id for secret in KeySecret.objects.filter(key__in=keys, ends_at=None)}
        for number, key in enumerate(keys):
            for day in range(DAYS_OF_USE):
                for code, share in ((Code.VALID, 97), (Code.RATE_LIMITED, 11), (Code.INSUFFICIENT_SCOPE, 3)):
                    count = (number * 31 + day * 17 + 1) ** 2 * share % 90_000
                    at = hour - day * DAY
                    usages.append(Usage(secret_id=secrets[key.pk], key=key, hour=at, code=code, count=count))
        Usage.objects.bulk_create(usages)
        Caller.objects.bulk_create(
            Caller(key=key, address=address, last_seen_at=self._now - number * DAY)
            for key in keys
            for number, address in enumerate(ADDRESSES)
        )
        QuotaUse.objects.bulk_create(
            QuotaUse(key=key, period=self._now.date().replace(day=1), used=9_999) for key in keys if key.quota
        )

    def make_clients(self) -> None:
        """OAuth clients of all states, with scopes at one, two or three APIs."""
        scopes = [[scope.name for scope in api.scopes.all()] for api in self.apis]
        clients = [
            Client(
                **self._common(number),
                note=self._name(number + 1),
                created_at=self._now - (CLIENTS - number) * DAY,
                disabled_at=self._now if number % 4 == 1 else None,
            )
            for number in range(CLIENTS)
        ]
        Client.objects.bulk_create(clients)
        minted = [self._mint(SecretKind.CLIENT, by=client.owner) for client in clients]
        ClientSecret.objects.bulk_create(
            ClientSecret(client=client, **each.columns) for client, each in zip(clients, minted, strict=True)
        )
        Grant.objects.bulk_create(
            Grant(client=client, api=api, scopes=scopes[of][: SCOPES if number % 2 == 0 else 2])
            for number, client in enumerate(clients)
            for of, api in enumerate(self.apis[: number % 3 + 1])
        )

    def make_events(self, keys: Sequence[ApiKey]) -> None:
        """Audit events of all actions, newest last; many with long values before and after."""
        actions = list(islice(cycle(AuditAction), EVENTS))
        events = []
        for number, action in enumerate(actions):
            actor, key = self.people[number % MEMBERS], keys[-1 - number % len(keys)]
            changed = {"name": self._name(number), "networks": NETWORKS[: number % 100], "metadata": METADATA}
            events.append(
                AuditEvent(
                    at=self._now - (EVENTS - number) * DAY / 100,
                    action=action,
                    organization_id=self.organization.public_id,
                    actor_kind=ActorKind.USER,
                    actor_id=actor.public_id,
                    actor_label=actor.email,
                    subject_id=key.public_id if action.startswith("key.") else "",
                    subject_label=key.name if action.startswith("key.") else self._name(number),
                    address=ADDRESSES[0],
                    before=changed if number % 4 == 0 else {},
                    after=dict.fromkeys(changed) if number % 4 == 0 else {},
                )
            )
        AuditEvent.objects.bulk_create(events)
