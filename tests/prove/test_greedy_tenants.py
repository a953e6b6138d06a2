"""What one tenant does, at length: another tenant's validations go on as if nothing were."""

import json
from collections.abc import Callable

import pytest

from tests.support import environment, floods
from tests.support.strangers import Besieged, Manner, Wave, request

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(120),
    pytest.mark.skipif(environment.ON_SQLITE, reason="production is PostgreSQL"),
]
EVENTS = 30_000
READERS = 40
HELD_MIB = 50  # by one process, for all exports


def test_malformed_bodies_of_one_tenant_keep_nobody_else_waiting(
    one_worker: Besieged, prove: Callable[[str], None]
) -> None:
    flood = Wave(20, floods.malformed_by_tenant(one_worker.demo), pause_s=0.25)
    answered = one_worker.withstand("80 malformed bodies of 64 KiB a second by one tenant", flood, tell=prove)
    assert set(answered) <= {400, 422, 429, 503}


def test_unknown_keys_of_one_tenant_keep_nobody_else_waiting(
    one_worker: Besieged, prove: Callable[[str], None]
) -> None:
    flood = Wave(20, floods.unknown_keys(one_worker.demo, 5_000))
    answered = one_worker.withstand("20 connections with unknown keys by one tenant", flood, tell=prove)
    assert set(answered) <= {200, 503}


def test_repeated_revocations_of_one_tenant_keep_nobody_else_waiting(
    one_worker: Besieged, prove: Callable[[str], None]
) -> None:
    flood = Wave(80, floods.repeated_revocation(one_worker.demo, one_worker.port))
    answered = one_worker.withstand("80 connections that repeat one revocation by one tenant", flood, tell=prove)
    assert set(answered) <= {200, 429, 503}


READING = """
import json
from datetime import timedelta
from allauth.account.models import EmailAddress
from django.conf import settings
from django.utils import timezone
from portal.models import AuditEvent, Membership, Organization, User
from portal.permissions import Role
from tests.support.browsers import signed_in_by
acme, now = Organization.objects.get(name="Acme"), timezone.now()
AuditEvent.objects.bulk_create(
    (
        AuditEvent(
            at=now - timedelta(seconds=number), action="key.created", organization_id=acme.public_id,
            actor_kind="command", actor_label="command", subject_id=f"key_{{number}}", subject_label="billing worker",
            after={{"name": "billing worker", "scopes": ["orders:read", "orders:write"]}},
        )
        for number in range({events})
    ),
    batch_size=2_000,
)
cookies = []
for number in range({readers}):
    reader = User.objects.create_user(f"reader{{number}}@example.com")
    EmailAddress.objects.create(user=reader, email=reader.email, verified=True, primary=True)
    Membership.objects.create(organization=acme, user=reader, role=Role.VIEWER)
    cookies.append(signed_in_by(reader).cookies[settings.SESSION_COOKIE_NAME].OutputString().split(";")[0])
print(json.dumps(cookies))
"""


@pytest.fixture(scope="module")
def exports(one_worker: Besieged) -> list[bytes]:
    """One request for an export by each of many people of Acme."""
    program = READING.format(events=EVENTS, readers=READERS)
    cookies = json.loads(one_worker.portal.manage("shell", "--no-imports", "-c", program))
    path = "/app/activity/activity.csv"
    return [request("GET", path, cookie=cookie, connection="close") for cookie in cookies]


def test_exports_of_one_tenant_keep_nobody_else_waiting(
    one_worker: Besieged, exports: list[bytes], prove: Callable[[str], None]
) -> None:
    wave = Wave(20, exports, pause_s=1)
    answered = one_worker.withstand(
        f"20 exports of {EVENTS:,} events at once by one tenant", wave, tell=prove, grows_at_most_mib=HELD_MIB
    )
    assert set(answered) == {200, 503}


def test_exports_of_one_tenant_that_nobody_reads_keep_nobody_else_waiting(
    one_worker: Besieged, exports: list[bytes], prove: Callable[[str], None]
) -> None:
    wave = Wave(40, exports, Manner.UNREAD)
    answered = one_worker.withstand(
        f"40 exports of {EVENTS:,} events that nobody reads by one tenant", wave, tell=prove, grows_at_most_mib=HELD_MIB
    )
    assert set(answered) == {200, 503}
