"""Work that waits for a process: names for the caches, mails; and when each sweep last ran."""

from django.db import models


class OutboxEntry(models.Model):
    """Snapshot names that a committed change invalidates and that the caches may still hold."""

    names = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{len(self.names)} names since {self.created_at:%Y-%m-%d %H:%M:%S}"


class QueuedMail(models.Model):
    """A mail that waits to be sent. Its content is encrypted: a code or link in it may let a reader sign in."""

    recipient = models.EmailField(max_length=254, db_index=True)
    content = models.TextField(editable=False)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"mail {self.pk}, due at {self.due_at:%Y-%m-%d %H:%M:%S}"


class SweepRun(models.Model):
    """When the sweep of this name last completed; an old time shows that the worker is down."""

    name = models.CharField(max_length=64, primary_key=True)
    ended_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.ended_at:%Y-%m-%d %H:%M:%S}"
