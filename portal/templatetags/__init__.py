"""Template tags: the components of pages."""
