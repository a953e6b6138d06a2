#!/usr/bin/env python
"""Latchkey's command line."""

import os
import sys

from portal.env import is_embedded
from portal.operations.embedded import MAKES_SECRETS, WRITES_FILES, ensure_secrets, keep_private


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    if is_embedded(os.environ) and WRITES_FILES.intersection(sys.argv[1:2]):
        keep_private()
    if is_embedded(os.environ) and MAKES_SECRETS.intersection(sys.argv[1:2]):
        ensure_secrets()
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line  # after the secrets exist

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as exc:
        sys.exit(str(exc))  # a setting is missing or malformed: its name is what helps, not where we noticed


if __name__ == "__main__":
    main()
