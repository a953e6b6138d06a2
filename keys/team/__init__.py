"""The pages about people and organizations, and what happens to credentials whose owner leaves."""
