"""Keys, APIs and their secrets, for staff. Django looks for this package; to import its modules registers them."""

from keys.admin import api_secrets, apis, keys

__all__ = ["api_secrets", "apis", "keys"]
