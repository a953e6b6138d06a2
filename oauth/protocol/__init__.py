"""The OAuth protocol as pure code: no Django, no database, no Redis."""
