"""``manage.py fonts``: make the web fonts from the installed font packages."""

from django.conf import settings
from django.core.management.base import BaseCommand

from portal.ui.fonts import build_fonts


class Command(BaseCommand):
    """Make the web fonts, unless they exist."""

    help = "Makes the web fonts from the installed font packages; quick when they exist."

    def handle(self, *_args: object, **_options: object) -> None:
        """Build and say what there is."""
        names = build_fonts(settings.FONTS_DIR)
        self.stdout.write(f"Fonts: {', '.join(names) or 'those of the system (no font package is installed)'}")
