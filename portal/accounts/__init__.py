"""User accounts: sign-up, sign-in, passwords, second factors and sessions, and the limits that protect them."""
