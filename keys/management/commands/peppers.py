"""``manage.py peppers``: count working secrets by pepper, so that an old pepper can be retired."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db.models import Count, Q
from django.utils import timezone

from keys.models import ApiSecret, KeySecret


class Command(BaseCommand):
    """Count working secrets by pepper version."""

    help = "Count the working secrets under each pepper; a pepper without any can be dropped from KEY_PEPPERS."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Print a line for each pepper in the settings, and for any other pepper that working secrets still use."""
        now = timezone.now()
        unended = Q(ends_at=None) | Q(ends_at__gt=now)
        key_open = Q(key__revoked_at=None) & (Q(key__expires_at=None) | Q(key__expires_at__gt=now))
        counted: dict[str, list[int]] = {pepper.version: [0, 0] for pepper in settings.KEY_PEPPERS}
        working = (KeySecret.objects.filter(unended, key_open), ApiSecret.objects.filter(unended, revoked_at=None))
        for column, secrets in enumerate(working):
            for version, count in secrets.order_by().values_list("pepper_version").annotate(Count("pk")):
                counted.setdefault(version, [0, 0])[column] = count
        for version, (keys, apis) in counted.items():
            known = "" if any(version == pepper.version for pepper in settings.KEY_PEPPERS) else "  NOT IN KEY_PEPPERS"
            self.stdout.write(f"{version}: {keys} key secrets, {apis} API secrets{known}")
