"""App configuration: registers clients and access tokens with the apps below this one."""

from typing import Any

from django.apps import AppConfig
from django.apps.registry import Apps
from django.db.models.signals import post_migrate


class OAuthConfig(AppConfig):
    """OAuth clients and the access tokens that are issued to them."""

    name = "oauth"
    verbose_name = "OAuth"

    def ready(self) -> None:
        """Register OAuth clients as a credential type, the loader of signing keys, and start and stop hooks.

        After each migration the signing keys that are due are made.
        """
        from keys.services import credential_type
        from keys.validation.store import database
        from oauth import loaders, signature_checks, status_leases
        from oauth.endpoints import wiring
        from oauth.services.clients import OAUTH_CLIENTS
        from portal.edge import lifespan

        credential_type.register(OAUTH_CLIENTS)
        database.register_loader("signing-keys", loaders.load_signing_keys)
        lifespan.while_serving(wiring.tend_replays)
        lifespan.at_stop(status_leases.LEASES.stop)
        lifespan.at_stop(wiring.stop)
        lifespan.at_stop(signature_checks.SIGNATURE_CHECKS.stop)
        post_migrate.connect(_have_signing_keys, sender=self)


def _have_signing_keys(*, apps: Apps, **_: Any) -> None:
    try:
        apps.get_model("oauth", "SigningKey")
    except LookupError:
        return  # migrated back to a state without the table
    from django.utils import timezone

    from oauth.services.signing_keys import rotate_signing_keys
    from portal.audit import SYSTEM

    rotate_signing_keys(by=SYSTEM, now=timezone.now())
