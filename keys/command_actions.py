"""Actions of operators' scripts on keys, API secrets and organizations: find one, change it, report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from keys.models import ApiKey, ApiSecret, Credential, RevokeReason
from keys.pages.presenters import facts_of_key
from keys.rules.field_rules import RateLimit, parse_quota, parse_rate_limit
from keys.rules.key_fields import KEY_FIELDS
from keys.rules.states import CredentialFacts, state
from keys.services import api_secrets, keys
from keys.services.credentials import disable_credential, enable_credential, note_credential, revoke_credential
from keys.services.keys import KeySettings
from keys.services.secrets import roll_credential
from portal.audit import COMMAND
from portal.metadata import parse_metadata
from portal.models import Organization
from portal.outbox import Propagation, batch_changes
from portal.services.organizations import note_organization, resume_organization, suspend_organization

Report = dict[str, object]
Operation = Callable[[Any, Mapping[str, Any]], Report]


def _find_key(public_id: str) -> ApiKey:
    return ApiKey.objects.select_related("api", "organization").get(public_id=public_id)


def _find_api_secret(public_id: str) -> ApiSecret:
    return ApiSecret.objects.select_related("api").get(public_id=public_id)


def _find_organization(public_id: str) -> Organization:
    return Organization.objects.get(public_id=public_id)


def _report_key(key: ApiKey, spread: Propagation | None = None, **more: object) -> Report:
    key = _find_key(key.public_id)
    return {
        "id": key.public_id,
        "state": state(facts_of_key(key), now=timezone.now()).value,
        **spread_report(spread),
        **more,
    }


def _report_api_secret(found: ApiSecret, spread: Propagation | None = None, **more: object) -> Report:
    secret = _find_api_secret(found.public_id)
    facts = CredentialFacts(
        is_compromised=secret.revoke_reason == RevokeReason.LEAKED,
        is_revoked=secret.revoked_at is not None,
        is_disabled=secret.disabled_at is not None or secret.api.disabled_at is not None,
        is_suspended=False,
        expires_at=secret.ends_at,
    )
    return {"id": secret.public_id, "state": state(facts, now=timezone.now()).value, **spread_report(spread), **more}


def _report_organization(organization: Organization, spread: Propagation | None = None, **more: object) -> Report:
    organization.refresh_from_db()
    return {
        "id": organization.public_id,
        "state": "active" if organization.suspended_at is None else "suspended",
        **spread_report(spread),
        **more,
    }


def spread_report(spread: Propagation | None) -> Report:
    """Report the propagation of a change; empty if nothing changed."""
    if spread is None:
        return {}
    late = {} if spread.effective_by is None else {"effective_by": instant(spread.effective_by)}
    heard = {"ms": spread.took_ms, "processes": spread.processes}
    return {"propagation_ms": spread.took_ms, "propagation": heard, **late}


def instant(at: datetime) -> str:
    """Format as RFC 3339 in UTC, with ``Z``."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _show_key(key: ApiKey, _: Mapping[str, Any]) -> Report:
    return _report_key(
        key,
        name=key.name,
        organization=key.organization.public_id,
        api=key.api.public_id,
        environment=key.environment,
        scopes=key.scopes,
        networks=key.networks,
        rate_limits=key.rate_limits,
        quota=key.quota,
        operator_metadata=key.operator_metadata,
        expires_at=instant(key.expires_at) if key.expires_at else None,
        secrets=[secret.hint for secret in key.secrets.all()],
    )


def shared_actions(report: Callable[..., Report]) -> dict[str, Operation]:
    """Build the actions that all types of credential share; ``report`` tells the state of a credential afterwards."""

    def revoke(credential: Credential, options: Mapping[str, Any]) -> Report:
        done = revoke_credential(credential, reason=RevokeReason(options["reason"]), by=COMMAND)
        return report(credential, done.propagation)

    def roll(credential: Credential, options: Mapping[str, Any]) -> Report:
        rolled = roll_credential(credential, overlap=timedelta(seconds=options["overlap"]), by=COMMAND)
        return report(credential, rolled.propagation, secret_id=rolled.secret.public_id, secret=rolled.secret_text)

    return {
        "revoke": revoke,
        "disable": lambda credential, _: report(credential, disable_credential(credential, by=COMMAND).propagation),
        "enable": lambda credential, _: report(credential, enable_credential(credential, by=COMMAND).propagation),
        "roll": roll,
    }


