"""``manage.py credential ID ACTION``: what operators script against keys, API secrets and organizations."""

import json
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from keys.limits import parse_quota, parse_rate_limit
from keys.models import ApiKey, ApiSecret, RevokeReason
from keys.presenters import facts_of
from keys.services import api_secrets, keys
from keys.services.errors import Refused
from keys.services.keys import KeySettings
from keys.services.secrets import roll_key
from keys.states import Facts, state
from portal.audit import COMMAND
from portal.models import Organization
from portal.outbox import Propagation
from portal.services.organizations import resume_organization, suspend_organization

Report = dict[str, object]
Action = Callable[[Any, Mapping[str, Any]], Report]


class Command(BaseCommand):
    """Shows or changes one credential or organization."""

    help = "Show or change an API key, an API secret or an organization."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What can be asked for."""
        parser.add_argument("id", help="key_…, sec_… (an API secret) or org_…")
        parser.add_argument("action", choices=sorted({action for actions in ACTIONS.values() for action in actions}))
        parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
        parser.add_argument(
            "--reason", choices=RevokeReason.values, default=RevokeReason.OTHER.value, help="of a revoke"
        )
        parser.add_argument("--overlap", type=int, default=3600, metavar="SECONDS", help="of a roll; 3600 if not given")
        parser.add_argument("--scopes", metavar="a,b", help="the scopes; '' for none")
        parser.add_argument("--networks", metavar="10.0.0.0/8,…", help="the networks; '' for any")
        parser.add_argument(
            "--rate-limit", action="append", metavar="[NAME=]100/60", help="requests/seconds; repeat it, or '' for none"
        )
        parser.add_argument("--quota", metavar="10[/day|/month]", help="uses in all, a day or a month; '' for any")
        parser.add_argument("--expires-at", metavar="2027-01-31T00:00:00Z", help="an instant, or 'never'")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do it and print what came of it."""
        prefix = options["id"].partition("_")[0]
        action = ACTIONS.get(prefix, {}).get(options["action"])
        if action is None:
            raise CommandError(f"{options['id'][:40]!r} has no action {options['action']}.")
        try:
            report = action(FIND[prefix](options["id"]), options)
        except ObjectDoesNotExist:
            raise CommandError(f"There is no {options['id'][:40]!r}.") from None
        except (Refused, ValueError) as exc:
            raise CommandError(str(exc)) from None
        lines = [f"{name}: {value}" for name, value in report.items()]
        self.stdout.write(json.dumps(report) if options["json"] else "\n".join(lines))


def _find_key(public_id: str) -> ApiKey:
    return ApiKey.objects.select_related("api", "organization").get(public_id=public_id)


def _find_api_secret(public_id: str) -> ApiSecret:
    return ApiSecret.objects.select_related("api").get(public_id=public_id)


def _find_organization(public_id: str) -> Organization:
    return Organization.objects.get(public_id=public_id)


def _report_key(key: ApiKey, spread: Propagation | None = None, **more: object) -> Report:
    key = _find_key(key.public_id)
    return {"id": key.public_id, "state": state(facts_of(key), now=timezone.now()).value, **_spread(spread), **more}


def _report_api_secret(found: ApiSecret, spread: Propagation | None = None, **more: object) -> Report:
    secret = _find_api_secret(found.public_id)
    facts = Facts(
        is_compromised=secret.revoke_reason == RevokeReason.LEAKED,
        is_revoked=secret.revoked_at is not None,
        is_disabled=secret.disabled_at is not None or secret.api.disabled_at is not None,
        is_suspended=False,
        not_before=None,
        expires_at=secret.ends_at,
    )
    return {"id": secret.public_id, "state": state(facts, now=timezone.now()).value, **_spread(spread), **more}


def _report_organization(organization: Organization, spread: Propagation | None = None) -> Report:
    organization.refresh_from_db()
    return {
        "id": organization.public_id,
        "state": "active" if organization.suspended_at is None else "suspended",
        **_spread(spread),
    }


