"""`manage.py demo` makes what a newcomer or a program needs to try everything."""

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from keys.models import Api, ApiKey
from keys.rules.secret import SecretKind, parse
from oauth.management.commands.demo import make_demo
from oauth.models import Grant
from portal.models import Membership, Organization, User

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def _demo(*arguments: str, stderr: StringIO | None = None) -> dict[str, Any]:
    out = StringIO()
    call_command("demo", "--json", "--force", *arguments, stdout=out, stderr=stderr)
    made: dict[str, Any] = json.loads(out.getvalue())
    return made


def test_the_object_has_every_member_that_programs_count_on() -> None:
    made = _demo("--keys", "2")
    assert set(made) == {
        "base_url",
        "admin",
        "user",
        "api",
        "api_key",
        "api_keys",
        "client",
        "scopes",
        "management_key",
        "other",
    }
    assert set(made["api"]) == {"id", "identifier", "secret"}
    assert set(made["other"]) == {"api", "api_key", "client"}
    assert set(made["admin"]) == set(made["user"]) == {"email", "password"}
    assert set(made["client"]) == set(made["other"]["client"]) == {"client_id", "client_secret"}
    assert len(made["api_keys"]) == 2


def test_secrets_are_well_formed_and_of_their_kinds() -> None:
    made = _demo()
    keys = [parse(text) for text in (made["api_key"], made["management_key"], made["other"]["api_key"])]
    secrets = [parse(text) for text in (made["api"]["secret"], made["other"]["api"]["secret"])]
    assert [secret.kind for secret in keys if secret] == [SecretKind.LIVE] * 3
    assert [secret.kind for secret in secrets if secret] == [SecretKind.API] * 2
    clients = [parse(client["client_secret"]) for client in (made["client"], made["other"]["client"])]
    assert [secret.kind for secret in clients if secret] == [SecretKind.CLIENT] * 2


def test_the_clients_may_do_what_the_keys_may() -> None:
    made = _demo()
    grant = Grant.objects.get(client__public_id=made["client"]["client_id"])
    assert (grant.api.public_id, grant.scopes) == (made["api"]["id"], made["scopes"])
    other = Grant.objects.get(client__public_id=made["other"]["client"]["client_id"])
    assert other.api.public_id == made["other"]["api"]["id"]
    assert other.client.organization != grant.client.organization


def test_the_key_has_the_first_two_scopes_and_no_limit() -> None:
    made = _demo()
    key = ApiKey.objects.get(name="Demo key")
    assert key.scopes == made["scopes"] == ["orders:read", "orders:write"]
    assert key.rate_limits == []
    assert [scope.name for scope in key.api.scopes.all()] == ["orders:read", "orders:write", "refunds:write"]


def test_people_can_sign_in_with_what_it_prints() -> None:
    made = _demo()
    for person in (made["admin"], made["user"]):
        assert authenticate(username=person["email"], password=person["password"])
    assert User.objects.get(email=made["admin"]["email"]).is_superuser
    assert not User.objects.get(email=made["user"]["email"]).is_staff


def test_a_second_run_adds_credentials_and_nobody_and_nothing_else() -> None:
    first = _demo()
    before = [model.objects.count() for model in (User, Organization, Api)]
    second = _demo()
    assert [model.objects.count() for model in (User, Organization, Api)] == before
    assert first["api_key"] != second["api_key"]
    assert first["user"] == second["user"]
    assert ApiKey.objects.filter(name="Demo key", revoked_at=None).count() == 2


def test_a_password_that_the_person_has_changed_is_not_claimed_to_work() -> None:
    make_demo(extra_keys=0, refused=[])
    user = User.objects.get(email="demo@localhost")
    user.set_password("another one entirely")
    user.save()
    assert _demo()["user"]["password"] is None


def test_more_keys_than_an_organization_may_issue_by_itself_can_be_made(settings: Settings) -> None:
    settings.MAX_KEYS_PER_ORGANIZATION = 1
    assert len(_demo("--keys", "2")["api_keys"]) == 2


def test_outside_embedded_mode_it_has_to_be_forced(settings: Settings) -> None:
    settings.EMBEDDED = False
    with pytest.raises(CommandError, match="--force"):
        call_command("demo")
    assert not User.objects.exists()


def test_for_people_it_tells_the_log_ins_and_a_call_on_each_run(settings: Settings) -> None:
    settings.EMBEDDED = True
    for _ in range(2):
        out = StringIO()
        call_command("demo", stdout=out)
        assert len(re.findall(r"@localhost +[0-9a-f]{24}$", out.getvalue(), re.MULTILINE)) == 2
        assert "curl -s http://localhost:8000/v1/validate" in out.getvalue()


def test_of_a_suspended_organization_it_makes_nothing_and_says_so_in_a_line_each() -> None:
    _demo()
    Organization.objects.filter(name="Initech").update(suspended_at=timezone.now())
    told = StringIO()
    made = _demo(stderr=told)
    assert made["other"]["api_key"] is made["other"]["client"] is None
    assert made["api_key"]
    assert [line.partition(":")[0] for line in told.getvalue().splitlines()] == [
        "No new key of Initech",
        "No new client of Initech",
    ]


def test_of_people_whose_organizations_are_gone_it_makes_nothing_and_ends_well() -> None:
    _demo()
    Membership.objects.all().delete()
    made = _demo(stderr=StringIO())
    assert made["api_key"] is made["client"] is made["management_key"] is None


def test_once_made_it_is_kept_for_its_owner_and_shown_again_and_nothing_is_made(
    settings: Settings, tmp_path: Path
) -> None:
    settings.EMBEDDED, settings.VAR_DIR = True, tmp_path
    first = _demo("--once")
    assert (tmp_path / "demo.json").stat().st_mode & 0o077 == 0
    made = ApiKey.objects.count()
    User.objects.filter(email="demo@localhost").update(is_active=False)
    second = _demo("--once")
    assert second.pop("user")["password"] is None  # it lets nobody in any more
    first.pop("user")
    is_same = second == first
    assert is_same
    assert ApiKey.objects.count() == made


def test_a_first_start_that_was_refused_a_part_is_kept_too_and_tells_how_to_get_the_rest(
    settings: Settings, tmp_path: Path
) -> None:
    _demo()
    Organization.objects.update(suspended_at=timezone.now())
    settings.EMBEDDED, settings.VAR_DIR = True, tmp_path
    for _ in range(2):
        out = StringIO()
        call_command("demo", "--once", stdout=out, stderr=StringIO())
        assert "manage.py demo` makes new ones" in out.getvalue()
    assert ApiKey.objects.count() == 3
    assert Api.objects.get(name="Orders").secrets.count() == 2  # of the first run and of the first start
