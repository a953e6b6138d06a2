"""Scheduled sweeps, in bounded batches; each returns how much it did. Two at once, or a late one, do no harm."""

from datetime import datetime
from functools import partial

from keys.sweeps import in_batches
from oauth.services.signing_keys import forget_private_halves, rotate_signing_keys
from oauth.services.tokens import prune_revoked_tokens, prune_status_blocks
from portal.audit import SYSTEM
from portal.operations.sweep_runs import note_sweep


def rotate_keys(*, now: datetime) -> int:
    """Publish the signing keys that are due, and erase the private halves of keys that no longer sign."""
    made = rotate_signing_keys(by=SYSTEM, now=now).made
    erased = forget_private_halves(now=now)
    note_sweep("rotate_signing_keys", ended_at=now)
    return len(made) + erased


def prune_tokens(*, now: datetime) -> int:
    """Delete revocations and status blocks whose tokens have expired."""
    tokens = in_batches(partial(prune_revoked_tokens, now=now))
    return tokens + in_batches(partial(prune_status_blocks, now=now))
