"""``manage.py rotate_signing_key``: publish the next signing keys, or drop keys that may have leaked."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from keys.models import SigningAlgorithm
from oauth.services.signing_keys import ALL, ChangedSigningKeys, drop_signing_keys, rotate_signing_keys
from portal.audit import COMMAND


class Command(BaseCommand):
    """Rotates signing keys ahead of schedule."""

    help = (
        "Publish the next signing key of each algorithm; it signs a day later, once every verifier has it. "
        "--emergency drops the present keys instead: every access token that is out is refused at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--algorithm", choices=SigningAlgorithm.values, help="only this one")
        parser.add_argument("--emergency", action="store_true", help="trust none of the present keys any more")

    def handle(self, *_args: Any, algorithm: str | None, emergency: bool, **_options: Any) -> None:
        """Rotate or drop, and print the new keys."""
        algorithms = (algorithm,) if algorithm else ALL
        if emergency:
            changed = drop_signing_keys(by=COMMAND, algorithms=algorithms)
        else:
            changed = rotate_signing_keys(by=COMMAND, now=timezone.now(), algorithms=algorithms, is_wanted=True)
        self._tell(changed)

    def _tell(self, changed: ChangedSigningKeys) -> None:
        for key in changed.made:
            self.stdout.write(f"{key.algorithm} {key.kid} signs from {key.signs_from:%Y-%m-%d %H:%M:%S} UTC")
        if not changed.made:
            self.stdout.write("The next keys are published already, and wait for their turn.")
        if changed.propagation.effective_by:
            self.stdout.write(f"In effect everywhere by {changed.propagation.effective_by:%Y-%m-%d %H:%M:%S} UTC")
