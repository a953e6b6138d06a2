"""What a credential's fields may hold."""

import pytest

from keys.rules import field_rules


@pytest.mark.parametrize("scope", ["orders:read", "!", "#", "[", "]", "~", "a" * 128])
def test_a_scope_of_the_grammar_is_taken(scope: str) -> None:
    assert field_rules.is_scope(scope)


@pytest.mark.parametrize("scope", ["", " ", "a b", '"', "\\", "é", "\uff41", "a\n", "\x7f", "a" * 129, "\xa0"])
def test_a_scope_outside_the_grammar_is_refused(scope: str) -> None:
    assert not field_rules.is_scope(scope)


def test_a_scope_the_api_does_not_have_is_named() -> None:
    with pytest.raises(ValueError, match="'b'"):
        field_rules.clean_scopes(["a", "b"], grantable=["a"])


def test_networks_are_kept_once_in_canonical_form_without_notes() -> None:
    lines = ["203.0.113.0/24 # office", "", "2001:DB8::/32", "203.0.113.0/24", "198.51.100.7"]
    assert field_rules.clean_networks(lines) == ["203.0.113.0/24", "2001:db8::/32", "198.51.100.7/32"]


def test_a_network_of_mapped_addresses_is_kept_as_the_one_that_calls_come_from() -> None:
    lines = ["::ffff:203.0.113.0/120", "203.0.113.0/24", "::ffff:0:0/96", "::ffff:198.51.100.7"]
    assert field_rules.clean_networks(lines) == ["203.0.113.0/24", "0.0.0.0/0", "198.51.100.7/32"]


@pytest.mark.parametrize(
    "line", ["abc", "203.0.113.5/24", "203.0.113.0/33", "1.2.3", "::1%eth0/64", "fe80::%eth0/64", "::ffff:0:0/95"]
)
def test_a_wrong_network_is_named_with_its_line(line: str) -> None:
    with pytest.raises(ValueError, match="Line 2 has"):
        field_rules.clean_networks(["10.0.0.0/8", line])


def test_every_line_that_is_no_network_is_named() -> None:
    lines = ["abc", "10.0.0.0/8", "# office", "10.0.0.1/8 # no"]
    with pytest.raises(ValueError, match=r"0/24. Line 1 has 'abc'. Line 4 has '10.0.0.1/8'.$"):
        field_rules.clean_networks(lines)
    with pytest.raises(ValueError, match=r"Line 10 has 'x'. There are more.$"):
        field_rules.clean_networks(["x"] * 10_000)


def test_more_than_a_hundred_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="At most 100"):
        field_rules.clean_networks(f"10.0.{n}.0/24" for n in range(101))


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("100/60", {"name": "default", "limit": 100, "window_s": 60}),
        ("daily=10000/86400", {"name": "daily", "limit": 10000, "window_s": 86400}),
    ],
)
def test_a_rate_limit_is_requests_per_seconds(text: str, limit: field_rules.RateLimit) -> None:
    assert field_rules.parse_rate_limit(text) == limit
    assert field_rules.clean_rate_limits([limit]) == [limit]


@pytest.mark.parametrize("text", ["", "100", "100/", "/60", "-1/60", "1e3/60", "a b=1/2", "100/60/60", "\u0661/60"])
def test_a_malformed_rate_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="requests/seconds"):
        field_rules.parse_rate_limit(text)


@pytest.mark.parametrize("text", ["0/60", "1000001/60", "1/0", "1/2678401"])
def test_a_rate_limit_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"between|Choose|Allow"):
        field_rules.clean_rate_limits([field_rules.parse_rate_limit(text)])


@pytest.mark.parametrize("name", ["api.", "api.default", "org.", "org.daily", "default."])
def test_a_limit_may_not_pass_for_one_of_the_api_or_the_organization(name: str) -> None:
    with pytest.raises(ValueError, match="name starts with a-z"):
        field_rules.clean_rate_limits([field_rules.RateLimit(name=name, limit=1, window_s=1)])


def test_two_limits_of_one_name_are_refused() -> None:
    limit = field_rules.parse_rate_limit("1/1")
    with pytest.raises(ValueError, match="same name"):
        field_rules.clean_rate_limits([limit, limit])


@pytest.mark.parametrize(
    ("text", "limit", "refill"),
    [("10", 10, "none"), ("10/day", 10, "day"), ("1000000000/month", 1_000_000_000, "month"), ("", None, None)],
)
def test_a_quota_is_read_as_it_is_spelled(text: str, limit: int | None, refill: str | None) -> None:
    quota = field_rules.clean_quota(field_rules.parse_quota(text))
    assert quota == ({"limit": limit, "refill": refill} if limit else None)


@pytest.mark.parametrize("text", ["0", "1000000001", "10/week", "-1", "1.5", "ten"])
def test_a_quota_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Allow|Write"):
        field_rules.clean_quota(field_rules.parse_quota(text))
