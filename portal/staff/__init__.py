"""Building blocks of the admin pages."""
