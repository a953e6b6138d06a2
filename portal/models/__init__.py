"""Models for people, organizations, the audit trail, sessions, queued mails and the outbox."""

from portal.models.audit import INTERNAL_REASON, AuditEvent, AuditSeal, UnsealedEvent, audit_actions
from portal.models.background import OutboxEntry, QueuedMail, SweepRun
from portal.models.organizations import Invitation, Membership, Organization, ServiceAccount
from portal.models.people import MAX_USER_AGENT_CHARS, Session, User, UserManager

__all__ = [
    "INTERNAL_REASON",
    "MAX_USER_AGENT_CHARS",
    "AuditEvent",
    "AuditSeal",
    "Invitation",
    "Membership",
    "Organization",
    "OutboxEntry",
    "QueuedMail",
    "ServiceAccount",
    "Session",
    "SweepRun",
    "UnsealedEvent",
    "User",
    "UserManager",
    "audit_actions",
]
