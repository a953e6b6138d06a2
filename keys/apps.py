"""Django's view of this app."""

from django.apps import AppConfig


class KeysConfig(AppConfig):
    """APIs, API keys, secrets, and the engine that validates them."""

    name = "keys"

    def ready(self) -> None:
        """Make API keys a kind of credential, say how their snapshots are read, and finish what is begun at the end."""
        from keys.services import redigest
        from keys.validation import api_keys, kinds, loaders, peppers, snapshots, usage
        from portal import lifespan

        kinds.register_kind(api_keys.recognise_api_key)
        snapshots.register_loader("secret", loaders.load_keys)
        snapshots.register_loader("apisecret", loaders.load_api_secrets)
        snapshots.register_loader("api", loaders.load_apis)
        snapshots.register_loader("org", loaders.load_organizations)
        peppers.MOVER.register(redigest.redigest)
        lifespan.at_stop(usage.USAGE.stop)
        lifespan.at_stop(peppers.MOVER.stop)
