"""Operations on signing keys: publish the next key, drop keys that are no longer trusted, erase old private halves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from keys.models import SigningAlgorithm
from keys.validation.snapshot_names import SIGNING_KEYS
from oauth.models import SigningKey, StatusBlock
from oauth.private_keys import encrypt_private_key
from oauth.protocol import jwk
from oauth.protocol.key_rotation import SigningPeriod, dropped, ended, successor_signs_from
from portal.audit import Actor, record, require_operator
from portal.audit_actions import AuditAction
from portal.outbox import Propagation, change

ALL = tuple(SigningAlgorithm)


@dataclass(frozen=True)
class ChangedSigningKeys:
    """The keys that were made, and the propagation of the change."""

    made: Sequence[SigningKey]
    propagation: Propagation


def rotate_signing_keys(
    *, by: Actor, now: datetime, algorithms: Sequence[str] = ALL, is_wanted: bool = False
) -> ChangedSigningKeys:
    """Make each algorithm's next key if it is due, or ahead of schedule if ``is_wanted``. The first key signs at once.

    Called on schedule, after each migration and by operators. Two calls at once make one key.
    """
    require_operator(by)
    due = [each for each in algorithms if _next_signs_from(_newest(each), now=now, is_wanted=is_wanted)]
    if not due:
        return ChangedSigningKeys([], Propagation(0))
    with change() as pending:
        made = [key for algorithm in due if (key := _make_next(algorithm, by=by, now=now, is_wanted=is_wanted))]
        pending.invalidates(SIGNING_KEYS)
    return ChangedSigningKeys(made, pending.spread)


def drop_signing_keys(*, by: Actor, algorithms: Sequence[str] = ALL) -> ChangedSigningKeys:
    """Emergency: distrust all keys of the algorithms and sign with new ones at once; all issued tokens are refused."""
    require_operator(by)
    with change() as pending:
        made: list[SigningKey] = []
        for algorithm in algorithms:
            keys = list(SigningKey.objects.select_for_update().filter(algorithm=algorithm).order_by("pk"))
            now = timezone.now()
            for key in keys:
                if key.kept_until is None or now < key.kept_until:
                    _end(key, dropped(_span(key), now=now))
                    _record(AuditAction.SIGNING_KEY_DROPPED, key, by, now)
            _strike_older_blocks(algorithm, keys)
            key = _make(algorithm, signs_from=now, now=now)
            _record(AuditAction.SIGNING_KEY_PUBLISHED, key, by, now)
            made.append(key)
        pending.invalidates(SIGNING_KEYS)
    return ChangedSigningKeys(made, pending.spread)


def forget_private_halves(*, now: datetime) -> int:
    """Erase the private halves of keys that no longer sign; returns the number of keys."""
    signed = SigningKey.objects.filter(signs_until__lt=now - timedelta(hours=1)).exclude(private_key="")
    return signed.update(private_key="")


def _make_next(algorithm: str, *, by: Actor, now: datetime, is_wanted: bool) -> SigningKey | None:
    list(SigningKey.objects.select_for_update().filter(algorithm=algorithm).order_by("pk"))
    newest = _newest(algorithm)  # read again: the process that held the lock may have made the key
    signs_from = _next_signs_from(newest, now=now, is_wanted=is_wanted)
    if signs_from is None:
        return None
    try:
        with transaction.atomic():
            if newest:
                _end(newest, ended(_span(newest), at=signs_from))
            key = _make(algorithm, signs_from=signs_from, now=now)
            if newest:  # the first keys are made by the migration, so there is no action to record
                _record(AuditAction.SIGNING_KEY_PUBLISHED, key, by, now)
            return key
    except IntegrityError:
        return None  # there was no row to lock, so another process made the first key at the same time


def _make(algorithm: str, *, signs_from: datetime, now: datetime) -> SigningKey:
    pair = jwk.generate(algorithm)
    return SigningKey.objects.create(
        kid=pair.kid,
        algorithm=algorithm,
        public_key=pair.public,
        private_key=encrypt_private_key(pair.kid, pair.private),
        created_at=now,
        signs_from=signs_from,
    )


def _newest(algorithm: str) -> SigningKey | None:
    return SigningKey.objects.filter(algorithm=algorithm, signs_until=None).first()


def _strike_older_blocks(algorithm: str, dropped_keys: Sequence[SigningKey]) -> None:
    """Make status lists refuse tokens of the dropped keys also in blocks without a signing key.

    Such blocks get one of the dropped keys. Any of them is right, since all trusted keys of the algorithm are dropped
    together. Blocks with a signing key need no change.
    """
    if dropped_keys:
        older = StatusBlock.objects.filter(signing_key=None, api__signing_algorithm=algorithm)
        older.update(signing_key=dropped_keys[-1])


def _next_signs_from(newest: SigningKey | None, *, now: datetime, is_wanted: bool) -> datetime | None:
    return successor_signs_from(_span(newest) if newest else None, now=now, is_wanted=is_wanted)


def _span(key: SigningKey) -> SigningPeriod:
    return SigningPeriod(key.signs_from, key.signs_until, key.kept_until)


def _end(key: SigningKey, span: SigningPeriod) -> None:
    key.signs_from, key.signs_until, key.kept_until = span.signs_from, span.signs_until, span.kept_until
    if span.kept_until == span.signs_until:
        key.private_key = ""
    key.save(update_fields=["signs_from", "signs_until", "kept_until", "private_key"])


def _record(action: AuditAction, key: SigningKey, by: Actor, now: datetime) -> None:
    after = {"algorithm": key.algorithm, "signs_from": key.signs_from.isoformat()}
    record(action, actor=by, at=now, subject_label=key.kid, after=after)
