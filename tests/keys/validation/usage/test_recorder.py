"""What right secrets were answered is counted once, and written without a call waiting for it; on both databases."""

from datetime import UTC, datetime

import pytest
from django.db import Error, InternalError, OperationalError, transaction
from psycopg.errors import ReadOnlySqlTransaction

from keys.models import ApiKey, Caller, KeySecret, Usage
from keys.services.api_secrets import IssuedApiSecret
from keys.services.keys import IssuedKey
from keys.validation.http import validate, whoami
from keys.validation.types import Code
from keys.validation.usage import recorder as usage_module
from keys.validation.usage import tables
from keys.validation.usage.batches import Batch
from keys.validation.usage.recorder import UsageRecorder
from tests.support.asgi import ask

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
NOON = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC).timestamp()


def count(usage: UsageRecorder, issued: IssuedKey, code: Code = Code.VALID, **more: object) -> None:
    secret = issued.credential.secrets.get()
    known: dict[str, object] = {"address": "203.0.113.9", "now": NOON} | more
    usage.count(issued.credential.public_id, secret.public_id, code, **known)  # type: ignore[arg-type]


def test_answers_are_counted_by_secret_hour_and_code(usage: UsageRecorder, issued: IssuedKey) -> None:
    for now in (NOON, NOON + 1, NOON + 3600):
        count(usage, issued, now=now, address=f"203.0.113.{now % 7:.0f}")
    count(usage, issued, Code.EXPIRED, now=NOON + 3600)
    usage.finish()
    count(usage, issued, now=NOON + 3600)
    usage.finish()
    rows = Usage.objects.order_by("hour", "code").values_list("key", "secret_id", "hour", "code", "count")
    pk, secret_id = issued.credential.pk, issued.credential.secrets.get().public_id
    noon, one = datetime(2026, 11, 22, 12, tzinfo=UTC), datetime(2026, 11, 22, 13, tzinfo=UTC)
    assert list(rows) == [
        (pk, secret_id, noon, "VALID", 2),
        (pk, secret_id, one, "EXPIRED", 1),
        (pk, secret_id, one, "VALID", 2),
    ]


def test_the_last_use_is_noted_with_its_address_and_agent(usage: UsageRecorder, issued: IssuedKey) -> None:
    count(usage, issued, agent=b"orders-sync/1.2")
    usage.finish()
    at = datetime.fromtimestamp(NOON, UTC)
    assert ApiKey.objects.get().last_used_at == at
    secret = KeySecret.objects.get()
    assert (secret.last_used_at, secret.last_used_from, secret.last_used_agent) == (
        at,
        "203.0.113.9",
        "orders-sync/1.2",
    )
    assert list(Caller.objects.values_list("key", "address", "last_seen_at")) == [
        (issued.credential.pk, "203.0.113.9", at)
    ]


def test_a_last_use_is_noted_once_a_minute_and_never_moves_back(usage: UsageRecorder, issued: IssuedKey) -> None:
    for later_s, noted_s in ((0, 0), (5, 0), (60, 60), (-60, 60)):
        count(usage, issued, now=NOON + later_s)
        usage.finish()
        noted = datetime.fromtimestamp(NOON + noted_s, UTC)
        assert (KeySecret.objects.get().last_used_at, Caller.objects.get().last_seen_at) == (noted, noted)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"curl/8.5 \x00\x1b[31m\xff<b>", "curl/8.5  [31m <b>"),
        (b"x" * 5_000, "x" * 200),
        (b"app lk_live_" + b"7" * 38, "app [redacted]"),
        (None, ""),  # an earlier call's would stand beside this call's address
    ],
)
def test_an_agent_is_kept_printable_short_and_without_secrets(
    usage: UsageRecorder, issued: IssuedKey, sent: bytes | None, kept: str
) -> None:
    KeySecret.objects.update(last_used_agent="known/1")
    count(usage, issued, agent=sent)
    usage.finish()
    assert KeySecret.objects.get().last_used_agent == kept


def test_a_call_without_an_address_is_a_use(usage: UsageRecorder, issued: IssuedKey) -> None:
    count(usage, issued, address=None)
    usage.finish()
    assert KeySecret.objects.get().last_used_at is not None
    assert not Caller.objects.exists()


@pytest.mark.parametrize("code", [Code.REVOKED, Code.EXPIRED, Code.SUPERSEDED, Code.IP_DENIED])
def test_a_dead_secret_is_counted_but_not_used(usage: UsageRecorder, issued: IssuedKey, code: Code) -> None:
    count(usage, issued, code)
    usage.finish()
    assert Usage.objects.get().code == code
    assert KeySecret.objects.get().last_used_at is None


