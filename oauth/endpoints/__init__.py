"""The endpoints of OAuth, one module each."""
