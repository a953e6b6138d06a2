"""Add usage batches to the tables, each batch once: its id is written in the same transaction."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone

from keys.models import ApiKey, Caller
from keys.validation import metrics
from keys.validation.usage.batches import Batch, Use

WRITTEN_WITHIN = timedelta(hours=3)
# Longer than a batch is accepted, so that a batch cannot come again after its id was deleted.
IDS_KEPT = 2 * WRITTEN_WITHIN
LOCK_WITHIN = "2s"
MAX_CALLERS_A_KEY = 1_000

log = logging.getLogger(__name__)


class Tables(NamedTuple):
    """The tables that hold the last uses of a credential type, and of its secrets."""

    secrets: str
    credentials: str | None


# By the prefix of the credential's id. An API secret has no credential.
_tables: dict[str, Tables] = {}


def register_tables(prefix: str, tables: Tables) -> None:
    """Register the tables of a credential type whose last uses are written."""
    _tables[prefix] = tables


def write_batches(batches: Sequence[Batch]) -> None:
    """Add the batches that were not added before, all or none, in one short transaction; raises django.db.Error.

    After an error that leaves the commit unknown, it is safe to call again with the same batches.
    """
    now = timezone.now()
    wanted = [batch for batch in batches if not _drop_if_late(batch, now)]
    if not wanted:
        return
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WITHIN}'")
        news = _register({batch.id for batch in wanted}, cursor, now)
        fresh = {batch.id: batch for batch in wanted if batch.id in news}.values()
        if fresh:
            _add_counts(fresh, cursor)
            _note_uses(sorted((use for batch in fresh for use in batch.uses), key=lambda use: use.at), cursor)


def _drop_if_late(batch: Batch, now: datetime) -> bool:
    if batch.closed_at >= (now - WRITTEN_WITHIN).timestamp():
        return False
    metrics.USAGE_LOST.inc(batch.answers)
    log.warning("usage.batch_too_late", extra={"batch": batch.id})
    return True


def _register(ids: Iterable[str], cursor: Any, now: datetime) -> set[str]:
    """Insert the ids; returns the new ones. Another process with the same batch waits here for our commit."""
    rows = [(each, _instant(now.timestamp())) for each in sorted(ids)]
    cursor.execute(
        f"INSERT INTO keys_usagebatch (id, folded_at) VALUES {', '.join(['(%s, %s)'] * len(rows))}"  # noqa: S608  # placeholders only
        " ON CONFLICT DO NOTHING RETURNING id",
        [value for row in rows for value in row],
    )
    return {each for (each,) in cursor.fetchall()}


# Rows are locked in one order, so that two writers cannot deadlock.


def _add_counts(batches: Iterable[Batch], cursor: Any) -> None:
    counts: dict[tuple[str, int, str], int] = {}
    credentials: dict[str, str] = {}
    for counted in (counted for batch in batches for counted in batch.counts):
        row = counted.secret_id, counted.hour, counted.code
        counts[row] = counts.get(row, 0) + counted.count
        credentials[counted.secret_id] = counted.credential_id
    keys = _keys(credentials.values())
    cursor.executemany(
        "INSERT INTO keys_usage AS usage (secret_id, key_id, hour, code, count)"
        " VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (secret_id, hour, code) DO UPDATE SET count = usage.count + excluded.count",
        [
            (secret_id, keys.get(credentials[secret_id]), _instant(hour), code, count)
            for (secret_id, hour, code), count in sorted(counts.items())
        ],
    )


def _note_uses(uses: Sequence[Use], cursor: Any) -> None:
    """Write last uses. ``uses`` must be sorted by time: the last one per key, secret and address wins."""
    keys = _keys(use.credential_id for use in uses)
    of_keys = [(keys[use.credential_id], use) for use in uses if use.credential_id in keys]
    _note_callers({(key, use.address): use.at for key, use in of_keys if use.address is not None}, cursor)
    for prefix, tables in _tables.items():
        mine = [use for use in uses if use.credential_id.partition("_")[0] == prefix]
        if tables.credentials is not None:
            _lock(tables.credentials, {use.credential_id for use in mine}, cursor)
            last_at = {use.credential_id: _instant(use.at) for use in mine}
            cursor.executemany(
                f"UPDATE {tables.credentials} SET last_used_at = %s"  # noqa: S608  # a table name of ours
                " WHERE public_id = %s AND (last_used_at IS NULL OR last_used_at < %s)",
                [(at, credential_id, at) for credential_id, at in sorted(last_at.items())],
            )
        last = {use.secret_id: use for use in mine}
        cursor.executemany(
            f"UPDATE {tables.secrets} SET last_used_at = %s, last_used_from = %s, last_used_agent = %s"  # noqa: S608  # a table name of ours
            " WHERE public_id = %s AND (last_used_at IS NULL OR last_used_at < %s)",
            [
                (_instant(use.at), use.address, use.agent, secret_id, _instant(use.at))
                for secret_id, use in sorted(last.items())
            ],
        )


def _lock(table: str, credential_ids: Iterable[str], cursor: Any) -> None:
    """Lock a credential's row before its secrets' rows, as services do: otherwise a roll could deadlock with this."""
    if connection.features.has_select_for_update:
        cursor.execute(
            f"SELECT FROM {table} WHERE public_id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",  # a table name of ours
            [sorted(credential_ids)],
        )


def _note_callers(callers: Mapping[tuple[int, str], float], cursor: Any) -> None:
    """Write the caller addresses of each key, up to a maximum: one IPv6 network could otherwise add endless rows."""
    known = Caller.objects.filter(key__in={key for key, _ in callers}).values_list("key").annotate(Count("pk"))
    full = {key for key, addresses in known.order_by() if addresses >= MAX_CALLERS_A_KEY}
    rows = [(_instant(at), key, address) for (key, address), at in sorted(callers.items())]
    cursor.executemany(
        "INSERT INTO keys_caller AS caller (last_seen_at, key_id, address) VALUES (%s, %s, %s)"
        " ON CONFLICT (key_id, address) DO UPDATE SET last_seen_at = excluded.last_seen_at"
        " WHERE caller.last_seen_at < excluded.last_seen_at",
        [row for row in rows if row[1] not in full],
    )
    cursor.executemany(
        "UPDATE keys_caller SET last_seen_at = %s WHERE key_id = %s AND address = %s AND last_seen_at < %s",
        [(*row, row[0]) for row in rows if row[1] in full],
    )


def _keys(credential_ids: Iterable[str]) -> dict[str, int]:
    """Map public ids to the keys' primary keys."""
    return dict(ApiKey.objects.filter(public_id__in=set(credential_ids)).values_list("public_id", "pk"))


def _instant(epoch: float) -> Any:
    """Convert to the type that the database driver takes."""
    return connection.ops.adapt_datetimefield_value(datetime.fromtimestamp(epoch, UTC))
