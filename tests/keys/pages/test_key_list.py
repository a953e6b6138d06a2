"""Which keys a list shows, and in which order."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from keys.models import Api, ApiKey, Environment, KeySecret, RevokeReason
from keys.pages import listing
from keys.pages.key_pages import KEYS, visible_keys
from keys.pages.listing import CredentialPage, Expires, LastUsed, ListingFilter, Sort
from keys.pages.presenters import key_view
from keys.rules.states import CredentialStatus
from keys.services.keys import IssuedKey, KeySettings, issue_key
from portal.audit import COMMAND
from portal.models import Organization

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
Make = Callable[..., ApiKey]


@pytest.fixture
def make(acme: Organization, api: Api) -> Make:
    """Make a key of Acme, with columns set as no service would."""

    def made(name: str = "worker", *, secret_ends: datetime | None = None, **columns: object) -> ApiKey:
        wanted = KeySettings(name, scopes=["orders:read"])
        key = issue_key(acme, api, wanted, environment=Environment.LIVE, by=COMMAND).credential
        if secret_ends:
            newest = key.secrets.get()
            KeySecret.objects.create(
                key=key,
                digest=bytes(newest.digest)[::-1],
                pepper_version="1",
                hint="lk_live_old1…old2",
                created_at=newest.created_at,
                ends_at=secret_ends,
            )
        ApiKey.objects.filter(pk=key.pk).update(**columns)
        return ApiKey.objects.get(pk=key.pk)

    return made


def names(acme: Organization, now: datetime, **wanted: object) -> list[str]:
    keys = KEYS.matching(visible_keys(acme), ListingFilter(**wanted), now=now)  # type: ignore[arg-type]
    return sorted(key.name for key in keys)


def test_a_status_means_the_same_to_a_filter_and_to_a_page(make: Make, acme: Organization, now: datetime) -> None:
    past, soon, far, long_ago = (now + timedelta(days=days) for days in (-1, 7, 60, -100))
    ways: list[dict[str, object]] = [
        {},
        {"revoked_at": past, "revoke_reason": RevokeReason.LEAKED},
        {"revoked_at": past, "revoke_reason": RevokeReason.OTHER, "disabled_at": past},
        {"disabled_at": past, "expires_at": past},
        {"not_before": soon},
        {"expires_at": past},
        {"expires_at": now},
        {"expires_at": soon},
        {"expires_at": soon + timedelta(seconds=1)},
        {"secret_ends": soon, "expires_at": soon},
        {"secret_ends": past},
        {"created_at": now - timedelta(days=14)},
        {"created_at": now - timedelta(days=13)},
        {"last_used_at": long_ago},
        {"last_used_at": now - timedelta(days=90)},
        {"last_used_at": past, "expires_at": far},
    ]
    for way in ways:
        make(**way)
    said: dict[CredentialStatus, set[int]] = {status: set() for status in CredentialStatus}
    for key in KEYS.with_working_secrets(visible_keys(acme), now=now):
        said[key_view(key, key.working_secrets, may_manage=True, now=now).status].add(key.pk)  # type: ignore[attr-defined]
    for status in CredentialStatus:
        found = KEYS.matching(visible_keys(acme), ListingFilter(status=status), now=now)
        assert {key.pk for key in found} == said[status], status
    counts = KEYS.count_by_status(visible_keys(acme), now=now)
    assert counts == {status: len(keys) for status, keys in said.items() if keys}
    assert {status for status, keys in said.items() if keys} == set(CredentialStatus) - {CredentialStatus.SUSPENDED}


def test_a_suspended_organization_and_a_disabled_api_are_seen_in_every_key(
    make: Make, acme: Organization, api: Api, now: datetime
) -> None:
    make("worker")
    Organization.objects.filter(pk=acme.pk).update(suspended_at=now)
    assert names(acme, now, status=CredentialStatus.SUSPENDED) == ["worker"]
    Api.objects.filter(pk=api.pk).update(disabled_at=now)
    assert names(acme, now, status=CredentialStatus.PAUSED) == ["worker"]


def test_search_finds_by_name_part_of_the_key_scope_and_id(make: Make, acme: Organization, now: datetime) -> None:
    key = make("Billing worker")
    make("other", scopes=[])
    hint = key.secrets.get().hint
    for text in ("billing", hint[:12], hint[-4:], hint, "orders:re", key.public_id):
        assert names(acme, now, text=text) == ["Billing worker"], text
    assert names(acme, now, text="nothing like it") == []
    assert names(acme, now, text="%") == []


def test_filters_narrow_together(make: Make, acme: Organization, api: Api, now: datetime) -> None:
    make("live", scopes=["orders:read", "orders:write"])
    make("test", environment=Environment.TEST, scopes=["orders:read"])
    assert names(acme, now, scope="orders:read") == ["live", "test"]
    assert names(acme, now, scope="orders:write") == ["live"]
    assert names(acme, now, scope="orders") == []
    assert names(acme, now, scope="orders:read", environment="test", api=api.public_id) == ["test"]
    assert names(acme, now, owner="user_unknown") == []


def test_the_last_use_and_the_end_narrow_too(make: Make, acme: Organization, now: datetime) -> None:
    for days in (0, 6, 29, 31):
        make(f"{days} days", last_used_at=now - timedelta(days=days), expires_at=now + timedelta(days=days))
    make("never")
    used = {wanted: names(acme, now, last_used=wanted) for wanted in LastUsed}
    assert used == {
        LastUsed.DAY: ["0 days"],
        LastUsed.WEEK: ["0 days", "6 days"],
        LastUsed.MONTH: ["0 days", "29 days", "6 days"],
        LastUsed.LONGER_AGO: ["31 days"],
        LastUsed.NEVER: ["never"],
    }
    expire = {wanted: names(acme, now, expires=wanted) for wanted in Expires}
    assert expire == {
        Expires.WEEK: ["6 days"],
        Expires.MONTH: ["29 days", "6 days"],
        Expires.QUARTER: ["29 days", "31 days", "6 days"],
        Expires.NEVER: ["never"],
    }


def test_each_order_has_an_opposite_and_empty_values_come_last_in_both(
    make: Make, acme: Organization, now: datetime
) -> None:
    for days in (1, 2):
        make(f"{days}", last_used_at=now - timedelta(days=days), created_at=now - timedelta(days=days))
    make("never", created_at=now - timedelta(days=3))
    found = {sort: [key.name for key in _walk(acme, sort, now)] for sort in (Sort.LAST_USED, Sort.LONGEST_UNUSED)}
    assert found == {Sort.LAST_USED: ["1", "2", "never"], Sort.LONGEST_UNUSED: ["2", "1", "never"]}
    assert [key.name for key in _walk(acme, Sort.OLDEST, now)] == ["never", "2", "1"]
    assert all(sort.opposite.opposite is sort for sort in Sort)


@pytest.mark.parametrize("sort", Sort)
def test_pages_show_every_key_once_in_order_whatever_the_ties(
    make: Make, acme: Organization, now: datetime, sort: Sort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE_SIZE", 3)
    for index in range(4):
        make("same", last_used_at=now, expires_at=now + timedelta(days=index % 2), created_at=now)
        make(f"worker-{index}")
    everything = _walk(acme, sort, now)
    assert len({key.pk for key in everything}) == len(everything) == 8
    assert everything == list(visible_keys(acme).order_by(*listing._ORDERS[sort].by()))


def _walk(acme: Organization, sort: Sort, now: datetime) -> list[ApiKey]:
    found: list[ApiKey] = []
    page = CredentialPage[ApiKey]([], "")
    while not found or page.next_cursor:
        page = KEYS.page(visible_keys(acme), sort=sort, after=page.next_cursor, now=now)
        found += page.rows
    return found


def test_a_cursor_that_is_not_ours_or_of_another_order_begins_at_the_top(
    make: Make, acme: Organization, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE_SIZE", 1)
    make("a")
    make("b")
    keys = visible_keys(acme)
    by_name = KEYS.page(keys, sort=Sort.NAME, after="", now=now)
    others = [listing._ORDERS[sort].cursor(by_name.rows[0]) for sort in (Sort.EXPIRES, Sort.NAME_DESCENDING)]
    for cursor in ("", "x", "a:b:c", by_name.next_cursor[:-1], *others):
        assert KEYS.page(keys, sort=Sort.NAME, after=cursor, now=now).rows == by_name.rows


def test_counting_stops_where_nobody_reads_on(make: Make, acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_COUNTED", 2)
    for _ in range(4):
        make()
    assert listing.count(visible_keys(acme)) == 3


def test_a_key_is_found_by_its_secret_within_its_own_organization(
    issued: IssuedKey, acme: Organization, initech: Organization
) -> None:
    assert KEYS.find_by_secret(visible_keys(acme), issued.secret_text) == issued.credential
    assert KEYS.find_by_secret(visible_keys(initech), issued.secret_text) is None
    assert KEYS.find_by_secret(visible_keys(acme), issued.secret_text[:-1]) is None


def test_of_a_secret_an_address_holds_no_more_than_its_hint(issued: IssuedKey) -> None:
    beginning = issued.secret.hint.partition("…")[0]
    assert listing.searchable(issued.secret_text) == beginning
    assert listing.searchable(f" {issued.secret_text[:20]} ") == beginning
    assert listing.searchable(f"see {issued.secret_text}!") == f"see {beginning}!"
    assert listing.searchable(issued.secret_text.rpartition("_")[2]) == beginning[-4:]
    assert listing.searchable(issued.secret_text.replace("_", "%5F")).endswith("%5F" + beginning[-4:-2])
    assert listing.searchable(issued.credential.public_id) == issued.credential.public_id
    assert listing.searchable("billing worker") == "billing worker"
    assert listing.is_whole_secret(issued.secret_text)
    assert not listing.is_whole_secret(issued.secret_text[:-1])
