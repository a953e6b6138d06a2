"""SQLite as the suite uses it: the audit triggers stand aside while a test's tables are emptied, and only then."""
