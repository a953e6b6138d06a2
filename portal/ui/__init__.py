"""Building blocks of pages: markup, charts, fonts, highlighting, times."""
