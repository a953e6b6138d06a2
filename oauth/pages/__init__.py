"""The pages about OAuth clients: what they read, ask and show."""
