"""The OAuth endpoints, one module each."""
