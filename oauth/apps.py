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
        """Register the credential type, snapshot loaders, usage tables and start and stop hooks.

        After each migration the signing keys that are due are made.
        """
        from keys.services import redigest
        from keys.team.services import departures
        from keys.validation import credential_types
        from keys.validation.store import database
        from keys.validation.usage import tables
        from oauth import access_tokens, loaders, signature_checks, status_leases
        from oauth.endpoints import wiring
        from oauth.models import Client, ClientSecret
        from oauth.services import common
        from portal import activity
        from portal.audit_actions import AuditAction
        from portal.edge import lifespan

        activity.register_page("client", "clients:detail")
        credential_types.register_credential_type(access_tokens.parse_access_token)
        database.register_loader("client", loaders.load_clients)
        database.register_loader("signing-keys", loaders.load_signing_keys)
        tables.register_tables("client", tables.Tables("oauth_clientsecret", "oauth_client"))
        redigest.register("client", ClientSecret, common.name_of_secret)
        departures.register(
            departures.OwnedCredentialType(
                Client,
                lambda client: [common.name_of(client)],
                AuditAction.CLIENT_REVOKED,
                AuditAction.CLIENT_REASSIGNED,
            )
        )
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
