"""Actions from a list of keys or of clients: the row comes back alone, and the list stays."""

from datetime import UTC, datetime, timedelta
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.test import Client
from selectolax.lexbor import LexborHTMLParser

from keys.models import ApiKey, RevokeReason
from keys.services.credentials import revoke_credential
from keys.services.secrets import roll_credential
from oauth.models import Client as OAuthClient
from portal.audit import Actor
from portal.models import User
from tests.support.page import HTMX, filled_in, the

pytestmark = pytest.mark.django_db
KEYS, CLIENTS = "http://testserver/app/keys/", "http://testserver/app/clients/"


def from_list(listed: str = KEYS) -> dict[str, str]:
    return HTMX | {"HX-Current-URL": listed}


def row_of(answer: str) -> LexborHTMLParser:
    """The row, which comes back in a template, because only a table may hold it."""
    return LexborHTMLParser(f"<table>{answer.partition('<template>')[2].partition('</template>')[0]}</table>")


@pytest.fixture
def retiring(key: ApiKey, as_ada: Actor) -> ApiKey:
    """A key whose old secret works for another day."""
    seen = key.secrets.get().public_id
    roll_credential(key, overlap=timedelta(days=1), by=as_ada, submission=uuid4(), seen_secret_id=seen)
    return key


def test_a_pause_returns_the_row_alone_with_a_toast_that_undoes_it(key: ApiKey, ada_client: Client) -> None:
    answer = ada_client.post(f"/app/keys/{key.public_id}/pause/", headers=from_list())
    assert (answer.status_code, answer["HX-Reswap"]) == (200, "none")
    assert "closeDialog" in answer["HX-Trigger-After-Swap"]
    assert "HX-Redirect" not in answer
    assert "<html" not in answer.text
    assert the(".cell-status", row_of(answer.text)).text(strip=True) == "Paused"
    assert the("tr", row_of(answer.text)).attributes["hx-swap-oob"] == f"outerHTML:tr:has(a[href='{key.public_id}/'])"
    assert "billing worker is paused" in the("#live", answer.text).text()
    undo = the("#toasts form", answer.text).attributes["hx-post"] or ""
    back = ada_client.post(undo, headers=from_list())
    assert the(".cell-status", row_of(back.text)).text(strip=True) == "Active"
    assert "#toasts form" not in back.text
    assert "is paused" not in ada_client.get("/app/keys/").text  # the toast has told it


@pytest.mark.parametrize("page", ["http://testserver/app/keys/x/", CLIENTS, "http://[", f"{KEYS}?{'&' * 20_000}", ""])
def test_a_change_from_another_page_leads_to_the_keys_page(key: ApiKey, ada_client: Client, page: str) -> None:
    answer = ada_client.post(f"/app/keys/{key.public_id}/pause/", headers=from_list(page))
    assert answer["HX-Redirect"] == f"/app/keys/{key.public_id}/"


def test_without_htmx_a_change_leads_to_the_keys_page_and_is_told_there(key: ApiKey, ada_client: Client) -> None:
    answer = ada_client.post(f"/app/keys/{key.public_id}/pause/", follow=True)
    assert answer.redirect_chain == [(f"/app/keys/{key.public_id}/", 303)]
    assert "billing worker is paused" in answer.text


def test_clients_come_back_to_their_list_in_the_same_way(oauth_client: OAuthClient, ada_client: Client) -> None:
    answer = ada_client.post(f"/app/clients/{oauth_client.public_id}/pause/", headers=from_list(CLIENTS))
    assert the(".cell-status", row_of(answer.text)).text(strip=True) == "Paused"
    assert the("a.dots", row_of(answer.text)).attributes["data-menu-without"] == "overlap pause"


def test_a_revocation_in_the_dialog_errs_there_and_then_greys_the_row(used_key: ApiKey, ada_client: Client) -> None:
    where = f"/app/keys/{used_key.public_id}/revocation/"
    wrong = ada_client.post(where, {"reason": "other", "name": "x"}, headers=from_list())
    assert (wrong.status_code, "HX-Reswap" in wrong) == (422, False)
    right = ada_client.post(where, {"reason": "other", "name": "billing worker"}, headers=from_list())
    assert the(".cell-status", row_of(right.text)).text(strip=True) == "Revoked"
    assert "data-off" in the("tr", row_of(right.text)).attributes
    assert row_of(right.text).css("a.dots") == []


