"""Rate limits and quotas: admit or refuse a call under them."""
