"""Mails: their texts, how they are sent, and how they look."""
