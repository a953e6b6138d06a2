"""APIs, API keys, their secrets and their usage: stored facts, changed only by ``keys.services``."""

from keys.models.apis import Api, ApiSecret, Scope, SigningAlgorithm
from keys.models.credentials import REVOKED_WITH_A_REASON, Credential, Environment, RevokeReason, Secret, Submission
from keys.models.keys import ApiKey, KeySecret, Notice
from keys.models.usage import Caller, QuotaUse, Usage, UsageBatch

__all__ = [
    "REVOKED_WITH_A_REASON",
    "Api",
    "ApiKey",
    "ApiSecret",
    "Caller",
    "Credential",
    "Environment",
    "KeySecret",
    "Notice",
    "QuotaUse",
    "RevokeReason",
    "Scope",
    "Secret",
    "SigningAlgorithm",
    "Submission",
    "Usage",
    "UsageBatch",
]
