"""How uses are counted and come to be in tables."""