def _spread(spread: Propagation | None) -> Report:
    if spread is None:
        return {}
    late = {} if spread.effective_by is None else {"effective_by": _instant(spread.effective_by)}
    return {"propagation_ms": spread.took_ms, **late}


def _instant(at: datetime) -> str:
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
        expires_at=_instant(key.expires_at) if key.expires_at else None,
        secrets=[secret.hint for secret in key.secrets.all()],
    )


def _revoke_key(key: ApiKey, options: Mapping[str, Any]) -> Report:
    return _report_key(key, keys.revoke_key(key, reason=RevokeReason(options["reason"]), by=COMMAND).propagation)


def _roll_key(key: ApiKey, options: Mapping[str, Any]) -> Report:
    rolled = roll_key(key, overlap=timedelta(seconds=options["overlap"]), by=COMMAND)
    return _report_key(key, rolled.propagation, secret_id=rolled.secret.public_id, secret=rolled.secret_text)


def _set_key(key: ApiKey, options: Mapping[str, Any]) -> Report:
    """Change what is given, keep the rest; a change in between is a conflict, not a loss."""
    now_set = KeySettings(**{name: getattr(key, name) for name in keys.EDITABLE})
    changed = keys.edit_key(key, replace(now_set, **_chosen(options)), by=COMMAND, seen_version=key.version)
    return _report_key(key, changed.propagation)


def _chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    if options["scopes"] is not None:
        chosen["scopes"] = _items(options["scopes"])
    if options["networks"] is not None:
        chosen["networks"] = _items(options["networks"])
    if options["rate_limit"] is not None:
        chosen["rate_limits"] = [parse_rate_limit(text) for text in options["rate_limit"] if text]
    if options["quota"] is not None:
        chosen["quota"] = parse_quota(options["quota"])
    if options["expires_at"] is not None:
        chosen["expires_at"] = _expiry(options["expires_at"])
    if not chosen:
        raise ValueError("Say what to set: --scopes, --networks, --rate-limit, --quota or --expires-at.")
    return chosen


def _items(text: str) -> list[str]:
    return [item for part in text.split(",") if (item := part.strip())]


def _expiry(text: str) -> datetime | None:
    if text == "never":
        return None
    at = parse_datetime(text)
    if at is None or at.tzinfo is None:
        raise ValueError("Write an instant with its offset, such as 2027-01-31T00:00:00Z, or never.")
    return at


def _roll_api_secret(secret: ApiSecret, options: Mapping[str, Any]) -> Report:
    rolled = api_secrets.roll_api_secret(secret, overlap=timedelta(seconds=options["overlap"]), by=COMMAND)
    return _report_api_secret(rolled.secret, rolled.propagation, secret=rolled.secret_text)


def _revoke_api_secret(secret: ApiSecret, options: Mapping[str, Any]) -> Report:
    done = api_secrets.revoke_api_secret(secret, reason=RevokeReason(options["reason"]), by=COMMAND)
    return _report_api_secret(secret, done.propagation)


FIND: dict[str, Callable[[str], Any]] = {"key": _find_key, "sec": _find_api_secret, "org": _find_organization}
ACTIONS: dict[str, dict[str, Action]] = {
    "key": {
        "show": _show_key,
        "revoke": _revoke_key,
        "disable": lambda key, _: _report_key(key, keys.disable_key(key, by=COMMAND).propagation),
        "enable": lambda key, _: _report_key(key, keys.enable_key(key, by=COMMAND).propagation),
        "roll": _roll_key,
        "set": _set_key,
    },
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
        "show": lambda organization, _: _report_organization(organization),
        "suspend": lambda organization, _: _report_organization(
            organization, suspend_organization(organization, by=COMMAND).propagation
        ),
        "resume": lambda organization, _: _report_organization(
            organization, resume_organization(organization, by=COMMAND).propagation
        ),
    },
}
