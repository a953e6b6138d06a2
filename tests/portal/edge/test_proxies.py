"""Headers of proxies count only as far as the trusted networks reach."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.edge.proxies import client_address, forwarded_address, is_https
from portal.edge.request_ids import request_id

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["6.6.6.6"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.9, garbage"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, garbage, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", ["[2001:db8::7]"], "2001:db8::7"),
        ("10.0.0.1", ["203.0.113.9, 10.0.0.2:80"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, [203.0.113.8"], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        (None, ["203.0.113.9"], None),
        ("", ["203.0.113.9"], None),
    ],
)
def test_the_client_is_the_first_untrusted_address_from_the_right(
    peer: str | None, forwarded_for: list[str], client: str | None
) -> None:
    assert client_address(peer, forwarded_for, TRUSTED) == client


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:80", "203.0.113.9"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:80", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]:80", "fe80::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
        ("2001:db8::7:80", "2001:db8::7:80"),
        ("", None),
        ("203.0.113.9:", None),
        ("203.0.113.9:http", None),
        ("203.0.113.9:123456", None),
        ("203.0.113.9%eth0:80", None),
        ("203.0.113.0/24", None),
        ("010.0.0.1", None),
        ("[]:80", None),
        ("[::1", None),
        ("example.com:80", None),
        ("1" * 81, None),
    ],
)
def test_an_address_is_read_with_its_port_brackets_or_zone(text: str, address: str | None) -> None:
    found = forwarded_address(text)
    assert (None if found is None else str(found)) == address


@given(st.text(max_size=40))
def test_with_no_trusted_proxy_the_header_means_nothing(header: str) -> None:
    assert client_address("203.0.113.9", [header], ()) == "203.0.113.9"


@given(st.text(st.sampled_from("0123456789.,: abcdef"), max_size=60))
def test_what_a_client_writes_on_the_left_changes_nothing(spoofed: str) -> None:
    assert client_address("10.0.0.1", [spoofed + ", 203.0.113.9"], TRUSTED) == "203.0.113.9"


@pytest.mark.parametrize(
    ("scheme", "peer", "proto", "expected"),
    [
        ("https", "203.0.113.9", None, True),
        ("http", "203.0.113.9", None, False),
        ("http", "203.0.113.9", "https", False),
        ("https", "203.0.113.9", "http", True),
        ("http", "10.0.0.1", "https", True),
        ("http", "10.0.0.1", " HTTPS ", True),
        ("https", "10.0.0.1", "http", False),
        ("http", "10.0.0.1", "https, http", False),
        ("http", "10.0.0.1", "", False),
        ("http", None, "https", False),
    ],
)
def test_a_forwarded_scheme_counts_from_a_trusted_peer_alone(
    scheme: str, peer: str | None, proto: str | None, expected: bool
) -> None:
    assert is_https(scheme, peer, proto, TRUSTED) is expected


@pytest.mark.parametrize("candidate", ["a", "A-b_c.9", "x" * 64])
def test_a_callers_request_id_is_taken_over(candidate: str) -> None:
    assert request_id(candidate) == candidate


@pytest.mark.parametrize("candidate", [None, "", "x" * 65, "a b", "a\n", "é", "a/b"])
def test_any_other_request_id_is_replaced(candidate: str | None) -> None:
    made = request_id(candidate)
    assert made.startswith("req_")
    assert len(made) == 26
