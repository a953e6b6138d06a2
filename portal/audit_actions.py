"""The closed list of what an audit event can tell. Pure."""

from enum import StrEnum


class AuditAction(StrEnum):
    """``<noun>.<past participle>``, one for each thing that can be done."""

    USER_SIGNED_UP = "user.signed_up"
    USER_PASSWORD_CHANGED = "user.password_changed"  # noqa: S105  # a name, not a password
    USER_PASSWORD_RESET = "user.password_reset"  # noqa: S105
    USER_EMAIL_CHANGED = "user.email_changed"
    USER_SECOND_FACTOR_ADDED = "user.second_factor_added"
    USER_SECOND_FACTOR_REMOVED = "user.second_factor_removed"
    USER_DEACTIVATED = "user.deactivated"
    USER_REACTIVATED = "user.reactivated"
    USER_PASSWORD_RESET_SENT = "user.password_reset_sent"  # noqa: S105
    USER_ACCESS_CHANGED = "user.access_changed"
    GROUP_CHANGED = "group.changed"
    ORGANIZATION_CREATED = "organization.created"
    ORGANIZATION_RENAMED = "organization.renamed"
    ORGANIZATION_SUSPENDED = "organization.suspended"
    ORGANIZATION_RESUMED = "organization.resumed"
    API_CREATED = "api.created"
    API_EDITED = "api.edited"
    API_DISABLED = "api.disabled"
    API_ENABLED = "api.enabled"
    API_SECRET_ISSUED = "api_secret.issued"  # noqa: S105
    API_SECRET_ROLLED = "api_secret.rolled"  # noqa: S105
    API_SECRET_OVERLAP_CHANGED = "api_secret.overlap_changed"  # noqa: S105
    API_SECRET_DISABLED = "api_secret.disabled"  # noqa: S105
    API_SECRET_ENABLED = "api_secret.enabled"  # noqa: S105
    API_SECRET_REVOKED = "api_secret.revoked"  # noqa: S105
    API_SECRET_ENDED = "api_secret.ended"  # noqa: S105
    KEY_ISSUED = "key.issued"
    KEY_EDITED = "key.edited"
    KEY_DISABLED = "key.disabled"
    KEY_ENABLED = "key.enabled"
    KEY_ROLLED = "key.rolled"
    KEY_OVERLAP_CHANGED = "key.overlap_changed"
    KEY_REVOKED = "key.revoked"
    KEY_EXPIRED = "key.expired"
    KEY_SECRET_ENDED = "key.secret_ended"  # noqa: S105
    SECRETS_REDIGESTED = "secrets.redigested"
    AUDIT_PRUNED = "audit.pruned"
