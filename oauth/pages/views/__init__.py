"""The pages about OAuth clients, one module a noun; what they have in common with those about keys, those lend."""
