"""Mails: their texts, their delivery, and previews of them."""
