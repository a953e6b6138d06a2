"""HTTP for machine clients: the shared base of all machine endpoints, and the guard in front of the pages."""
