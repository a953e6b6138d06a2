"""The operations on OAuth clients, tokens and signing keys, by the rules of ``keys.services``: its order holds here."""
