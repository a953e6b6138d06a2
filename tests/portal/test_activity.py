"""How events are told."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone
from django.utils.html import strip_tags

from keys.models import ApiKey
from keys.services.credentials import disable_credential
from portal import activity
from portal.activity import ActivityFilter
from portal.audit import Actor
from portal.audit_actions import AuditAction
from portal.models import AuditEvent, Organization, User
from portal.tellings import grouped_actions

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def happened(acme: Organization, at: datetime, action: AuditAction = AuditAction.KEY_EDITED, **columns: object) -> None:
    AuditEvent.objects.create(
        organization_id=acme.public_id, at=at, action=action, actor_kind="system", actor_label="system", **columns
    )


def test_pages_show_every_event_once_newest_first(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "PAGE_SIZE", 2)
    for index in range(5):
        happened(acme, NOON, subject_label=str(index))
    seen, after = [], ""
    for _ in range(3):
        page = activity.page(activity.visible_events(acme), after=after)
        seen += [row.event.subject_label for day in page.days for row in day.events]
        after = page.next_after
    assert (seen, after) == (["4", "3", "2", "1", "0"], "")


def test_an_unknown_place_to_go_on_from_begins_at_the_top(acme: Organization) -> None:
    happened(acme, NOON)
    assert activity.page(activity.visible_events(acme), after="event_unknown").days[0].date == NOON.date()


def test_another_organizations_events_are_not_seen(key: ApiKey, initech: Organization) -> None:
    assert not activity.visible_events(initech).exists()


def test_days_are_those_of_utc_and_filters_include_both_ends(acme: Organization) -> None:
    for at in (NOON, NOON.replace(hour=23, minute=59), NOON + timedelta(hours=12), NOON - timedelta(days=1)):
        happened(acme, at)
    events = activity.visible_events(acme)
    assert [len(day.events) for day in activity.by_day(events)] == [1, 2, 1]
    wanted = ActivityFilter(since=NOON.date(), until=NOON.date())
    assert activity.matching(events, wanted).count() == 2
    assert activity.matching(events, ActivityFilter(since=date.min, until=date.max)).count() == 4


def test_filters_narrow_by_person_and_action(key: ApiKey, acme: Organization, ada: User, as_ada: Actor) -> None:
    disable_credential(key, by=as_ada)
    happened(acme, NOON)
    events = activity.visible_events(acme)
    assert activity.matching(events, ActivityFilter(actor=ada.public_id)).count() == 2
    assert activity.matching(events, ActivityFilter(actor=ada.public_id, action="key.disabled")).count() == 1


@pytest.mark.parametrize("action", AuditAction)
def test_every_action_can_be_told(acme: Organization, action: AuditAction) -> None:
    happened(acme, NOON, action)
    (row,) = activity.by_day(activity.visible_events(acme))[0].events
    assert row.words
    assert row.icon


def test_actions_are_offered_in_the_words_of_events_and_by_what_they_concern() -> None:
    offered = grouped_actions(["member.joined", "key.disabled", "key.overlap_changed", "moon.landed"])
    assert offered == [
        ("API keys", [("key.overlap_changed", "Moved the end of the old secret"), ("key.disabled", "Paused the key")]),
        ("Team", [("member.joined", "Joined")]),
        ("Other", [("moon.landed", "Moon: landed")]),
    ]


def test_who_joined_is_told_with_the_role(acme: Organization) -> None:
    happened(acme, NOON, AuditAction.MEMBER_JOINED, subject_label="sam@example.com", after={"role": "developer"})
    (row,) = activity.by_day(activity.visible_events(acme))[0].events
    assert f"{row.words} {row.subject}" == "joined as developer"


def test_values_are_told_in_words() -> None:
    limit = {"name": "default", "limit": 1000, "window_s": 60}
    told = activity.changes(
        {
            "scopes": ["a", "b"],
            "expires_at": "2026-11-20T12:00:00+00:00",
            "rate_limits": [limit],
            "note": "",
            "quota": {"limit": 1, "refill": "day"},
        },
        {"scopes": ["a"], "expires_at": None, "rate_limits": [], "note": ""},
    )
    shown = [(change.label, strip_tags(change.before), change.after) for change in told]
    assert shown == [
        ("Scopes", "a, b", "a"),
        ("Expires", "Fri 20 Nov 2026, 12:00 UTC", "never"),
        ("Rate limits", "1,000 requests a minute (default)", "API default"),
        ("Quota", "1 use a day", "any number of uses"),
    ]


@pytest.mark.parametrize("value", ["T", "2026-13-99T99:00:00+00:00", "2026-11-20T12:00:00", "key:aT", 0])
def test_a_value_that_only_looks_like_an_instant_stays_as_it_is(value: object) -> None:
    assert activity.value_words("expires_at", value) == activity.words(value) == str(value)


@pytest.mark.parametrize("text", [NOON.isoformat(), "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_text_is_told_as_it_was_typed_even_if_it_is_spelled_like_a_time(text: str) -> None:
    typed = {"name": text, "note": text, "metadata": {"until": text}, "networks": [text]}
    told = [change.after for change in activity.changes({}, typed)]
    assert told == [text, text, f"until: {text}", text]


def test_the_farthest_times_are_told_in_every_zone() -> None:
    ends = {"expires_at": "9999-12-31T23:59:00+00:00", "not_before": "0001-01-01T00:00:00+14:00"}
    for zone in ("UTC", "Pacific/Auckland", "America/New_York"):
        with timezone.override(zone):
            assert [strip_tags(change.after)[:3] for change in activity.changes({}, ends)] == ["Fri", "Mon"]


def test_a_time_is_told_in_the_zone_of_whoever_reads_it() -> None:
    with timezone.override("Europe/Berlin"):
        (told,) = activity.changes({}, {"expires_at": NOON.isoformat()})
        assert strip_tags(told.after) == "Fri 20 Nov 2026, 13:00 (12:00 UTC)"
        (told,) = activity.changes({}, {"ends": {"sec_1": NOON.isoformat(), "sec_2": NOON.isoformat()}})
        words = "Fri 20 Nov 2026, 13:00 (12:00 UTC)"
        assert strip_tags(told.after) == f"sec_1: {words}, sec_2: {words}"


def test_policies_read_like_sentences() -> None:
    rules = {"max_key_lifetime_days": 1, "key_expiry_required": True, "live_keys_by": "admin"}
    told = activity.changes({"live_keys_by": "developer", "second_factor_from": NOON.isoformat()}, rules)
    assert {change.label: (strip_tags(change.before), change.after) for change in told} == {
        "Live keys can be created by": ("developers and above", "admins and owners"),
        "Two-factor sign-in required": ("Fri 20 Nov 2026, 12:00 UTC", "no"),
        "Keys last at most": ("no limit", "1 day"),
        "Keys must expire": ("none", "yes"),
    }


def test_people_are_told_by_the_name_that_they_have_today(acme: Organization, ada: User, dov: User) -> None:
    User.objects.filter(pk=dov.pk).update(name="")
    for actor in (ada, dov):
        happened(acme, NOON, subject_id=ada.public_id, subject_label=ada.email, actor_id=actor.public_id)
    told = activity.tell(activity.visible_events(acme).order_by("pk"))
    assert [(view.who, view.account, view.subject) for view in told] == [
        ("Ada", "system", "Ada"),
        ("system", "", "Ada"),
    ]
