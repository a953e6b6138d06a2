"""The database and Redis, as the hot path asks them."""
