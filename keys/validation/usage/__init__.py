"""Count uses in memory, and write them to the tables."""
