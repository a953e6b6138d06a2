"""``manage.py verify_audit``: verify the audit trail against its seals."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from portal.audit_verification import verify_audit


class Command(BaseCommand):
    """Print the first break and the age of the oldest unsealed event; exit with 1 on a break."""

    help = "Check the audit trail against its hash chains; exit 1 and name the first break where one does not hold."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--heads", type=Path, help="a file with log lines audit.head that were kept elsewhere")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Verify, and print the result."""
        found = verify_audit(heads=_heads(options["heads"]) if options["heads"] else {})
        if found.oldest_unsealed_at is None:
            self.stdout.write("No event waits for its seal.")
        else:
            age_s = (timezone.now() - found.oldest_unsealed_at).total_seconds()
            self.stdout.write(f"{found.unsealed} events wait for their seals, the oldest for {age_s:.1f} s.")
        if found.first_break:
            raise CommandError(f"The audit trail is broken at {found.first_break}.")
        self.stdout.write(f"{found.seals} seals hold.")


def _heads(path: Path) -> dict[tuple[str, int], str]:
    """Return the digests in the ``audit.head`` lines of a log; other lines are ignored."""
    lines = [json.loads(line[line.index("{") :]) for line in path.read_text().splitlines() if '"audit.head"' in line]
    return {(line["organization"], line["seq"]): line["digest"] for line in lines}
