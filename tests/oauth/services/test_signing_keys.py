"""Signing keys: made once, rotated while tokens are out, dropped in an emergency; encrypted at rest."""

import io
from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from pytest_django import Settings

from keys.validation.types import SigningKeysSnapshot
from oauth.keyring import Keyring, NoSigningKey, keyring
from oauth.loaders import load_signing_keys
from oauth.models import SigningKey
from oauth.private_keys import decrypt_private_key, encrypt_private_key
from oauth.protocol import jwk
from oauth.protocol.access_token import Genuine, TokenFlaw, mint, verify
from oauth.services.signing_keys import drop_signing_keys, forget_private_halves, rotate_signing_keys
from oauth.sweeps import rotate_keys
from portal.audit import COMMAND, SYSTEM, Actor, NotAllowed
from portal.encryption import CannotDecrypt
from portal.env_types import VersionedKey
from portal.models import AuditEvent
from tests.keys.services.test_races import at_once
from tests.support.oauth.claims import ISSUER, claims

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
both_databases = pytest.mark.both_databases


def ring() -> Keyring:
    """The keys as a process reads them."""
    found = load_signing_keys(["all"])["all"]
    assert isinstance(found, SigningKeysSnapshot)
    return keyring(found)


def signs(now: datetime, algorithm: str = "ES256") -> str:
    return ring().signer(algorithm, now=now.timestamp()).kid


@both_databases
@pytest.mark.django_db
def test_migrating_makes_a_key_of_each_algorithm(now: datetime) -> None:
    assert sorted(key.algorithm for key in SigningKey.objects.all()) == ["ES256", "EdDSA", "RS256"]
    assert not rotate_signing_keys(by=SYSTEM, now=now).made
    assert len({signs(now, algorithm) for algorithm in jwk.ALGORITHMS}) == 3


@both_databases
@pytest.mark.django_db(transaction=True)
def test_two_processes_at_once_make_one_first_key_and_one_next(now: datetime) -> None:
    SigningKey.objects.all().delete()
    at_once(*[lambda: rotate_signing_keys(by=SYSTEM, now=now)] * 4)
    assert SigningKey.objects.count() == 3
    later = now + 40 * DAY
    at_once(*[lambda: rotate_signing_keys(by=SYSTEM, now=later)] * 4)
    assert SigningKey.objects.count() == 6
    assert SigningKey.objects.filter(signs_until=None).count() == 3


@pytest.mark.django_db
def test_at_every_instant_every_process_verifies_every_live_token(now: datetime) -> None:
    """Thirty-four days, rotated on schedule; a process may hold a copy of the keys that is an hour old."""
    out: list[tuple[str, int]] = []
    old = ring()
    for hours in range(0, 34 * 24, 12):
        instant = now + timedelta(hours=hours)
        rotate_keys(now=instant)
        fresh, at = ring(), int(instant.timestamp())
        said = claims(now=at, lifetime_s=86_400)
        out += [(mint(process.signer("ES256", now=at), said), said.exp) for process in (old, fresh)]
        out = [(token, until) for token, until in out if until > at]
        for token, _ in out:
            for process in (old, fresh):
                assert isinstance(verify(token, process.verifiers, issuer=ISSUER, now=at), Genuine)
        old = fresh
    assert len({token.split(".")[0] for token, _ in out}) == 1
    assert SigningKey.objects.filter(algorithm="ES256").count() == 2
    assert SigningKey.objects.filter(private_key="").count() == 3  # what signs no more is erased


@both_databases
@pytest.mark.django_db
def test_a_next_key_is_published_a_day_before_it_signs(now: datetime) -> None:
    before = signs(now)
    rotate_signing_keys(by=COMMAND, now=now, algorithms=["ES256"], is_wanted=True)
    assert not rotate_signing_keys(by=COMMAND, now=now, algorithms=["ES256"], is_wanted=True).made
    published = {key["kid"] for key in ring().published(now=now.timestamp())}
    assert AuditEvent.objects.filter(action="signing_key.published").count() == 1
    after = signs(now + DAY)
    assert before != after
    assert {before, after} < published
    assert signs(now + DAY - HOUR) == before
    assert before not in {key["kid"] for key in ring().published(now=(now + 3 * DAY).timestamp())}


@both_databases
@pytest.mark.django_db
def test_an_emergency_drops_the_keys_and_their_tokens_at_once(now: datetime) -> None:
    """JK5."""
    at = int(now.timestamp())
    token = mint(ring().signer("ES256", now=at), claims(now=at))
    kid = signs(now)
    said = io.StringIO()
    call_command("rotate_signing_key", "--emergency", "--algorithm", "ES256", stdout=said)
    later = SigningKey.objects.get(algorithm="ES256", signs_until=None).signs_from
    assert kid not in {key["kid"] for key in ring().published(now=later.timestamp())}
    assert not ring().is_believed(kid, now=later.timestamp())
    assert verify(token, ring().verifiers, issuer=ISSUER, now=later.timestamp()) is TokenFlaw.SIGNATURE_INVALID
    assert signs(later) in said.getvalue()
    assert SigningKey.objects.get(kid=kid).private_key == ""
    assert AuditEvent.objects.get(action="signing_key.dropped").subject_label == kid


@pytest.mark.django_db
def test_only_the_operator_touches_signing_keys(as_ada: Actor, now: datetime) -> None:
    with pytest.raises(NotAllowed):
        rotate_signing_keys(by=as_ada, now=now)
    with pytest.raises(NotAllowed):
        drop_signing_keys(by=as_ada)


@pytest.mark.django_db
def test_a_private_half_is_encrypted_and_bound_to_its_key(settings: Settings, now: datetime) -> None:
    stored = SigningKey.objects.get(algorithm="ES256")
    private = decrypt_private_key(stored.kid, stored.private_key)
    assert jwk.load_private(private).curve.name == "secp256r1"
    with pytest.raises(CannotDecrypt):
        decrypt_private_key("another", stored.private_key)
    settings.ENCRYPTION_KEYS = (VersionedKey("new", b"n" * 32), *settings.ENCRYPTION_KEYS)
    assert decrypt_private_key(stored.kid, stored.private_key) == private
    assert encrypt_private_key(stored.kid, private).startswith("new:")
    settings.ENCRYPTION_KEYS = (VersionedKey(settings.ENCRYPTION_KEYS[-1].version, b"x" * 32),)
    with pytest.raises(CannotDecrypt):
        decrypt_private_key(stored.kid, stored.private_key)


@pytest.mark.django_db
def test_a_published_key_has_no_private_member_and_says_what_it_is_for(now: datetime) -> None:
    """JK2, JK3."""
    keys = ring().published(now=now.timestamp())
    assert len({key["kid"] for key in keys}) == len(keys) == 3
    assert {key["alg"] for key in keys} == {"ES256", "RS256", "EdDSA"}
    for key in keys:
        assert key["use"] == "sig"
        assert not {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & key.keys()
    (public,) = (jwk.load_public(key) for key in keys if key["kty"] == "RSA")
    assert public.key_size >= 2048


@pytest.mark.django_db
def test_without_a_key_nothing_is_signed_and_the_private_half_of_a_working_one_is_kept(now: datetime) -> None:
    with pytest.raises(NoSigningKey):
        Keyring(SigningKeysSnapshot(())).signer("ES256", now=now.timestamp())
    assert forget_private_halves(now=now + DAY) == 0
