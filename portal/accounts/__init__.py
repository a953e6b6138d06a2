"""Accounts: signing up and in, passwords, second factors, sessions, and what guards them."""
