"""The parts of the admin that all types of credential share: secrets, status, and the actions that stop them."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from keys.admin.forms import ReasonForm
from keys.pages.credential_pages import CredentialPages
from keys.rules.field_rules import rate_words
from keys.rules.key_fields import NETWORKS, RATE_LIMITS
from keys.services.credential_type import Row
from keys.services.credentials import disable_credential, enable_credential, note_credential, revoke_credential
from keys.services.errors import Refused
from portal.staff.actions import StaffAction
from portal.staff.forms import OperatorMetadataForm
from portal.staff.operated import OperatedAdmin
from portal.staff.shown import ShownInline, listed, pretty
from portal.templatetags import ui


class SecretInline(ShownInline):
    """The secrets of a credential, by their hints."""

    fields = readonly_fields = (
        "hint",
        "public_id",
        "created_at",
        "last_used_at",
        "last_used_from",
        "last_used_agent",
        "ends_at",
    )
    empty = "No secrets: it proves itself with keys of its own."


class CredentialAdmin(OperatedAdmin[Row]):
    """Consumers' credentials. Staff may read and stop them; creating and editing is up to the consumers."""

    pages: ClassVar[CredentialPages[Any]]
    declines = (Refused,)
    is_owned = True
    ordering = ("-created_at", "-pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        """Load the credentials with their secrets, without the digests."""
        newest_first = self.pages.listing.secrets.order_by("-pk").defer("digest", "pepper_version")
        credentials = super().get_queryset(request).select_related("organization", "owner", "service_account")
        return credentials.prefetch_related(Prefetch("secrets", newest_first))

    def find_by_secret(self, text: str) -> Row | None:
        """Return the credential that the secret belongs to, whether or not they still work."""
        return self.pages.listing.find_by_secret(self.model._default_manager.all(), text)  # noqa: SLF001  # Django documents it as public

    @admin.display(description="status")
    def status(self, credential: Row) -> SafeString:
        """Return the status that the credential's own page shows."""
        now = timezone.now()
        working = [secret for secret in credential.secrets.all() if secret.works(now)]
        status = self.pages.view(credential, working, may_manage=False, now=now).status
        return ui.status(status.value, status.tone)

    @admin.display(description=NETWORKS.label)
    def from_where(self, credential: Row) -> SafeString | str:
        return listed(credential.networks, "addresses") or NETWORKS.unset

    @admin.display(description="rate limits")
    def limits(self, credential: Row) -> str:
        return rate_words(credential.rate_limits) or RATE_LIMITS.unset

    @admin.display(description="metadata")
    def own_metadata(self, credential: Row) -> SafeString | str:
        return pretty(credential.metadata)

    @admin.display(description="operator metadata")
    def noted(self, credential: Row) -> SafeString | str:
        return pretty(credential.operator_metadata)


def credential_actions(
    permission: str, *, paused: str, resumed: str, revoked: str, more: Sequence[StaffAction] = ()
) -> list[StaffAction]:
    """Build the actions on a type of credential from the consequences of three; ``more`` come before the revocation."""
    return [
        StaffAction(
            name="metadata",
            label="Edit operator metadata",
            title="Edit the operator metadata of {name}",
            done="Edited the operator metadata of",
            consequence="Backends receive it with every response, next to the organization's own metadata."
            " Members can read it but not change it.",
            permission=permission,
            run=note_credential,
            form=OperatorMetadataForm,
            initial=lambda credential: {"metadata": credential.operator_metadata},
            widens=True,  # backends may allow more for a better plan
            is_bulk=False,
        ),
        StaffAction(
            name="pause",
            label="Pause",
            done="Paused",
            consequence=paused,
            permission=permission,
            run=disable_credential,
            offered=lambda credential: credential.revoked_at is None and credential.disabled_at is None,
            is_danger=True,
        ),
        StaffAction(
            name="resumption",
            label="Resume",
            done="Resumed",
            consequence=resumed,
            permission=permission,
            run=enable_credential,
            widens=True,
            offered=lambda credential: credential.revoked_at is None and credential.disabled_at is not None,
        ),
        *more,
        StaffAction(
            name="revocation",
            label="Revoke",
            done="Revoked",
            consequence=revoked,
            permission=permission,
            run=revoke_credential,
            form=ReasonForm,
            offered=lambda credential: credential.revoked_at is None,
            is_danger=True,
        ),
    ]
