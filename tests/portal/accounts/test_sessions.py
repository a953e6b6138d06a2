"""Sessions: what their rows give away, how long they last, and who ends them."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.db import connection
from django.test import Client

from portal.accounts.sessions import IDLE, LIFETIME, VISIT, SessionStore, ends_at, row_key
from portal.audit import COMMAND
from portal.models import Session, User
from portal.services import people

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def is_signed_in(client: Client) -> bool:
    return client.get("/app/").status_code == 200


def cookie_of(client: Client) -> str:
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def test_who_reads_the_database_can_neither_use_nor_read_a_session(ada_client: Client) -> None:
    session = ada_client.session
    session["in the making"] = "a seed"
    session.save()
    row = Session.objects.get()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM portal_session")
        stored = repr(cursor.fetchall())
    assert cookie_of(ada_client) not in stored
    assert "seed" not in stored + str(SessionStore().decode("1:AAAA"))
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = row.session_key
    assert not is_signed_in(thief)
    assert is_signed_in(ada_client)


def test_a_row_that_somebody_wrote_by_hand_signs_nobody_in(ada_client: Client) -> None:
    Session.objects.update(session_data="e30:1tlX6Q:forged")
    assert not is_signed_in(ada_client)


def test_a_session_knows_whose_it_is_and_where_it_was_seen(ada_client: Client, ada: User, now: datetime) -> None:
    with time_machine.travel(now + 2 * MINUTE, tick=False):
        ada_client.get("/app/", headers={"User-Agent": FIREFOX}, REMOTE_ADDR="203.0.113.7")
    session = Session.objects.get()
    assert (session.user, session.address, session.user_agent) == (ada, "203.0.113.7", FIREFOX)
    assert session.seen_at == now + 2 * MINUTE


@pytest.mark.parametrize(
    ("used_every", "lasts"),
    [(IDLE + MINUTE, timedelta(0)), (IDLE - MINUTE, LIFETIME - IDLE), (timedelta(hours=1), LIFETIME - HOUR)],
)
def test_a_session_ends_idle_after_a_day_and_in_any_case_after_a_week(
    used_every: timedelta, lasts: timedelta, ada_client: Client, now: datetime
) -> None:
    began, at = Session.objects.get().created_at, now
    while True:
        at += used_every
        with time_machine.travel(at, tick=False):
            if not is_signed_in(ada_client):
                break
    assert at - used_every - began >= lasts - used_every
    assert at - began <= LIFETIME + used_every


def test_a_visitors_session_is_over_after_an_hour(now: datetime) -> None:
    assert ends_at(now, now, is_signed_in=False) == now + VISIT
    assert ends_at(now, now + LIFETIME - HOUR, is_signed_in=True) == now + LIFETIME


def test_a_page_asked_for_again_within_the_minute_writes_nothing(ada_client: Client) -> None:
    seen = Session.objects.get().seen_at
    ada_client.get("/app/")
    assert Session.objects.get().seen_at == seen


def test_others_are_signed_out_and_this_one_stays(ada: User, ada_client: Client, dov_client: Client) -> None:
    elsewhere = Client()
    elsewhere.force_login(ada)
    kept = row_key(cookie_of(ada_client))
    assert people.end_other_sessions(ada, keep=kept, by=COMMAND) == 1
    assert people.end_other_sessions(ada, keep=kept, by=COMMAND) == 0
    assert [is_signed_in(client) for client in (ada_client, elsewhere, dov_client)] == [True, False, True]


def test_a_request_that_was_under_way_does_not_bring_an_ended_session_back(ada_client: Client) -> None:
    session = ada_client.session
    session["x"] = 1
    Session.objects.all().delete()
    with pytest.raises(UpdateError):
        session.save()
    assert not Session.objects.exists()
