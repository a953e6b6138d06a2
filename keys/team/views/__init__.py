"""The views about an organization and its members."""
