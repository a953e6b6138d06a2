"""Django admin for keys, APIs and their secrets. Django imports this package; importing the modules registers them."""

from keys.admin import api_secrets, apis, keys

__all__ = ["api_secrets", "apis", "keys"]
