"""Admin for OAuth clients and signing keys: staff read them, pause or revoke clients, and rotate or drop keys."""

from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from keys.admin.credentials import CredentialAdmin, SecretInline, credential_actions
from keys.pages.usage_reports import calls_of_secrets
from oauth.models import Client, ClientSecret, Grant, SigningKey
from oauth.pages.client_pages import CLIENT_PAGES
from oauth.protocol.key_rotation import SigningPeriod, state
from oauth.services.signing_keys import ChangedSigningKeys, drop_signing_keys, rotate_signing_keys
from oauth.services.tokens import revoke_all_tokens
from portal.audit import Actor
from portal.models import Organization
from portal.staff.actions import Declined, StaffAction
from portal.staff.operated import OperatedAdmin
from portal.staff.shown import NO_VALUE, Figure, ShownInline, Summary, listed, short
from portal.templatetags import ui

STATE_TONES = {"active": "ok", "next": "info", "retiring": "warn"}


class ClientSecretInline(SecretInline):
    """Secrets of a client."""

    model = ClientSecret


class GrantInline(ShownInline):
    """Grants of a client: its scopes at each API."""

    model = Grant
    fields = readonly_fields = ("api", "granted")
    empty = "It may use no API yet."

    @admin.display(description="scopes")
    def granted(self, grant: Grant) -> SafeString | str:
        """The scopes, or NO_VALUE."""
        return listed(grant.scopes, "scopes") or NO_VALUE


def _rotate(key: SigningKey, *, by: Actor) -> ChangedSigningKeys:
    changed = rotate_signing_keys(by=by, now=timezone.now(), algorithms=[key.algorithm], is_wanted=True)
    if not changed.made:
        raise Declined(f"The next {key.algorithm} key is already published.")
    return changed


def _drop(key: SigningKey, *, by: Actor) -> ChangedSigningKeys:
    return drop_signing_keys(by=by, algorithms=[key.algorithm])


@admin.register(Client)
class ClientAdmin(CredentialAdmin[Client]):
    """Clients with their grants and secrets; staff actions pause, resume and revoke them."""

    pages = CLIENT_PAGES
    list_display = row_columns = ("name", "public_id", "organization", "environment", "status", "last_used_at")
    empty = "No OAuth clients yet. Members of organizations create them."
    list_filter = ("environment", "created_at")
    list_select_related = ("organization",)
    search_fields = (
        "name", "public_id", "secrets__hint", "secrets__public_id", "organization__name", "organization__public_id",
    )  # fmt: skip
    fields = (
        "public_id", "name", "note", "organization", "environment", "owner", "service_account", "status", "own_keys",
        "token_lifetime_s", "from_where", "limits", "own_metadata", "noted", "generation", "disabled_at", "revoked_at",
        "revoke_reason", "last_used_at", "created_at",
    )  # fmt: skip
    inlines = (GrantInline, ClientSecretInline)
    staff_actions = credential_actions(
        "oauth.change_client",
        paused="The client gets no tokens, and its tokens are refused at once (DISABLED),"
        " until you or its organization resumes it.",
        resumed="The client gets tokens again, and its unexpired tokens are accepted.",
        revoked="The client gets no tokens, and its tokens are refused at once (REVOKED). This cannot be undone:"
        " the organization has to create a new client.",
        more=[
            StaffAction(
                name="token-revocation",
                label="Revoke all tokens",
                title="Revoke all tokens of {name}",
                done="Revoked all tokens of",
                consequence="Every token issued so far is refused at once (REVOKED)."
                " The client keeps working and can get new tokens.",
                permission="oauth.change_client",
                run=revoke_all_tokens,
                offered=lambda client: client.revoked_at is None,
                is_danger=True,
            )
        ],
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Client]:
        """Load the clients with their grants."""
        return super().get_queryset(request).prefetch_related("grants__api")

    def summary(self, organization: Organization | None, *, now: datetime) -> Summary:
        """Count the organization's clients that work, and the validations of their tokens."""
        if organization is None:
            return Summary()
        clients = Client.objects.filter(organization=organization)
        working = 0 if organization.suspended_at else clients.filter(revoked_at=None, disabled_at=None).count()
        calls = calls_of_secrets(clients.values_list("public_id", flat=True), now=now)
        denied = f"{calls.share_words} denied" if calls.total else ""
        return Summary(
            [
                Figure("Active clients", f"{working:,}"),
                Figure("Validations of tokens, 24 h", calls.total_words, denied),
            ]
        )

    def facts(self, obj: Client) -> dict[str, object]:
        """Facts that the confirmation page of a staff action shows."""
        return {
            "Client id": obj.public_id,
            "Organization": short(obj.organization),
            "Environment": obj.get_environment_display(),
            "Status": self.status(obj),
            "Last used": obj.last_used_at or "Never",
            "Calls, 24\N{NO-BREAK SPACE}h": calls_of_secrets([obj.public_id], now=timezone.now()).total_words,
        }

    @admin.display(description="public keys")
    def own_keys(self, client: Client) -> str:
        """The kids of the client's public keys."""
        return ", ".join(key["kid"] for key in client.public_keys) or "None: it uses secrets"


@admin.register(SigningKey)
class SigningKeyAdmin(OperatedAdmin[SigningKey]):
    """Keys that sign access tokens. They rotate on schedule; the private half is never shown."""

    list_display = ("kid", "algorithm", "status", "signs_from", "signs_until", "kept_until")
    list_filter = ("algorithm",)
    search_fields = ("kid",)
    ordering = ("-pk",)
    fields = ("kid", "algorithm", "status", "public_key", "created_at", "signs_from", "signs_until", "kept_until")
    staff_actions = (
        StaffAction(
            name="rotation",
            label="Rotate",
            done="Rotated",
            consequence="The next key of this algorithm is published now. It signs a day later, when every verifier"
            " has it. Tokens issued so far stay valid. Keys also rotate on schedule; use this to rotate sooner.",
            permission="oauth.change_signingkey",
            run=_rotate,
            offered=lambda key: key.signs_until is None and key.signs_from <= timezone.now(),
            is_bulk=False,
        ),
        StaffAction(
            name="emergency",
            label="Drop in an emergency",
            title="Drop all signing keys with the algorithm of {name}",
            done="Dropped all signing keys with the algorithm of",
            consequence="Every access token signed with this algorithm is refused at once."
            " New keys sign from now on. Use this only if a key has leaked.",
            permission="oauth.change_signingkey",
            run=_drop,
            is_bulk=False,
            is_danger=True,
        ),
    )

    def facts(self, obj: SigningKey) -> dict[str, object]:
        """Facts that the confirmation page of a staff action shows."""
        return {"Algorithm": obj.algorithm, "Status": self.status(obj)}

    @admin.display(description="status")
    def status(self, key: SigningKey) -> SafeString:
        """Next, active, retiring or retired."""
        word = state(SigningPeriod(key.signs_from, key.signs_until, key.kept_until), now=timezone.now())
        return ui.status(word.capitalize(), STATE_TONES.get(word, "mute"))
