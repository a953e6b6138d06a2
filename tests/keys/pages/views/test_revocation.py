"""Revoking, pausing and resuming."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client

from keys.models import ApiKey, RevokeReason
from keys.services.credentials import disable_credential, revoke_credential
from keys.services.secrets import roll_credential
from portal import outbox
from portal.audit import Actor
from portal.outbox import Pending
from tests.support.page import HTMX, the

pytestmark = pytest.mark.django_db


def where(key: ApiKey, what: str = "revocation/") -> str:
    return f"/app/keys/{key.public_id}/{what}"


def test_the_facts_are_told_before_anything_is_done(used_key: ApiKey, ada_client: Client) -> None:
    page = ada_client.get(where(used_key)).text
    assert "Requests with this key will be refused at once. This cannot be undone." in page
    assert "1,204 calls in the last 24 hours" in page
    assert "Pause it instead" in page
    assert ApiKey.objects.get().revoked_at is None


def test_a_key_in_use_is_revoked_only_by_whoever_types_its_name(used_key: ApiKey, ada_client: Client) -> None:
    for name in ("", "billing", "Billing worker"):
        answer = ada_client.post(where(used_key), {"reason": "unused", "name": name})
        assert answer.status_code == 422
    assert ApiKey.objects.get().revoked_at is None
    answer = ada_client.post(where(used_key), {"reason": "unused", "name": "billing worker"}, follow=True)
    assert re.search("billing worker is revoked. Requests are refused (everywhere|now)", answer.text)
    assert ApiKey.objects.get().revoke_reason == RevokeReason.UNUSED


def test_the_name_is_asked_for_only_after_use_within_seven_days(
    key: ApiKey, ada_client: Client, use: Callable[[ApiKey, datetime], None], now: datetime
) -> None:
    use(key, now - timedelta(days=8))
    assert 'name="name"' not in ada_client.get(where(key)).text
    use(key, now - timedelta(days=6))
    assert 'name="name"' in ada_client.get(where(key)).text


def test_a_reason_has_to_be_one_of_ours(key: ApiKey, ada_client: Client) -> None:
    assert ada_client.post(where(key), {"reason": "because"}).status_code == 422
    assert ApiKey.objects.get().revoked_at is None


def test_in_a_dialog_errors_stay_there_and_success_leaves_it(used_key: ApiKey, ada_client: Client) -> None:
    wrong = ada_client.post(where(used_key), {"reason": "other", "name": "x"}, headers=HTMX)
    assert wrong.status_code == 422
    assert "<html" not in wrong.text
    right = ada_client.post(where(used_key), {"reason": "other", "name": "billing worker"}, headers=HTMX)
    assert right["HX-Redirect"] == where(used_key, "")


def test_where_the_caches_could_not_be_told_it_says_until_when_at_the_latest(
    key: ApiKey, ada_client: Client, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_flush", lambda _names: Pending(now + timedelta(seconds=303)))
    page = ada_client.post(where(key), {"reason": "other"}, follow=True).text
    assert "usually within 2 seconds, at the latest by" in page


def test_a_revoked_key_offers_nothing_and_says_what_it_is(key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    revoke_credential(key, reason=RevokeReason.LEAKED, by=as_ada)
    page = ada_client.get(where(key, "")).text
    assert "This key leaked and was revoked" in page
    for control in ("/roll/", "/edit/", "/pause/", "/resume/", "/revocation/"):
        assert control not in page
    assert "revoked already" in ada_client.get(where(key)).text


def test_the_secrets_of_a_revoked_key_end_when_it_was_revoked(key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    roll_credential(key, overlap=timedelta(hours=5), by=as_ada)
    assert "With the key" in ada_client.get(where(key, "")).text
    revoke_credential(key, reason=RevokeReason.OTHER, by=as_ada)
    ends = [row.css("td")[4].text() for row in the("#secrets", ada_client.get(where(key, "")).text).css("tbody tr")]
    assert ends == ["just now", "just now"]


def test_pausing_and_resuming_are_one_click_each(key: ApiKey, ada_client: Client) -> None:
    paused = ada_client.post(where(key, "pause/"), follow=True).text
    assert re.search("billing worker is paused. Requests are refused (everywhere|now)", paused)
    undo = the(".callout form", paused)
    assert (undo.attributes["action"], the("button", undo.html or "").text()) == (where(key, "resume/"), "Undo")
    resumed = ada_client.post(where(key, "resume/"), follow=True).text
    assert "billing worker works again" in resumed
    assert where(key, "pause/") in resumed


def test_a_revoked_key_is_neither_paused_nor_resumed(key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    disable_credential(key, by=as_ada)
    revoke_credential(key, reason=RevokeReason.OTHER, by=as_ada)
    for what in ("pause/", "resume/"):
        assert "that cannot be undone" in ada_client.post(where(key, what), follow=True).text


def test_a_key_used_within_a_day_is_not_said_to_have_no_calls(key: ApiKey, ada_client: Client, now: datetime) -> None:
    for hours, is_said in ((1, False), (30, True)):
        ApiKey.objects.update(last_used_at=now - timedelta(hours=hours))
        page = ada_client.get(f"/app/keys/{key.public_id}/revocation/").text
        assert ("No calls in the last 24 hours." in page) is is_said


def test_the_old_secret_of_a_paused_key_is_not_said_to_work(key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    roll_credential(key, overlap=timedelta(hours=1), by=as_ada)
    assert "The old secret still works" in ada_client.get(f"/app/keys/{key.public_id}/").text
    disable_credential(key, by=as_ada)
    page = ada_client.get(f"/app/keys/{key.public_id}/").text
    assert "The old secret works again when you resume the key" in page
    assert "The old secret still works" not in page
