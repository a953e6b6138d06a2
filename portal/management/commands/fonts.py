"""``manage.py fonts``: build the web fonts from the installed font packages."""

from django.conf import settings
from django.core.management.base import BaseCommand

from portal.ui.fonts import build_fonts


class Command(BaseCommand):
    """Build the web fonts that do not exist yet."""

    help = "Makes the web fonts from the installed font packages; quick when they exist."

    def handle(self, *_args: object, **_options: object) -> None:
        names = build_fonts(settings.FONTS_DIR)
        self.stdout.write(f"Fonts: {', '.join(names) or 'those of the system (no font package is installed)'}")
