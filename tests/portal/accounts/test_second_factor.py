"""Second factors: what is stored, what is told, and what they open."""

import json
import time

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings as django_settings
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from portal.audit_actions import AuditAction
from portal.env_types import VersionedKey
from portal.models import AuditEvent, User
from portal.services.factors import use_code
from tests.support.totp import code_of
from tests.support.visitors import LOGIN, PASSWORD, is_signed_in, sign_in

pytestmark = pytest.mark.django_db
ACTIVATE, DEACTIVATE = "/accounts/2fa/totp/activate/", "/accounts/2fa/totp/deactivate/"


def set_up(client: Client) -> str:
    """Sign in, set up a second factor by the code that is about to end, return its seed."""
    sign_in(client, "eve@example.com")
    client.get(ACTIVATE)
    seed: str = client.session["mfa.totp.secret"]
    assert "Your authenticator app is on" in client.post(ACTIVATE, {"code": code_of(seed, steps_back=1)}).text
    return seed


def test_seeds_lie_encrypted_in_the_database_and_not_in_the_session(client: Client, eve: User) -> None:
    seed = set_up(client)
    stored = {row.type: row.data for row in Authenticator.objects.all()}
    assert stored["totp"]["secret"].startswith("1:")
    assert stored["recovery_codes"]["seed"].startswith("1:")
    assert seed not in json.dumps([*stored.values(), dict(client.session)])


def test_codes_work_on_after_the_encryption_key_was_rotated(client: Client, eve: User, settings: Settings) -> None:
    seed = set_up(client)
    settings.ENCRYPTION_KEYS = (VersionedKey("2", b"n" * 32), *django_settings.ENCRYPTION_KEYS)
    browser = Client()
    assert sign_in(browser, "eve@example.com")["Location"].startswith("/accounts/2fa/authenticate/")
    assert not is_signed_in(browser)
    cache.clear()
    assert browser.post("/accounts/2fa/authenticate/", {"code": code_of(seed)})["Location"] == "/app/"
    assert is_signed_in(browser)


def test_a_code_opens_once_even_where_the_cache_forgets(client: Client, eve: User) -> None:
    code = code_of(set_up(client))
    for opens in (True, False):
        browser = Client()
        browser.post(LOGIN, {"login": "eve@example.com", "password": PASSWORD})
        browser.post("/accounts/2fa/authenticate/", {"code": code})
        assert is_signed_in(browser) is opens
        cache.clear()


def test_the_code_that_set_the_app_up_opens_nothing_more(client: Client, eve: User) -> None:
    code = code_of(set_up(client), steps_back=1)
    browser = Client()
    sign_in(browser, "eve@example.com")
    browser.post("/accounts/2fa/authenticate/", {"code": code})
    assert not is_signed_in(browser)


@pytest.mark.parametrize(("late_s", "opens"), [(-1, False), (0, True), (30, True), (59, True), (60, False)])
def test_a_code_is_taken_until_the_step_after_its_own_has_ended(
    late_s: int, opens: bool, client: Client, eve: User
) -> None:
    seed = set_up(client)
    at = (int(time.time()) // 30 + 4) * 30
    with time_machine.travel(at, tick=False):
        code = code_of(seed)
    with time_machine.travel(at + late_s, tick=False):
        browser = Client()
        sign_in(browser, "eve@example.com")
        browser.post("/accounts/2fa/authenticate/", {"code": f" {code[:3]} {code[3:]} "})
        assert is_signed_in(browser) is opens


def test_an_earlier_code_opens_nothing_after_a_later_one(eve: User) -> None:
    seed = generate_totp_secret()
    TOTP.activate(eve, seed)
    now = time.time()
    before, present = code_of(seed, steps_back=1), code_of(seed)
    assert use_code(eve, present, now=now)
    assert use_code(eve, before, now=now) is None


def test_after_five_wrong_codes_the_right_one_has_to_wait(client: Client, eve: User) -> None:
    seed = set_up(client)
    cache.clear()
    browser = Client()
    sign_in(browser, "eve@example.com")
    for code in ["000000"] * 5 + [code_of(seed)]:
        browser.post("/accounts/2fa/authenticate/", {"code": code})
    assert not is_signed_in(browser)


def test_a_second_factor_set_up_and_taken_down_is_told_without_its_seed(client: Client, eve: User) -> None:
    seed = set_up(client)
    assert client.post(DEACTIVATE).status_code == 302
    added = AuditEvent.objects.filter(action=AuditAction.USER_SECOND_FACTOR_ADDED)
    removed = AuditEvent.objects.filter(action=AuditAction.USER_SECOND_FACTOR_REMOVED)
    assert {event.after["type"] for event in added} == {"totp", "recovery_codes"}
    assert {event.before["type"] for event in removed} == {"totp", "recovery_codes"}
    for event in AuditEvent.objects.filter(subject_id=eve.public_id):
        assert event.actor_id == eve.public_id
        assert seed not in json.dumps([event.before, event.after])


def test_the_page_says_since_when_the_second_factor_stands(client: Client, eve: User) -> None:
    set_up(client)
    assert f'Added <time datetime="{timezone.now():%Y-%m-%d}' in client.get("/accounts/2fa/").text


def test_a_factor_that_a_shell_removes_is_told_as_a_command(client: Client, eve: User) -> None:
    set_up(client)
    Authenticator.objects.all().delete()
    removed = AuditEvent.objects.filter(action=AuditAction.USER_SECOND_FACTOR_REMOVED)
    assert {event.actor_kind for event in removed} == {"command"}
    assert removed.count() == 2


def test_admin_opens_to_staff_only_after_the_second_factor_was_shown(client: Client, eve: User) -> None:
    User.objects.filter(pk=eve.pk).update(is_staff=True, is_superuser=True)
    earlier = Client()
    for browser in (earlier, client):
        sign_in(browser, "eve@example.com")
    sent = client.get("/admin/", follow=True).redirect_chain
    assert any(ACTIVATE in url for url, _ in sent)
    seed = set_up(client)
    assert client.get("/admin/").status_code == 200  # the first code was asked for just now
    assert earlier.get("/admin/").status_code == 302  # signed in before there was a second factor
    cache.clear()
    step = earlier.get("/admin/", follow=True).redirect_chain[-1][0]
    assert step.startswith("/accounts/2fa/reauthenticate/")
    earlier.post(step, {"code": code_of(seed)})
    assert earlier.get("/admin/").status_code == 200
