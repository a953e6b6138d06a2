"""The protocol, pure: it knows no framework and no store."""
