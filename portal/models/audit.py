"""The audit trail and its seals."""

from typing import ClassVar

from django.db import models
from django.utils.text import capfirst

from portal.audit_actions import AuditAction, action_name
from portal.ids import MAX_PUBLIC_ID_CHARS, event_id

INTERNAL_REASON = "internal_reason"  # the name of a value in an audit event that members may not read


def audit_actions() -> list[tuple[str, str]]:
    """Return the actions as choices; a function, so that a new action needs no migration."""
    return [(action.value, capfirst(action_name(action))) for action in AuditAction]


class AuditEvent(models.Model):
    """One audit event. Triggers make the table append-only; ids are text, so that events outlive their subjects."""

    public_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, unique=True, default=event_id, editable=False)
    at = models.DateTimeField(db_index=True)
    action = models.CharField(max_length=64, choices=audit_actions)
    organization_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, blank=True)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, blank=True)
    actor_label = models.CharField(max_length=254, blank=True)
    subject_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, blank=True)
    subject_label = models.CharField(max_length=254, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["organization_id", "-at", "-id"], name="audit_by_organization"),
            models.Index(fields=["subject_id", "-at", "-id"], name="audit_by_subject"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(action__regex=r"^[a-z_]+\.[a-z_]+$"), name="audit_action_grammar"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.subject_label}".strip()

    @property
    def after_for_members(self) -> dict[str, object]:
        """Return the values after the change, without the operator's internal reason."""
        return {name: value for name, value in self.after.items() if name != INTERNAL_REASON}


class UnsealedEvent(models.Model):
    """A committed event without a seal yet. A trigger adds the row with the event; the sealer deletes it."""

    event = models.OneToOneField(AuditEvent, models.DO_NOTHING, primary_key=True, related_name="unsealed")

    def __str__(self) -> str:
        return f"event {self.event_id}"


class AuditSeal(models.Model):
    """A link of an organization's hash chain over its events; append-only.

    A seal without an event is the last one that pruning left: the rest of the chain starts from its digest.
    """

    organization_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, blank=True)
    seq = models.PositiveBigIntegerField()
    event = models.OneToOneField(AuditEvent, models.DO_NOTHING, null=True, blank=True, related_name="seal")
    digest = models.BinaryField(max_length=32, editable=False)
    sealed_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["organization_id", "seq"], name="audit_seal_once")]

    def __str__(self) -> str:
        return f"{self.organization_id} {self.seq}"
