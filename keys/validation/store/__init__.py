"""Access to the database and Redis for the hot path."""
