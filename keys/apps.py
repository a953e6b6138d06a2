"""Django configuration of the ``keys`` app."""

from django.apps import AppConfig


class KeysConfig(AppConfig):
    """APIs, API keys, secrets, and the engine that validates them."""

    name = "keys"

    def ready(self) -> None:
        """Register API keys as a credential type, the snapshot loaders, and the tasks of a serving process."""
        from django.conf import settings

        from keys.services import credential_type, redigest
        from keys.services.keys import API_KEYS
        from keys.validation import metrics, peppers, wiring
        from keys.validation.cache import invalidation
        from keys.validation.store import database, loaders
        from keys.validation.usage import queue, recorder, tables
        from portal import outbox
        from portal.edge import lifespan

        credential_type.register(API_KEYS)
        database.register_loader("apisecret", loaders.load_api_secrets)
        tables.register_tables("", tables.Tables("keys_apisecret", None))
        database.register_loader("api", loaders.load_apis)
        database.register_loader("org", loaders.load_organizations)
        if settings.REDIS_URL:
            outbox.register_flush(invalidation.flush, announce=invalidation.announce)
            lifespan.while_serving(wiring.hold_lease)
            lifespan.while_serving(wiring.tend_limits)
            lifespan.while_serving(wiring.drain_outbox)
            lifespan.while_serving(queue.keep_writing_late)
        lifespan.while_serving(recorder.USAGE.flush_each_second)
        lifespan.while_serving(metrics.keep_publishing)
        peppers.PEPPER_ROTATOR.register(redigest.redigest)
        lifespan.at_stop(lambda: wiring.database().close())
        lifespan.at_stop(recorder.USAGE.finish)
        lifespan.at_stop(peppers.PEPPER_ROTATOR.stop)
