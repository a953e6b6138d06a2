"""Pure rules about keys and secrets: no framework, no store."""
