"""Rolling: a new secret now, an end for the old one."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from selectolax.lexbor import LexborHTMLParser

from keys.models import ApiKey, KeySecret, RevokeReason
from keys.pages.forms.actions import OVERLAPS
from keys.rules import secret as secrets
from keys.services.credentials import revoke_credential
from keys.services.secrets import roll_credential
from portal import outbox
from portal.audit import Actor
from portal.models import Session
from portal.outbox import Pending
from portal.ui.times import exact_words
from tests.support.page import HTMX, filled_in, queries_of, the

pytestmark = pytest.mark.django_db


def where(key: ApiKey, what: str = "roll/") -> str:
    return f"/app/keys/{key.public_id}/{what}"


def form(key: ApiKey, **more: str) -> dict[str, str]:
    return {"submission": str(uuid4()), "seen": key.secrets.latest("pk").public_id, "overlap": "3600", **more}


def test_each_choice_says_until_when_the_old_secret_works(used_key: ApiKey, ada_client: Client) -> None:
    page = LexborHTMLParser(ada_client.get(where(used_key)).text)
    hints = [element.text() for element in page.css("#roll .choice__hint")]
    assert hints[0] == "Refused as soon as the new one exists."
    assert all(hint.startswith("Keeps working until ") and hint.endswith(" UTC.") for hint in hints[1:])
    assert "1,204 calls in the last 24 hours." in page.text()


def test_no_choice_promises_more_than_the_keys_own_end(key: ApiKey, ada_client: Client) -> None:
    ends = key.created_at + timedelta(hours=2)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=ends)
    assert ada_client.get(where(key)).text.count(exact_words(ends)) == 3


def test_rolling_shows_the_new_secret_once_and_what_to_do_next(used_key: ApiKey, ada_client: Client) -> None:
    answer = ada_client.post(where(used_key), form(used_key))
    page = LexborHTMLParser(answer.text)
    text = the("#secret-text", page).text(strip=True)
    assert secrets.parse(text)
    assert "What to do next" in answer.text
    assert (answer["Cache-Control"], answer["Referrer-Policy"]) == ("no-store", "no-referrer")
    old, new = used_key.secrets.order_by("pk")
    assert new.hint.endswith(text[-4:])
    assert old.ends_at
    assert old.ends_at - new.created_at == timedelta(hours=1)


@pytest.mark.parametrize(
    ("heard", "words"),
    [
        (None, "everywhere after|now"),
        (Pending(datetime(2099, 1, 1, tzinfo=UTC)), "everywhere usually within .*2099"),
    ],
)
def test_a_roll_without_an_overlap_says_how_far_the_end_of_the_old_secret_has_spread(
    heard: Pending | None, words: str, key: ApiKey, ada_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_flush", lambda _: heard)
    page = LexborHTMLParser(ada_client.post(where(key), form(key, overlap="0")).text)
    assert re.search(f"The old secret is refused ({words})", page.text())


def test_a_dialog_gets_the_fragment_alone(used_key: ApiKey, ada_client: Client) -> None:
    asked = ada_client.get(where(used_key), headers=HTMX).text
    shown = ada_client.post(where(used_key), form(used_key), headers=HTMX)
    assert "<html" not in asked + shown.text
    assert 'hx-target="#dialog-body"' in asked
    assert "secret-text" in shown.text


def test_a_repeated_post_adds_nothing(key: ApiKey, ada_client: Client) -> None:
    sent = form(key)
    ada_client.post(where(key), sent)
    assert "Already created" in ada_client.post(where(key), sent).text
    assert key.secrets.count() == 2


def test_a_roll_that_somebody_else_was_faster_with_is_not_made(key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    sent = form(key)
    roll_credential(key, overlap=timedelta(hours=1), by=as_ada)
    answer = ada_client.post(where(key), sent)
    assert answer.status_code == 422
    assert "Somebody else has just rolled this key" in answer.text
    assert key.secrets.count() == 2


def test_during_an_overlap_it_is_said_which_secret_ends(used_key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    newest = roll_credential(used_key, overlap=timedelta(hours=1), by=as_ada).secret
    page = LexborHTMLParser(ada_client.get(where(used_key)).text)
    assert "Two secrets work already" in page.text()
    assert f"Nobody has used {newest.hint}" in page.text()
    assert {code.text() for code in page.css("#roll code.masked")} == {secret.hint for secret in used_key.secrets.all()}


def test_while_nobody_has_used_the_newest_secret_the_older_ones_end_is_no_choice(
    used_key: ApiKey, ada_client: Client, as_ada: Actor
) -> None:
    newest = roll_credential(used_key, overlap=timedelta(hours=30), by=as_ada).secret
    old = used_key.secrets.earliest("pk")
    assert old.ends_at
    page = LexborHTMLParser(ada_client.get(where(used_key)).text)
    assert [label.text() for label in page.css("#roll .choice__label")] == [
        "Now", f"Keep {old.hint} until {exact_words(old.ends_at)}"
    ]  # fmt: skip
    assert [hint.text() for hint in page.css("#roll .choice__hint")] == [
        "Both secrets are refused as soon as the new one exists.",
        f"{newest.hint} is refused as soon as the new one exists.",
    ]
    assert not page.css("[name=ends_on]")
    for overlap in ("3600", "date"):
        refused = ada_client.post(where(used_key), form(used_key, overlap=overlap, ends_on="2999-01-01T00:00"))
        assert (refused.status_code, "Choose one of these." in refused.text) == (422, True)
    sent = filled_in(the("#roll form", page))
    assert ada_client.post(where(used_key), sent).status_code == 200
    assert "Already created" in ada_client.post(where(used_key), sent).text
    first, second, third = used_key.secrets.order_by("pk")
    assert (first.ends_at, second.ends_at, third.ends_at) == (old.ends_at, third.created_at, None)


def test_what_is_said_to_be_kept_does_not_outlive_the_key(used_key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    roll_credential(used_key, overlap=timedelta(hours=30), by=as_ada)
    ends = used_key.created_at + timedelta(hours=2)
    ApiKey.objects.filter(pk=used_key.pk).update(expires_at=ends)
    assert f"until {exact_words(ends)}" in LexborHTMLParser(ada_client.get(where(used_key)).text).text()


def test_both_secrets_can_be_ended_now_by_a_second_roll(used_key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    roll_credential(used_key, overlap=timedelta(hours=30), by=as_ada)
    ada_client.post(where(used_key), form(used_key, overlap="0"))
    *ended, third = used_key.secrets.order_by("pk")
    assert [secret.ends_at for secret in ended] == [third.created_at] * 2


def test_once_the_newest_secret_is_used_its_end_is_chosen(used_key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    newest = roll_credential(used_key, overlap=timedelta(hours=30), by=as_ada).secret
    KeySecret.objects.filter(pk=newest.pk).update(last_used_at=timezone.now())
    page = LexborHTMLParser(ada_client.get(where(used_key)).text)
    assert [label.text() for label in page.css("#roll .choice__label")] == list(OVERLAPS.values())
    assert f"Rolling ends {used_key.secrets.earliest('pk').hint} now" in page.text()
    stale = ada_client.post(where(used_key), form(used_key, overlap="keep"))
    assert (stale.status_code, "Choose one of these." in stale.text) == (422, True)
    assert used_key.secrets.count() == 2


@pytest.mark.parametrize("ends_on", ["", "2001-01-01T00:00", "2999-01-01T00:00", "soon"])
def test_a_time_that_no_overlap_can_have_is_refused(key: ApiKey, ada_client: Client, ends_on: str) -> None:
    answer = ada_client.post(where(key), form(key, overlap="date", ends_on=ends_on))
    assert answer.status_code == 422
    assert key.secrets.count() == 1


def test_a_time_may_be_chosen(key: ApiKey, ada_client: Client) -> None:
    ends = (key.created_at + timedelta(days=12)).replace(second=0, microsecond=0)
    ada_client.post(where(key), form(key, overlap="date", ends_on=ends.strftime("%Y-%m-%dT%H:%M")))
    ended = key.secrets.earliest("pk").ends_at
    assert ended
    assert abs(ended - ends) < timedelta(seconds=5)


def test_a_revoked_key_is_not_rolled(key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    revoke_credential(key, reason=RevokeReason.OTHER, by=as_ada)
    assert "cannot be rolled" in ada_client.get(where(key)).text
    assert ada_client.post(where(key), form(key)).status_code == 422
    assert key.secrets.count() == 1


def test_the_overlap_shows_the_old_secrets_last_use_and_can_be_ended(
    used_key: ApiKey, ada_client: Client, as_ada: Actor
) -> None:
    roll_credential(used_key, overlap=timedelta(hours=1), by=as_ada)
    old = used_key.secrets.earliest("pk")
    overlap = the("#overlap", ada_client.get(where(used_key, "")).text).text()
    assert "was last used" in overlap
    assert "203.0.113.9" in overlap
    answer = ada_client.post(where(used_key, f"secrets/{old.public_id}/end/"))
    assert answer["Location"] == where(used_key, "")
    page = ada_client.get(where(used_key, "")).text
    assert re.search("has ended. Requests with it are refused (everywhere|now)", page)
    assert 'id="overlap"' not in page
    assert not KeySecret.objects.get(pk=old.pk).works(timezone.now())


def test_the_old_secrets_last_use_is_asked_for_again_and_again_until_the_overlap_is_over(
    used_key: ApiKey, ada_client: Client, cyn_client: Client, as_ada: Actor, now: datetime
) -> None:
    old = used_key.secrets.get()
    roll_credential(used_key, overlap=timedelta(hours=1), by=as_ada)
    asking = the("#overlap-use", ada_client.get(where(used_key, "")).text)
    assert asking.attributes["hx-trigger"] == "every 5s"
    address = str(asking.attributes["hx-get"])
    KeySecret.objects.filter(pk=old.pk).update(last_used_from="198.51.100.77", last_used_at=now - timedelta(hours=2))
    for browser in (ada_client, cyn_client):
        answer = browser.get(address, headers=HTMX)
        assert (answer.status_code, "198.51.100.77" in answer.text, "Not switched" in answer.text) == (200, True, True)
        assert "<html" not in answer.text
    KeySecret.objects.filter(pk=old.pk).update(ends_at=now)
    answer = ada_client.get(address, headers=HTMX)
    assert (answer.status_code, "no longer works" in answer.text) == (286, True)


def test_a_page_that_asks_by_itself_costs_little_and_keeps_no_session_from_ending(
    used_key: ApiKey, ada_client: Client, as_ada: Actor, now: datetime
) -> None:
    roll_credential(used_key, overlap=timedelta(hours=1), by=as_ada)
    Session.objects.update(seen_at=now - timedelta(hours=5))
    assert queries_of(ada_client, where(used_key, "overlap/")) <= 6
    assert Session.objects.get().seen_at == now - timedelta(hours=5)
    ada_client.get(where(used_key, ""))
    assert Session.objects.get().seen_at >= now


def test_what_a_program_calls_itself_is_shown_as_text(used_key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    KeySecret.objects.update(last_used_agent="orders/1.2 <img src=x onerror=alert(1)>")
    roll_credential(used_key, overlap=timedelta(hours=1), by=as_ada)
    page = ada_client.get(where(used_key, "")).text
    assert page.count("orders/1.2 &lt;img src=x onerror=alert(1)&gt;") == 2  # the overlap and the list
    assert "<img src=x" not in page


def test_the_overlap_can_be_extended_from_the_end_it_has(key: ApiKey, ada_client: Client, as_ada: Actor) -> None:
    roll_credential(key, overlap=timedelta(hours=1), by=as_ada)
    old = key.secrets.earliest("pk")
    ada_client.post(where(key, f"secrets/{old.public_id}/extension/"), {"hours": "24"})
    assert old.ends_at
    assert KeySecret.objects.get(pk=old.pk).ends_at == old.ends_at + timedelta(hours=24)


@pytest.mark.parametrize("hours", ["", "1000", "-1", "x"])
def test_no_other_extension_is_made(key: ApiKey, ada_client: Client, as_ada: Actor, hours: str) -> None:
    roll_credential(key, overlap=timedelta(hours=1), by=as_ada)
    old = key.secrets.earliest("pk")
    answer = ada_client.post(where(key, f"secrets/{old.public_id}/extension/"), {"hours": hours}, follow=True)
    assert "Choose how much longer" in answer.text
    assert KeySecret.objects.get(pk=old.pk).ends_at == old.ends_at


def test_the_only_secret_cannot_be_ended(key: ApiKey, ada_client: Client) -> None:
    answer = ada_client.post(where(key, f"secrets/{key.secrets.get().public_id}/end/"), follow=True)
    assert "Roll it, or revoke the whole credential" in answer.text
    assert key.secrets.get().ends_at is None
