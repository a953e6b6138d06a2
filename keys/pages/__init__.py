"""The pages about keys: queries, forms, views, and the values that templates show."""