def test_a_credential_that_is_no_key_is_counted_by_its_secret(usage: UsageRecorder, issued: IssuedKey) -> None:
    usage.count("client_1", "sec_1", Code.VALID, address="203.0.113.9", now=NOON)
    usage.finish()
    counted = Usage.objects.get()
    assert (counted.key, counted.secret_id, counted.count) == (None, "sec_1", 1)


@pytest.mark.parametrize(
    ("error", "cause"), [(OperationalError, None), (InternalError, ReadOnlySqlTransaction("it is a standby"))]
)
def test_what_could_not_be_written_is_kept(
    usage: UsageRecorder,
    issued: IssuedKey,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Error],
    cause: Exception | None,
) -> None:
    def fail(batch: Batch) -> None:
        raise error from cause

    with monkeypatch.context() as patched:
        patched.setattr(usage, "_flush_batch", fail)
        for later_s in (0, 3600):
            count(usage, issued, now=NOON + later_s)
            usage.finish()
    assert not Usage.objects.exists()
    usage.finish()
    assert list(Usage.objects.values_list("count", flat=True)) == [1, 1]


def test_what_may_have_been_committed_counts_once(
    usage: UsageRecorder, issued: IssuedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LosesTheReply(transaction.Atomic):
        def __exit__(self, *exc_info: object) -> None:
            super().__exit__(*exc_info)  # type: ignore[arg-type]
            raise OperationalError("the server is gone")

    count(usage, issued)
    with monkeypatch.context() as patched:
        patched.setattr(
            "keys.validation.usage.tables.transaction.atomic",
            lambda **_: LosesTheReply(using=None, savepoint=True, durable=True),
        )
        usage.finish()
        count(usage, issued)
        usage.finish()
    assert Usage.objects.get().count == 1
    usage.finish()
    assert Usage.objects.get().count == 2


def test_a_batch_that_cannot_be_written_does_not_hold_up_the_next(
    usage: UsageRecorder, issued: IssuedKey, caplog: pytest.LogCaptureFixture
) -> None:
    usage.count(issued.credential.public_id, "sec_" + "x" * 99, Code.VALID, address="not an address", now=NOON - 3600)
    count(usage, issued)
    usage.finish()
    assert "VALID" in Usage.objects.filter(secret_id__startswith=issued.secret.public_id).values_list("code", flat=True)


def test_memory_is_bounded_and_no_call_of_a_known_secret_is_lost(
    usage: UsageRecorder, issued: IssuedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_module, "MAX_USAGE_COUNTS", 3)
    for last in range(50):
        count(usage, issued, address=f"203.0.113.{last}")
    assert len(usage._open) <= 6
    usage.finish()
    assert (Usage.objects.get().count, Caller.objects.count()) == (50, 3)


def test_the_addresses_of_a_key_are_bounded(
    usage: UsageRecorder, issued: IssuedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_CALLERS_A_KEY", 2)
    for later_s, last in enumerate([1, 2, 3, 1]):
        count(usage, issued, address=f"2001:db8::{last}", now=NOON + later_s * 60)
        usage.finish()
    seen = [(caller.address, caller.last_seen_at.minute) for caller in Caller.objects.order_by("address")]
    assert seen == [("2001:db8::1", 3), ("2001:db8::2", 1)]


def test_a_validation_counts_the_key_and_its_caller(
    usage: UsageRecorder, issued: IssuedKey, api_secret: IssuedApiSecret
) -> None:
    headers = [
        ("authorization", f"Bearer {api_secret.secret_text}"),
        ("content-type", "application/json"),
        ("user-agent", "orders-backend/7"),
    ]
    body = f'{{"credential": "{issued.secret_text}", "ip": "2001:db8::7"}}'.encode()
    ask(validate, "POST", headers=headers, body=body, peer="198.51.100.4")
    usage.finish()
    api_secret.secret.refresh_from_db()
    assert Usage.objects.get().count == 1
    assert Caller.objects.get().address == "2001:db8::7"
    assert (api_secret.secret.last_used_from, api_secret.secret.last_used_agent) == ("198.51.100.4", "orders-backend/7")
    assert KeySecret.objects.get().last_used_agent == ""


def test_a_consumer_that_asks_for_itself_is_known_by_its_program(usage: UsageRecorder, issued: IssuedKey) -> None:
    ask(whoami, headers=[("x-api-key", issued.secret_text), ("user-agent", "curl/8.5.0")], peer="198.51.100.4")
    usage.finish()
    secret = KeySecret.objects.get()
    assert (secret.last_used_from, secret.last_used_agent) == ("198.51.100.4", "curl/8.5.0")


def test_wrong_guesses_are_not_counted(usage: UsageRecorder, api_secret: IssuedApiSecret) -> None:
    headers = [("authorization", f"Bearer {api_secret.secret_text}"), ("content-type", "application/json")]
    ask(validate, "POST", headers=headers, body=b'{"credential": "guess"}')
    usage.finish()
    assert not Usage.objects.exists()
