"""The OAuth endpoints: handlers with their bounds, and the work behind each in a module of its own."""
