"""The pages about people and organizations, with what becomes of their credentials."""
