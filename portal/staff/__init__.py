"""The parts that admin pages are made of."""
