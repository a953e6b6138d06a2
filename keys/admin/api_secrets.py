"""API secrets in the admin. Stored digests are never shown; a new secret is shown once."""

from datetime import timedelta
from uuid import UUID

from django.contrib import admin
from django.utils import timezone
from django.utils.safestring import SafeString

from keys.admin.forms import ReasonForm, StaffRollForm
from keys.models import ApiSecret, RevokeReason
from keys.pages.forms.actions import ExtensionForm
from keys.rules.secret import SecretKind, kind_of
from keys.rules.states import CredentialStatus
from keys.services.api_secrets import (
    ChangedApiSecret,
    IssuedApiSecret,
    disable_api_secret,
    enable_api_secret,
    end_api_secret,
    extend_api_secret,
    revoke_api_secret,
    roll_api_secret,
)
from keys.services.errors import Refused
from keys.validation.peppers import candidate_digests
from portal.audit import Actor
from portal.staff.actions import Reveal, StaffAction
from portal.staff.operated import OperatedAdmin
from portal.staff.shown import NO_VALUE, short
from portal.templatetags import ui


def _roll(secret: ApiSecret, *, by: Actor, overlap: timedelta, submission: UUID) -> Reveal:
    rolled = roll_api_secret(secret, overlap=overlap, by=by, submission=submission, seen_secret_id=secret.public_id)
    return shown_once(rolled)


def _extend(secret: ApiSecret, *, by: Actor, hours: str) -> ChangedApiSecret:
    # The newest secret has no end to count from; the service refuses with a message that says what to do instead.
    return extend_api_secret(secret, ends_at=(secret.ends_at or timezone.now()) + timedelta(hours=int(hours)), by=by)


def shown_once(issued: IssuedApiSecret) -> Reveal:
    """Build the page that shows a new secret for the only time."""
    context = {"title": "Copy the new secret now", "secret": issued.secret, "secret_text": issued.secret_text}
    return Reveal("admin/latchkey/secret_once.html", context)


def status_badge(secret: ApiSecret) -> SafeString:
    """Return the secret's status as a badge."""
    status = _status_of(secret)
    return ui.status("Ended", "mute") if status is None else ui.status(status.value, status.tone)


def _status_of(secret: ApiSecret) -> CredentialStatus | None:
    if secret.revoked_at is not None:
        return CredentialStatus.LEAKED if secret.revoke_reason == RevokeReason.LEAKED else CredentialStatus.REVOKED
    if not secret.works(timezone.now()):
        return None
    if secret.disabled_at is not None:
        return CredentialStatus.PAUSED
    return CredentialStatus.RETIRING if secret.ends_at else CredentialStatus.ACTIVE


def _can_work(secret: ApiSecret) -> bool:
    return secret.revoked_at is None and secret.works(timezone.now())


@admin.register(ApiSecret)
class ApiSecretAdmin(OperatedAdmin[ApiSecret]):
    """Secrets that backends and gateways present. They are issued on the page of their API."""

    declines = (Refused,)
    list_display = row_columns = ("name", "hint", "api", "environment", "status", "last_used_at", "created_at")
    empty = "No API secrets yet. Issue one on the page of its API."
    list_filter = ("environment", "api")
    list_select_related = ("api",)
    search_fields = ("name", "hint", "public_id", "api__name", "api__public_id")
    ordering = ("-pk",)
    fields = (
        "public_id", "name", "hint", "api", "environment", "status", "created_at", "created_by", "last_used_at",
        "last_used_from", "last_used_agent", "ends_at", "revoked_at", "revoke_reason",
    )  # fmt: skip
    staff_actions = (
        StaffAction(
            name="roll",
            label="Roll",
            done="Rolled",
            consequence="The new secret is shown once, on the next page."
            " The old one keeps working for the time that you choose. If two work and nobody has used the newer one,"
            " any overlap ends the newer one now and leaves the older one the end it has.",
            permission="keys.change_apisecret",
            run=_roll,
            reveals=True,
            form=StaffRollForm,
            offered=lambda secret: _can_work(secret) and secret.ends_at is None,
            is_bulk=False,
        ),
        StaffAction(
            name="extension",
            label="Extend",
            done="Extended",
            consequence="The old secret keeps working for longer, at most until 30 days from now.",
            permission="keys.change_apisecret",
            run=_extend,
            widens=True,
            form=ExtensionForm,
            offered=lambda secret: _can_work(secret) and secret.ends_at is not None,
            is_bulk=False,
        ),
        StaffAction(
            name="ending",
            label="End now",
            done="Ended",
            consequence="The old secret stops working at once. Backends that still use it get 401.",
            permission="keys.change_apisecret",
            run=end_api_secret,
            offered=lambda secret: _can_work(secret) and secret.ends_at is not None,
            is_danger=True,
        ),
        StaffAction(
            name="disabling",
            label="Disable",
            done="Disabled",
            consequence="Backends that use the secret get 401 at once, until you enable it again.",
            permission="keys.change_apisecret",
            run=disable_api_secret,
            offered=lambda secret: _can_work(secret) and secret.disabled_at is None,
            is_danger=True,
        ),
        StaffAction(
            name="enabling",
            label="Enable",
            done="Enabled",
            consequence="Backends that use the secret can validate credentials again.",
            permission="keys.change_apisecret",
            run=enable_api_secret,
            widens=True,
            offered=lambda secret: _can_work(secret) and secret.disabled_at is not None,
        ),
        StaffAction(
            name="revocation",
            label="Revoke",
            done="Revoked",
            consequence="Backends that use the secret get 401 at once. This cannot be undone.",
            permission="keys.change_apisecret",
            run=revoke_api_secret,
            form=ReasonForm,
            offered=lambda secret: secret.revoked_at is None,
            is_danger=True,
        ),
    )

    def facts(self, obj: ApiSecret) -> dict[str, object]:
        """Return the facts that staff should know before an action turns backends away."""
        return {
            "Hint": obj.hint,
            "API": short(obj.api),
            "Environment": obj.get_environment_display(),
            "Status": self.status(obj),
            "Last used": obj.last_used_at or "Never",
            "Last used from": obj.last_used_from or NO_VALUE,
            "User agent": obj.last_used_agent or NO_VALUE,
        }

    def find_by_secret(self, text: str) -> ApiSecret | None:
        """Return the row of the secret, whether or not it still works."""
        if kind_of(text) is not SecretKind.API:
            return None
        return ApiSecret.objects.filter(digest__in=candidate_digests(text)).first()

    @admin.display(description="status")
    def status(self, secret: ApiSecret) -> SafeString:
        return status_badge(secret)
