"""What runs on schedule, in bounded batches; each says how much it did. Two at once, or a late one, do no harm."""

from datetime import datetime
from functools import partial

from keys.sweeps import in_batches
from oauth.services.endings import record_ended_client_secrets
from oauth.services.signing_keys import forget_private_halves, rotate_signing_keys
from oauth.services.tokens import prune_revoked_tokens, prune_status_blocks
from portal.audit import SYSTEM
from portal.operations.sweep_runs import note_sweep


def rotate_keys(*, now: datetime) -> int:
    """Publish the next signing keys where they are due, and erase what signs no more."""
    made = rotate_signing_keys(by=SYSTEM, now=now).made
    erased = forget_private_halves(now=now)
    note_sweep("rotate_signing_keys", ended_at=now)
    return len(made) + erased


def record_endings(*, now: datetime) -> int:
    """Write down clients' ended secrets, each once."""
    return in_batches(partial(record_ended_client_secrets, now=now))


def prune_tokens(*, now: datetime) -> int:
    """Drop what is remembered of tokens that have expired."""
    tokens = in_batches(partial(prune_revoked_tokens, now=now))
    return tokens + in_batches(partial(prune_status_blocks, now=now))
