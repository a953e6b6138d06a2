"""Export events page by page: CSV for spreadsheets, JSON for programs."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence

from portal.models import AuditEvent

FIELDS = (
    "id", "at", "action", "actor_kind", "actor_id", "actor", "subject_id", "subject", "address", "request_id",
    "before", "after",
)  # fmt: skip
# Characters that start a formula in a spreadsheet cell; some programs accept the full-width forms, too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class _Line:
    """A writer for ``csv`` that returns each line instead of storing it."""

    def write(self, text: str) -> str:
        return text


def as_csv(pages: Iterable[Sequence[AuditEvent]]) -> Iterator[str]:
    """Yield a header line, then a line for each event, a page at a time.

    An apostrophe precedes a value that a spreadsheet would take for a formula.
    """
    writer = csv.writer(_Line())
    yield writer.writerow(FIELDS)
    for page in pages:
        yield "".join(writer.writerow([_inert(value) for value in _values(event)]) for event in page)


def as_json(pages: Iterable[Sequence[AuditEvent]]) -> Iterator[str]:
    """Yield one array with an object for each event; ``before`` and ``after`` are objects, not strings."""
    lead = "[\n"
    for page in pages:
        yield lead + ",\n".join(_object(event) for event in page)
        lead = ",\n"
    yield "[]\n" if lead == "[\n" else "\n]\n"


def _object(event: AuditEvent) -> str:
    values = dict(zip(FIELDS, _values(event), strict=True)) | {"before": event.before, "after": event.after_for_members}
    return json.dumps(values, ensure_ascii=False)


def _values(event: AuditEvent) -> list[str]:
    return [
        event.public_id,
        event.at.isoformat().replace("+00:00", "Z"),
        event.action,
        event.actor_kind,
        event.actor_id,
        event.actor_label,
        event.subject_id,
        event.subject_label,
        event.address or "",
        event.request_id,
        json.dumps(event.before, ensure_ascii=False) if event.before else "",
        json.dumps(after, ensure_ascii=False) if (after := event.after_for_members) else "",
    ]


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
