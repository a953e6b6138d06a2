"""Operations on APIs, for the operator: create, edit with scopes, disable, enable."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.utils import timezone

from keys.models import Api, Scope, SigningAlgorithm
from keys.rules import field_rules
from keys.rules.field_rules import RateLimit
from keys.services.common import valid
from keys.services.errors import Conflict, Invalid, Refused
from keys.validation.snapshot_names import api_name
from portal.audit import Actor, record, require_operator
from portal.audit_actions import AuditAction
from portal.names import clean_name
from portal.outbox import Propagation, change

MAX_IDENTIFIER_CHARS = 255
MAX_DESCRIPTION_CHARS = 300


@dataclass(frozen=True)
class ChangedApi:
    """An API after a change, with the propagation of the change."""

    api: Api
    propagation: Propagation


@dataclass(frozen=True)
class ScopeSettings:
    """The description of a scope for people."""

    description: str = ""
    is_sensitive: bool = False


@dataclass(frozen=True)
class ApiSettings:
    """The settings of an API that the operator chooses; ``scopes`` are by name.

    ``default_rate_limits`` apply to credentials without limits of their own, ``max_rate_limits`` to all credentials.
    """

    name: str
    scopes: Mapping[str, ScopeSettings]
    description: str = ""
    default_rate_limits: Sequence[RateLimit] = ()
    max_rate_limits: Sequence[RateLimit] = ()
    signing_algorithm: SigningAlgorithm = SigningAlgorithm.ES256
    token_lifetime_s: int = field_rules.DEFAULT_TOKEN_LIFETIME_S

    def cleaned(self) -> dict[str, object]:
        """Check the settings and return them as columns; raises Invalid naming the first bad field."""
        for scope in self.scopes:
            if not field_rules.is_scope(scope):
                raise Invalid(
                    "scopes", f"{scope[:50]!r} is no scope: use printable ASCII without spaces, quotes and backslashes."
                )
        if len(self.scopes) > field_rules.MAX_SCOPES:
            raise Invalid("scopes", f"At most {field_rules.MAX_SCOPES} scopes.")
        if len(self.description) > MAX_DESCRIPTION_CHARS:
            raise Invalid("description", f"Use at most {MAX_DESCRIPTION_CHARS} characters.")
        return {
            "name": valid("name", lambda: clean_name(self.name)),
            "description": self.description.strip(),
            "default_rate_limits": valid(
                "default_rate_limits", lambda: field_rules.clean_rate_limits(self.default_rate_limits)
            ),
            "max_rate_limits": valid("max_rate_limits", lambda: field_rules.clean_rate_limits(self.max_rate_limits)),
            "signing_algorithm": self.signing_algorithm,
            "token_lifetime_s": valid(
                "token_lifetime_s", lambda: field_rules.clean_token_lifetime(self.token_lifetime_s)
            ),
        }


def create_api(identifier: str, wanted: ApiSettings, *, by: Actor) -> ChangedApi:
    """Create an API with its scopes; ``identifier`` is an absolute URI without fragment and never changes."""
    require_operator(by)
    with change() as pending:
        columns = wanted.cleaned()
        check_identifier(identifier)
        api = Api.objects.create(identifier=identifier, **columns)
        now = timezone.now()
        _set_scopes(api, wanted.scopes)
        _record(AuditAction.API_CREATED, api, by, now, after={"identifier": identifier, **_shown(api)})
        pending.invalidates(api_name(api.public_id))
    return ChangedApi(api, pending.spread)


def edit_api(api: Api, wanted: ApiSettings, *, by: Actor, seen_version: int | None = None) -> ChangedApi:
    """Replace the API's settings. A scope that is left out is gone from every credential at its next call.

    Raises NotAllowed, Invalid, Refused (the built-in API) or Conflict.
    """
    require_operator(by)
    with change() as pending:
        api = Api.objects.select_for_update().get(pk=api.pk)
        now = timezone.now()
        if api.is_builtin:
            raise Refused("The built-in API cannot be changed.")
        if seen_version is not None and seen_version != api.version:
            raise Conflict("Somebody else changed this API in the meantime.")
        columns = wanted.cleaned()
        before = _shown(api)
        for name, value in columns.items():
            setattr(api, name, value)
        _set_scopes(api, wanted.scopes)
        after = _shown(api)
        changed = [name for name in after if before[name] != after[name]]
        if changed:
            api.version += 1
            _record(
                AuditAction.API_EDITED,
                api,
                by,
                now,
                before={name: before[name] for name in changed},
                after={name: after[name] for name in changed},
            )
        api.save(update_fields=[*columns, "version"])
        pending.invalidates(api_name(api.public_id))
    return ChangedApi(api, pending.spread)


def disable_api(api: Api, *, by: Actor) -> ChangedApi:
    """Refuse all credentials and API secrets of this API until it is enabled again."""
    return _set_disabled(api, disabled=True, by=by)


def enable_api(api: Api, *, by: Actor) -> ChangedApi:
    """Enable a disabled API."""
    return _set_disabled(api, disabled=False, by=by)


def _set_disabled(api: Api, *, disabled: bool, by: Actor) -> ChangedApi:
    require_operator(by)
    with change() as pending:
        api = Api.objects.select_for_update().get(pk=api.pk)
        now = timezone.now()
        if (api.disabled_at is not None) != disabled:
            api.disabled_at = now if disabled else None
            api.version += 1
            api.save(update_fields=["disabled_at", "version"])
            _record(AuditAction.API_DISABLED if disabled else AuditAction.API_ENABLED, api, by, now)
        pending.invalidates(api_name(api.public_id))
    return ChangedApi(api, pending.spread)


def check_identifier(identifier: str) -> None:
    """Raise Invalid if no new API can have this identifier."""
    try:
        parts = urlsplit(identifier)
    except ValueError:
        parts = urlsplit("")
    if not parts.scheme or not (parts.netloc or parts.path) or "#" in identifier:
        # RFC 8707 §2: absolute, no fragment.
        raise Invalid("identifier", "Use an absolute URI such as https://api.example.com, without a fragment.")
    if len(identifier) > MAX_IDENTIFIER_CHARS or not re.fullmatch(r"[!-~]+", identifier):
        raise Invalid("identifier", f"Use at most {MAX_IDENTIFIER_CHARS} printable ASCII characters without spaces.")
    if Api.objects.filter(identifier=identifier).exists():
        raise Invalid("identifier", "Another API has this identifier.")


def _set_scopes(api: Api, wanted: Mapping[str, ScopeSettings]) -> None:
    api.scopes.exclude(name__in=wanted).delete()
    rows = [
        Scope(
            api=api,
            name=name,
            description=valid("scopes", lambda: field_rules.clean_note(scope.description)),  # noqa: B023  # called at once
            is_sensitive=scope.is_sensitive,
        )
        for name, scope in wanted.items()
    ]
    Scope.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["api", "name"], update_fields=["description", "is_sensitive"]
    )


def _shown(api: Api) -> dict[str, object]:
    return {
        "name": api.name,
        "description": api.description,
        "default_rate_limits": api.default_rate_limits,
        "max_rate_limits": api.max_rate_limits,
        "signing_algorithm": str(api.signing_algorithm),
        "token_lifetime_s": api.token_lifetime_s,
        "scopes": sorted(api.scopes.values_list("name", flat=True)),
    }


def _record(
    action: AuditAction,
    api: Api,
    by: Actor,
    now: datetime,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    record(action, actor=by, at=now, subject_id=api.public_id, subject_label=api.name, before=before, after=after)
