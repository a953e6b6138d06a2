"""Template tags: the components of our pages."""