def test_a_row_that_fits_the_filters_no_more_stays_and_the_caption_says_how_many_do(
    key: ApiKey, ada_client: Client
) -> None:
    where = f"/app/keys/{key.public_id}/pause/"
    for query, count in (("status=Active", "shown, 0 keys match"), ("status=Paused", "shown, 1 key matches")):
        assert the("#count", ada_client.post(where, headers=from_list(f"{KEYS}?{query}")).text).text() == count
    assert 'id="count"' not in ada_client.post(where, headers=from_list(f"{KEYS}?q=nothing")).text


def test_a_refusal_is_told_in_a_toast_that_undoes_nothing(key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    revoke_credential(key, reason=RevokeReason.OTHER, by=as_ada)
    answer = ada_client.post(f"/app/keys/{key.public_id}/pause/", headers=from_list())
    assert the(".toast.tone-bad", answer.text)
    assert LexborHTMLParser(answer.text).css("#toasts form") == []
    assert the(".cell-status", row_of(answer.text)).text(strip=True) == "Revoked"


def test_a_roll_shows_the_secret_and_brings_the_row_along(key: ApiKey, ada_client: Client) -> None:
    where, seen = f"/app/keys/{key.public_id}/roll/", key.secrets.get().public_id
    form = {"submission": str(uuid4()), "seen": seen, "overlap": "3600"}
    answer = ada_client.post(where, form, headers=from_list())
    assert the("#secret-text", answer.text).text(strip=True)
    assert the(".cell-status", row_of(answer.text)).text(strip=True) == "Retiring"
    assert the("a.dots", row_of(answer.text)).attributes["data-menu-without"] == "resume"
    assert answer["Cache-Control"] == "no-store"
    form |= {"submission": str(uuid4()), "seen": key.secrets.latest("pk").public_id}
    assert "<template>" not in ada_client.post(where, form, headers=HTMX).text


def test_the_old_secret_is_ended_and_extended_in_a_dialog_of_the_list(retiring: ApiKey, ada_client: Client) -> None:
    overlap = f"/app/keys/{retiring.public_id}/overlap/"
    dialog = ada_client.get(overlap, headers=from_list() | {"HX-Target": "dialog-body"}).text
    end, extend = (form.attributes["hx-post"] or "" for form in LexborHTMLParser(dialog).css("form"))
    assert "<form" not in ada_client.get(overlap, headers=HTMX).text  # what the key's page polls
    extended = ada_client.post(extend, {"hours": "24"}, headers=from_list())
    assert the(".cell-status", row_of(extended.text)).text(strip=True) == "Retiring"
    ended = ada_client.post(end, headers=from_list())
    assert the(".cell-status", row_of(ended.text)).text(strip=True) == "Active"
    assert "has ended" in the("#live", ended.text).text()
    over = ada_client.get(overlap, headers=from_list() | {"HX-Target": "dialog-body"}).text
    assert "no longer works" in over
    assert "<form" not in over


def test_one_who_may_only_look_is_offered_nothing_in_the_dialog(retiring: ApiKey, cyn_client: Client) -> None:
    overlap = f"/app/keys/{retiring.public_id}/overlap/"
    assert "<form" not in cyn_client.get(overlap, headers=from_list() | {"HX-Target": "dialog-body"}).text


def test_a_key_that_ends_in_the_year_9999_is_shown_and_rolled_in_every_zone(
    key: ApiKey, ada: User, ada_client: Client
) -> None:
    ApiKey.objects.update(expires_at=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    User.objects.filter(pk=ada.pk).update(time_zone="Pacific/Auckland")
    where = f"/app/keys/{key.public_id}/"
    for page in (KEYS, where, f"{where}settings/", f"{where}edit/"):
        assert ada_client.get(page).status_code == 200
    form = filled_in(ada_client.get(f"{where}roll/").text)
    answer = ada_client.post(f"{where}roll/", form, headers=from_list())
    assert the("#secret-text", answer.text).text(strip=True)
    assert the(".cell-status", row_of(answer.text)).text(strip=True) == "Retiring"


def test_a_row_that_cannot_be_drawn_costs_neither_the_new_secret_nor_the_way_back(
    key: ApiKey, ada_client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("keys.pages.views.access.render_to_string", Mock(side_effect=OverflowError))
    seen = key.secrets.get().public_id
    form = {"submission": str(uuid4()), "seen": seen, "overlap": "3600"}
    answer = ada_client.post(f"/app/keys/{key.public_id}/roll/", form, headers=from_list())
    assert the("#secret-text", answer.text).text(strip=True)
    answer = ada_client.post(f"/app/keys/{key.public_id}/pause/", headers=from_list())
    assert answer["HX-Redirect"] == f"/app/keys/{key.public_id}/"
    assert caplog.messages.count("A changed row could not be drawn") == 2
