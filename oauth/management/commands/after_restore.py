"""``manage.py after_restore``: make a restored database safe to serve."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from keys.validation.cache.invalidation import CopiesNotReached, forget_all_copies
from oauth.services.restores import settle_restore
from portal.audit import COMMAND
from portal.operations.served import served_at


class Command(BaseCommand):
    """Ends the tokens, sessions and signing keys that a backup would make valid again."""

    help = (
        "After a restore, before anything is served: refuse every access token, end every session, and leave out the "
        "places in status lists that may have been given since the backup."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run the operation, and print the steps that are left to the operator."""
        self._refuse_while_served()
        settled = settle_restore(by=COMMAND, now=timezone.now())
        self.stdout.write(
            f"All tokens of {settled.clients} clients are refused, {settled.sessions} sessions have ended, and new"
            " signing keys sign.\nNot known here: what was revoked, paused or rolled since the backup. Do it again: see"
            ' "Backup, restore" in docs/operations.md.'
        )

    def _refuse_while_served(self) -> None:
        """Drop the cached copies in Redis, and refuse to run while a web process serves.

        Each web process holds copies from before the restore, which only its end drops.
        """
        try:
            serving = forget_all_copies()
        except CopiesNotReached:
            raise CommandError("Redis does not answer. Start it, and run this again.") from None
        if serving or served_at():
            raise CommandError("Web processes are running, with copies from before the restore. Stop them first.")
