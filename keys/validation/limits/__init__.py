"""Rate limits and quotas, and who is admitted under them."""
