"""How fast it is, in ratios measured side by side: ``make bench``."""
