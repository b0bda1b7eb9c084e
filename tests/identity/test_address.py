"""Where a caller is."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.address import caller_address, network_of

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("2001:db8::1", "[2001:470::7]", "2001:470::7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_only_what_trusted_proxies_say_counts(peer: str, forwarded: str | None, address: str) -> None:
    assert caller_address(peer, None if forwarded is None else forwarded.encode(), TRUSTED) == address


@given(st.binary(max_size=200))
def test_nobody_is_believed_unless_someone_is_trusted(forwarded: bytes) -> None:
    assert caller_address("10.0.0.1", forwarded, ()) == "10.0.0.1"
    caller_address("10.0.0.1", forwarded, TRUSTED)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("unix", None),
        ("", None),
    ],
)
def test_a_network_is_what_one_site_usually_has(address: str, network: str | None) -> None:
    assert network_of(address) == network
