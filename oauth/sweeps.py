"""What runs on schedule, in bounded batches. Two at once, or one that comes late, do no harm."""

from datetime import datetime
from functools import partial

from keys.sweeps import in_batches
from oauth.services.endings import record_ended_client_secrets
from oauth.services.signing_keys import forget_private_halves, rotate_signing_keys
from oauth.services.tokens import prune_revoked_tokens, prune_status_blocks
from portal.audit import SYSTEM
from portal.sweep_runs import note_sweep


def rotate_keys(*, now: datetime) -> None:
    """Publish the next signing keys where they are due, and erase what signs no more."""
    rotate_signing_keys(by=SYSTEM, now=now)
    forget_private_halves(now=now)
    note_sweep("rotate_signing_keys", ended_at=now)


def record_endings(*, now: datetime) -> None:
    """Write down clients' ended secrets, each once."""
    in_batches(partial(record_ended_client_secrets, now=now))


def prune_tokens(*, now: datetime) -> None:
    """Drop what is remembered of tokens that have expired."""
    in_batches(partial(prune_revoked_tokens, now=now))
    in_batches(partial(prune_status_blocks, now=now))
