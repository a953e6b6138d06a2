"""What right secrets were answered is counted once, and written without a call waiting for it; on both databases."""

from datetime import UTC, datetime

import pytest
from django.db import OperationalError, transaction

from keys.models import ApiKey, Caller, KeySecret, Usage
from keys.services.api_secrets import IssuedApiSecret
from keys.services.keys import IssuedKey
from keys.validation import usage as usage_module
from keys.validation.http import validate
from keys.validation.shapes import Code
from keys.validation.usage import UsageRecorder
from tests.asgi import ask

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
NOON = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC).timestamp()


def count(usage: UsageRecorder, issued: IssuedKey, code: Code = Code.VALID, **more: object) -> None:
    secret = issued.key.secrets.get()
    known: dict[str, object] = {"address": "203.0.113.9", "now": NOON} | more
    usage.count(issued.key.public_id, secret.public_id, code, **known)  # type: ignore[arg-type]


def test_answers_are_counted_by_secret_hour_and_code(usage: UsageRecorder, issued: IssuedKey) -> None:
    for now in (NOON, NOON + 1, NOON + 3600):
        count(usage, issued, now=now)
    count(usage, issued, Code.EXPIRED)
    usage.flush()
    count(usage, issued)
    usage.flush()
    rows = Usage.objects.order_by("hour", "code").values_list("key", "secret_id", "hour", "code", "count")
    pk, secret_id = issued.key.pk, issued.key.secrets.get().public_id
    noon, one = datetime(2026, 11, 22, 12, tzinfo=UTC), datetime(2026, 11, 22, 13, tzinfo=UTC)
    assert list(rows) == [
        (pk, secret_id, noon, "EXPIRED", 1),
        (pk, secret_id, noon, "VALID", 3),
        (pk, secret_id, one, "VALID", 1),
    ]


def test_the_last_use_is_noted_with_its_address(usage: UsageRecorder, issued: IssuedKey) -> None:
    count(usage, issued)
    usage.flush()
    at = datetime.fromtimestamp(NOON, UTC)
    assert ApiKey.objects.get().last_used_at == at
    secret = KeySecret.objects.get()
    assert (secret.last_used_at, secret.last_used_from) == (at, "203.0.113.9")
    assert list(Caller.objects.values_list("key", "address", "last_seen_at")) == [(issued.key.pk, "203.0.113.9", at)]


def test_a_last_use_is_noted_once_a_minute_and_never_moves_back(usage: UsageRecorder, issued: IssuedKey) -> None:
    for later_s, noted_s in ((0, 0), (5, 0), (60, 60), (-60, 60)):
        count(usage, issued, now=NOON + later_s)
        usage.flush()
        noted = datetime.fromtimestamp(NOON + noted_s, UTC)
        assert (KeySecret.objects.get().last_used_at, Caller.objects.get().last_seen_at) == (noted, noted)


def test_a_call_without_an_address_is_a_use(usage: UsageRecorder, issued: IssuedKey) -> None:
    count(usage, issued, address=None)
    usage.flush()
    assert KeySecret.objects.get().last_used_at is not None
    assert not Caller.objects.exists()


@pytest.mark.parametrize("code", [Code.REVOKED, Code.EXPIRED, Code.SUPERSEDED, Code.IP_DENIED])
def test_a_dead_secret_is_counted_but_not_used(usage: UsageRecorder, issued: IssuedKey, code: Code) -> None:
    count(usage, issued, code)
    usage.flush()
    assert Usage.objects.get().code == code
    assert KeySecret.objects.get().last_used_at is None


def test_what_could_not_be_written_is_kept(
    usage: UsageRecorder, issued: IssuedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(batch: object) -> None:
        count(usage, issued)  # the next answer comes while this batch is being written
        raise OperationalError("the server is gone")

    count(usage, issued)
    with monkeypatch.context() as patched:
        patched.setattr(usage_module, "write", fail)
        usage.flush()
    assert not Usage.objects.exists()
    usage.flush()
    assert Usage.objects.get().count == 2


def test_what_may_have_been_committed_is_not_written_again(
    usage: UsageRecorder, issued: IssuedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LosesTheReply(transaction.Atomic):
        def __exit__(self, *exc_info: object) -> None:
            super().__exit__(*exc_info)  # type: ignore[arg-type]
            raise OperationalError("the server is gone")

    count(usage, issued)
    with monkeypatch.context() as patched:
        lossy = LosesTheReply(using=None, savepoint=True, durable=True)
        patched.setattr("keys.validation.usage.transaction.atomic", lambda **_: lossy)
        usage.flush()
    usage.flush()
    assert Usage.objects.get().count == 1


def test_memory_is_bounded_and_known_counters_go_on(
    usage: UsageRecorder, issued: IssuedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    count(usage, issued)
    monkeypatch.setattr(usage_module, "MAX_ENTRIES", len(usage._batch))
    count(usage, issued)
    count(usage, issued, Code.EXPIRED)
    usage.flush()
    assert list(Usage.objects.values_list("code", "count")) == [("VALID", 2)]


def test_a_validation_counts_the_key_and_its_caller(
    usage: UsageRecorder, issued: IssuedKey, api_secret: IssuedApiSecret
) -> None:
    headers = [("authorization", f"Bearer {api_secret.secret_text}"), ("content-type", "application/json")]
    body = f'{{"credential": "{issued.secret_text}", "ip": "2001:db8::7"}}'.encode()
    ask(validate, "POST", headers=headers, body=body, peer="198.51.100.4")
    usage.flush()
    api_secret.secret.refresh_from_db()
    assert Usage.objects.get().count == 1
    assert Caller.objects.get().address == "2001:db8::7"
    assert api_secret.secret.last_used_from == "198.51.100.4"


def test_wrong_guesses_are_not_counted(usage: UsageRecorder, api_secret: IssuedApiSecret) -> None:
    headers = [("authorization", f"Bearer {api_secret.secret_text}"), ("content-type", "application/json")]
    ask(validate, "POST", headers=headers, body=b'{"credential": "guess"}')
    usage.flush()
    assert not Usage.objects.exists()


def test_stopping_writes_what_is_left(issued: IssuedKey) -> None:
    recorder = UsageRecorder()
    count(recorder, issued)
    recorder.stop()
    assert Usage.objects.get().count == 1
