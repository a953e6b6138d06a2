"""What staff do to OAuth clients and to the keys that sign tokens."""

import pytest
from django.test import Client as Browser
from django.utils import timezone

from keys.models import RevokeReason, SigningAlgorithm
from oauth.models import Client, SigningKey
from portal.models import AuditEvent
from tests.support.staff import in_admin, make_superuser

pytestmark = pytest.mark.django_db
CONFIRMED = {"confirmed": "yes"}


@pytest.fixture
def eve_client(db: None) -> Browser:
    return in_admin(make_superuser())


def test_staff_stop_a_client_only_after_they_were_asked(client_row: Client, eve_client: Browser) -> None:
    where = f"/admin/oauth/client/{client_row.pk}"
    assert client_row.public_id in eve_client.get(f"{where}/pause/").text
    assert Client.objects.get().disabled_at is None
    eve_client.post(f"{where}/pause/", CONFIRMED)
    assert Client.objects.get().disabled_at
    eve_client.post(f"{where}/resumption/", CONFIRMED)
    assert Client.objects.get().disabled_at is None


def test_staff_edit_the_operators_metadata_of_a_client(client_row: Client, eve_client: Browser) -> None:
    sent = CONFIRMED | {"metadata-name": "plan", "metadata-value": "gold"}
    eve_client.post(f"/admin/oauth/client/{client_row.pk}/metadata/", sent)
    assert Client.objects.get().operator_metadata == {"plan": "gold"}
    assert "plan" in eve_client.get(f"/admin/oauth/client/{client_row.pk}/change/").text


def test_staff_revoke_a_clients_tokens_and_the_client_and_it_is_written_down(
    client_row: Client, eve_client: Browser
) -> None:
    eve_client.post(f"/admin/oauth/client/{client_row.pk}/token-revocation/", CONFIRMED)
    eve_client.post(f"/admin/oauth/client/{client_row.pk}/revocation/", CONFIRMED | {"reason": "leaked"})
    client_row.refresh_from_db()
    assert (client_row.generation, client_row.revoke_reason) == (2, RevokeReason.LEAKED)
    told = AuditEvent.objects.filter(subject_id=client_row.public_id, actor_kind="staff").order_by("pk")
    assert list(told.values_list("action", flat=True)) == ["client.tokens_revoked", "client.revoked"]


def test_a_client_is_shown_with_its_scopes_and_the_hints_of_its_secrets(
    client_row: Client, eve_client: Browser
) -> None:
    page = eve_client.get(f"/admin/oauth/client/{client_row.pk}/change/").text
    assert client_row.secrets.get().hint in page
    assert "orders:read, orders:write" in page


def test_dropping_a_key_in_an_emergency_makes_another_of_its_algorithm_and_of_no_other(eve_client: Browser) -> None:
    leaked = SigningKey.objects.get(algorithm=SigningAlgorithm.ES256)
    others = set(SigningKey.objects.exclude(pk=leaked.pk))
    assert "Every access token" in eve_client.get(f"/admin/oauth/signingkey/{leaked.pk}/emergency/").text
    eve_client.post(f"/admin/oauth/signingkey/{leaked.pk}/emergency/", CONFIRMED)
    leaked.refresh_from_db()
    assert (leaked.private_key, leaked.kept_until) == ("", leaked.signs_until)
    assert SigningKey.objects.get(algorithm=SigningAlgorithm.ES256, signs_until=None) != leaked
    assert set(SigningKey.objects.exclude(algorithm=SigningAlgorithm.ES256)) == others


def test_staff_have_the_next_signing_key_come_sooner_and_tokens_stay_good(eve_client: Browser) -> None:
    present = SigningKey.objects.get(algorithm=SigningAlgorithm.ES256)
    where = f"/admin/oauth/signingkey/{present.pk}/"
    assert f"{where}rotation/" in eve_client.get(f"{where}change/").text
    assert "Tokens issued so far stay valid" in eve_client.get(f"{where}rotation/").text
    for _ in range(2):
        answer = eve_client.post(f"{where}rotation/", CONFIRMED, follow=True)
    assert "is already published" in answer.text
    following = SigningKey.objects.get(algorithm=SigningAlgorithm.ES256, signs_until=None)
    present.refresh_from_db()
    assert present.signs_until == following.signs_from > timezone.now()
    assert present.private_key
    assert f"{where}rotation/" not in eve_client.get(f"{where}change/").text
    assert AuditEvent.objects.get(actor_kind="staff").action == "signing_key.published"
