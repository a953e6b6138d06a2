"""Choices that people make for themselves: which mails they get, and how pages look."""

from django.db import models

MAX_TIME_ZONE_CHARS = 64


class MailKind(models.TextChoices):
    """The mails that a person may opt out of. Mails about sign-in or membership are always sent."""

    KEYS = "keys", "My keys expire, or an old secret of a key or client ends"
    TEAM = "team", "Somebody accepts my invitation"
    POLICIES = "policies", "The policies of an organization that I administer change"


class Density(models.TextChoices):
    """How close to each other the rows of lists are."""

    COMFORTABLE = "comfortable"
    COMPACT = "compact"
