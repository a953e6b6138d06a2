"""The pages about who belongs to an organization, and about the organization itself."""
