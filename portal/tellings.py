"""Tell an audit action in words, with its icon and colour. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter

from portal.audit_actions import AuditAction, action_name


@dataclass(frozen=True)
class Telling:
    """The phrase, icon and colour that pages use for an action."""

    words: str
    icon: str
    tone: str = "mute"


TELLINGS: Mapping[str, Telling] = {
    AuditAction.USER_SIGNED_UP: Telling("signed up as", "user-plus", "ok"),
    AuditAction.USER_CREATED: Telling("created the account", "user-plus", "warn"),
    AuditAction.USER_PASSWORD_CHANGED: Telling("changed the password of", "lock-closed"),
    AuditAction.USER_PASSWORD_RESET: Telling("reset the password of", "lock-closed", "warn"),
    AuditAction.USER_EMAIL_CHANGED: Telling("changed the address of", "envelope", "warn"),
    AuditAction.USER_SECOND_FACTOR_ADDED: Telling("added a second factor to", "shield-check", "ok"),
    AuditAction.USER_SECOND_FACTOR_REMOVED: Telling("removed a second factor from", "shield-exclamation", "bad"),
    AuditAction.USER_RECOVERY_CODE_USED: Telling("used a recovery code of", "shield-exclamation", "warn"),
    AuditAction.USER_SIGNED_IN: Telling("signed in as", "arrow-right"),
    AuditAction.USER_MAILS_CHOSEN: Telling("chose the mails of", "envelope"),
    AuditAction.USER_RENAMED: Telling("changed the name of", "pencil-square"),
    AuditAction.USER_PREFERENCES_CHOSEN: Telling("changed the preferences of", "adjustments-horizontal"),
    AuditAction.USER_SESSIONS_ENDED: Telling("signed out all other browsers of", "no-symbol"),
    AuditAction.USER_ACCOUNT_CLOSED: Telling("closed the account", "user-minus", "bad"),
    AuditAction.USER_DEACTIVATED: Telling("shut out", "no-symbol", "bad"),
    AuditAction.USER_REACTIVATED: Telling("let in again", "play", "ok"),
    AuditAction.USER_PASSWORD_RESET_SENT: Telling("had a password reset mailed to", "envelope"),
    AuditAction.USER_ACCESS_CHANGED: Telling("changed the access to admin of", "shield-check", "warn"),
    AuditAction.KEY_ISSUED: Telling("created the key", "key", "ok"),
    AuditAction.KEY_EDITED: Telling("edited the key", "pencil-square"),
    AuditAction.KEY_DISABLED: Telling("paused the key", "pause", "warn"),
    AuditAction.KEY_ENABLED: Telling("resumed the key", "play", "ok"),
    AuditAction.KEY_ROLLED: Telling("rolled the key", "arrow-path", "info"),
    AuditAction.KEY_OVERLAP_CHANGED: Telling("moved the end of the old secret of", "clock"),
    AuditAction.KEY_SECRET_ENDED: Telling("ended the old secret of", "stop", "warn"),
    AuditAction.KEY_REVOKED: Telling("revoked the key", "no-symbol", "bad"),
    AuditAction.KEY_EXPIRED: Telling("expired", "clock"),
    AuditAction.KEY_REASSIGNED: Telling("handed over the key", "arrow-right"),
    AuditAction.CLIENT_CREATED: Telling("created the OAuth client", "cube", "ok"),
    AuditAction.CLIENT_EDITED: Telling("edited the OAuth client", "pencil-square"),
    AuditAction.CLIENT_GRANTS_CHANGED: Telling("changed the scopes of the OAuth client", "adjustments-horizontal"),
    AuditAction.CLIENT_DISABLED: Telling("paused the OAuth client", "pause", "warn"),
    AuditAction.CLIENT_ENABLED: Telling("resumed the OAuth client", "play", "ok"),
    AuditAction.CLIENT_ROLLED: Telling("rolled the OAuth client", "arrow-path", "info"),
    AuditAction.CLIENT_OVERLAP_CHANGED: Telling("moved the end of the old secret of", "clock"),
    AuditAction.CLIENT_SECRET_ENDED: Telling("ended the old secret of", "stop", "warn"),
    AuditAction.CLIENT_REASSIGNED: Telling("handed over the OAuth client", "arrow-right"),
    AuditAction.CLIENT_REVOKED: Telling("revoked the OAuth client", "no-symbol", "bad"),
    AuditAction.CLIENT_TOKEN_REVOKED: Telling("revoked a token of", "no-symbol", "warn"),
    AuditAction.CLIENT_TOKENS_REVOKED: Telling("revoked all tokens of", "no-symbol", "bad"),
    AuditAction.MEMBER_JOINED: Telling("joined as", "user-plus", "ok"),
    AuditAction.MEMBER_ROLE_CHANGED: Telling("changed the role of", "user"),
    AuditAction.MEMBER_REMOVED: Telling("removed the member", "user-minus", "bad"),
    AuditAction.MEMBER_LEFT: Telling("left the organization:", "user-minus", "warn"),
    AuditAction.INVITATION_SENT: Telling("invited", "envelope", "info"),
    AuditAction.INVITATION_RESENT: Telling("invited again", "envelope"),
    AuditAction.INVITATION_REMINDED: Telling("reminded of the invitation", "envelope"),
    AuditAction.INVITATION_REVOKED: Telling("took back the invitation of", "no-symbol", "warn"),
    AuditAction.INVITATION_DECLINED: Telling("declined the invitation of", "x-mark"),
    AuditAction.SERVICE_ACCOUNT_CREATED: Telling("created the service account", "cpu-chip", "ok"),
    AuditAction.SERVICE_ACCOUNT_REMOVED: Telling("removed the service account", "cpu-chip", "bad"),
    AuditAction.ORGANIZATION_POLICIES_CHANGED: Telling("changed the policies of", "scale", "info"),
    AuditAction.ORGANIZATION_CLOSED: Telling("closed the organization", "no-symbol", "bad"),
    AuditAction.ORGANIZATION_CREATED: Telling("created the organization", "building-office"),
    AuditAction.ORGANIZATION_RENAMED: Telling("renamed the organization", "pencil-square"),
    AuditAction.ORGANIZATION_NOTED: Telling("changed what the operator notes of", "pencil-square"),
    AuditAction.ORGANIZATION_SUSPENDED: Telling("suspended the organization", "no-symbol", "bad"),
    AuditAction.ORGANIZATION_RESUMED: Telling("resumed the organization", "play", "ok"),
    AuditAction.GROUP_CHANGED: Telling("changed the staff group", "shield-check", "warn"),
    AuditAction.API_CREATED: Telling("created the API", "cube", "ok"),
    AuditAction.API_EDITED: Telling("edited the API", "pencil-square"),
    AuditAction.API_DISABLED: Telling("disabled the API", "no-symbol", "bad"),
    AuditAction.API_ENABLED: Telling("enabled the API", "play", "ok"),
    AuditAction.API_SECRET_ISSUED: Telling("issued the API secret", "key", "ok"),
    AuditAction.API_SECRET_ROLLED: Telling("rolled the API secret", "arrow-path", "info"),
    AuditAction.API_SECRET_OVERLAP_CHANGED: Telling("moved the end of the API secret", "clock"),
    AuditAction.API_SECRET_DISABLED: Telling("disabled the API secret", "pause", "warn"),
    AuditAction.API_SECRET_ENABLED: Telling("enabled the API secret", "play", "ok"),
    AuditAction.API_SECRET_REVOKED: Telling("revoked the API secret", "no-symbol", "bad"),
    AuditAction.API_SECRET_ENDED: Telling("ended the API secret", "stop", "warn"),
    AuditAction.SIGNING_KEY_PUBLISHED: Telling("published the signing key", "key", "info"),
    AuditAction.SIGNING_KEY_DROPPED: Telling("dropped the signing key", "no-symbol", "bad"),
    AuditAction.SECRETS_REDIGESTED: Telling("moved digests to the newest pepper:", "arrow-path"),
    AuditAction.AUDIT_PRUNED: Telling("deleted old audit events:", "clock"),
    AuditAction.DATABASE_RESTORED: Telling("noted that the database was restored", "arrow-path", "warn"),
}
_OTHERS = "Other"
_GROUPS = {
    "key": "API keys",
    "client": "OAuth clients",
    "member": "Team",
    "invitation": "Team",
    "service_account": "Team",
    "organization": "Organization",
    "user": "Accounts",
    "": _OTHERS,
}
_LEADS_ON = re.compile(r" (as|of|from|to)$|:$")


def action_words(action: str) -> str:
    """Return the action as events tell it, without the word that leads to its subject: ``paused the key``."""
    telling = TELLINGS.get(action)
    return _LEADS_ON.sub("", telling.words) if telling else action_name(action)


def grouped_actions(actions: Iterable[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Group the actions by what they concern, for a choice: ``("API keys", [("key.disabled", "Paused the key")])``."""
    groups: dict[str, list[tuple[str, str]]] = {label: [] for label in _GROUPS.values()}
    for action in actions:
        words = action_words(action)
        groups[_GROUPS.get(action.partition(".")[0], _OTHERS)].append((action, words[:1].upper() + words[1:]))
    return [(label, sorted(found, key=itemgetter(1))) for label, found in groups.items() if found]
