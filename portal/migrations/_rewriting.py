"""Rewrite columns of a table in small batches; each batch is a transaction of its own. Running it twice is harmless."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.migrations.state import StateApps
from django.db.models import Model, Q, QuerySet

from portal.names import normal_name
from portal.edge.proxies import parse_network

BATCH = 100  # a validation that counts a quota waits for the row of its key, for as long as a batch takes
UNNAMED = "Unnamed"  # what had a name of nothing but unseen characters; tables ask for a name


def rewrite(
    rows: QuerySet[Any],
    columns: Sequence[str],
    wanted: Callable[[Any], Mapping[str, Any]],
    *,
    apps: StateApps,
    touched: Callable[[Sequence[int]], Sequence[str]] | None = None,
) -> None:
    """Give each row the columns that are wanted of it, unless somebody has changed the row meanwhile.

    ``touched`` names the snapshots of the rows of these keys, which are told to the caches by the outbox.
    """
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk")[:BATCH]):
        last = batch[-1].pk
        with transaction.atomic():
            changed = [row.pk for row in batch if _rewrite_one(rows, row, columns, wanted(row))]
            names = touched(changed) if changed and touched and settings.REDIS_URL else ()
            if names:
                apps.get_model("portal", "OutboxEntry").objects.create(names=sorted(names))


def in_one_form(row: Model, *columns: str) -> dict[str, str]:
    """The texts as they are stored from now on, as far as the columns hold them."""
    return {column: normal_name(getattr(row, column))[: _size(row, column)] for column in columns}


def networks_in_one_form(row: Any) -> dict[str, list[str]]:
    """The row's networks, each once. Verdicts read them so already: no cache has to hear of it."""
    return {"networks": list(dict.fromkeys(str(parse_network(network)) for network in row.networks))}


def _rewrite_one(rows: QuerySet[Any], row: Any, columns: Sequence[str], wanted: Mapping[str, Any]) -> bool:
    before = {column: getattr(row, column) for column in columns}
    if before == dict(wanted):
        return False
    return bool(rows.filter(Q(pk=row.pk), **before).update(**wanted))


def _size(row: Model, column: str) -> int | None:
    return getattr(row._meta.get_field(column), "max_length", None)  # noqa: SLF001  # Django's public name
