"""How long a status list of a million tokens takes to build, a tenth of them refused; run alone."""

import os
import secrets
import sys
import time

import django

BLOCK = 1_000
REVOKED = 50_000


def main() -> None:
    """Print the seconds."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()

    from oauth.protocol.status_list import LIST_SIZE, SlotSpan, TokenStatus, new_seed
    from oauth.status_lists import StatusListFacts, build

    spans = tuple(SlotSpan(first, BLOCK, TokenStatus.INVALID) for first in range(0, LIST_SIZE - BLOCK, 20 * BLOCK))
    revoked = {secrets.randbelow(LIST_SIZE) for _ in range(REVOKED)}
    facts = StatusListFacts(new_seed(), spans, tuple(sorted(revoked)))
    before = time.perf_counter()
    build(facts)
    sys.stdout.write(f"{time.perf_counter() - before:.3f}\n")


if __name__ == "__main__":
    main()