def _set_key(key: ApiKey, options: Mapping[str, Any]) -> Report:
    """Change the given settings and keep the rest. A concurrent change raises Conflict and is not overwritten."""
    wanted = chosen(options, "scopes", "networks", "rate_limits", "quota", "expires_at", "operator_metadata")
    noted = wanted.pop("operator_metadata", None)
    now_set = {name: getattr(key, name) for name in KEY_FIELDS}
    with batch_changes() as group:
        if wanted:
            keys.edit_key(key, replace(KeySettings(**now_set), **wanted), by=COMMAND, seen_version=key.version)
        if noted is not None:
            note_credential(key, noted, by=COMMAND)
    return _report_key(key, group.spread)


def chosen(options: Mapping[str, Any], *takes: str) -> dict[str, Any]:
    """Parse the given settings.

    Raises ValueError if none is given, if one is given that is not in ``takes``, or if one cannot be parsed.
    """
    given = [name for name in _PARSERS if options[name] is not None]
    if not given:
        raise ValueError(f"Say what to set: {', '.join(map(_flag, takes))}.")
    if others := [name for name in given if name not in takes]:
        raise ValueError(f"This has no {' and no '.join(map(_flag, others))}.")
    return {name: _PARSERS[name](options[name]) for name in given}


def _flag(name: str) -> str:
    return "--rate-limit" if name == "rate_limits" else f"--{name.replace('_', '-')}"


def _items(text: str) -> list[str]:
    return [item for part in text.split(",") if (item := part.strip())]


def _rate_limits(texts: Sequence[str]) -> list[RateLimit]:
    return [parse_rate_limit(text) for text in texts if text]


def _expiry(text: str) -> datetime | None:
    if text == "never":
        return None
    at = parse_datetime(text)
    if at is None or at.tzinfo is None:
        raise ValueError("Write an instant with its offset, such as 2027-01-31T00:00:00Z, or never.")
    return at


# How ``set`` reads each setting.
_PARSERS: Mapping[str, Callable[[Any], object]] = {
    "scopes": _items,
    "networks": _items,
    "rate_limits": _rate_limits,
    "quota": parse_quota,
    "expires_at": _expiry,
    "operator_metadata": parse_metadata,
    "external_id": str,
}


def _roll_api_secret(secret: ApiSecret, options: Mapping[str, Any]) -> Report:
    rolled = api_secrets.roll_api_secret(secret, overlap=timedelta(seconds=options["overlap"]), by=COMMAND)
    return _report_api_secret(rolled.secret, rolled.propagation, secret=rolled.secret_text)


def _revoke_api_secret(secret: ApiSecret, options: Mapping[str, Any]) -> Report:
    done = api_secrets.revoke_api_secret(secret, reason=RevokeReason(options["reason"]), by=COMMAND)
    return _report_api_secret(secret, done.propagation)


def _show_organization(organization: Organization, _: Mapping[str, Any]) -> Report:
    return _report_organization(
        organization,
        name=organization.name,
        external_id=organization.external_id,
        operator_metadata=organization.operator_metadata,
    )


def _set_organization(organization: Organization, options: Mapping[str, Any]) -> Report:
    done = note_organization(organization, **chosen(options, "external_id", "operator_metadata"), by=COMMAND)
    return _report_organization(organization, done.propagation)


FIND: dict[str, Callable[[str], Any]] = {"key": _find_key, "sec": _find_api_secret, "org": _find_organization}
ACTIONS: dict[str, dict[str, Operation]] = {
    "key": {**shared_actions(_report_key), "show": _show_key, "set": _set_key},
    "sec": {
        "show": lambda secret, _: _report_api_secret(secret, name=secret.name, hint=secret.hint),
        "revoke": _revoke_api_secret,
        "disable": lambda secret, _: _report_api_secret(
            secret, api_secrets.disable_api_secret(secret, by=COMMAND).propagation
        ),
        "enable": lambda secret, _: _report_api_secret(
            secret, api_secrets.enable_api_secret(secret, by=COMMAND).propagation
        ),
        "roll": _roll_api_secret,
    },
    "org": {
        "show": _show_organization,
        "set": _set_organization,
        "suspend": lambda organization, _: _report_organization(
            organization, suspend_organization(organization, by=COMMAND).propagation
        ),
        "resume": lambda organization, _: _report_organization(
            organization, resume_organization(organization, by=COMMAND).propagation
        ),
    },
}
