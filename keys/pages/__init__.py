"""The pages about keys: what they read, ask and show."""
