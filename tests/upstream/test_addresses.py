"""Which addresses are public."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.addresses import all_public, is_public

PRIVATE = """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1
    172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1
    239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
    64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 3fff::1
    5f00::1 fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1 fe80::1%eth0 ::1%lo
"""
PUBLIC = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 128.0.0.1 169.253.255.255 172.15.255.255
    172.32.0.0 192.0.1.0 198.20.0.0 223.255.255.255 2606:4700::1111 2a00:1450:4001::1 ::ffff:8.8.8.8 64:ff9b::808:808
    2002:808:808::
"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_a_private_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "text", ["", "localhost", "0x7f.1", "2130706433", "0177.0.0.1", "127.1", "1.1.1.1 ", "1.1.1.1/8"]
)
def test_what_is_no_address_in_its_usual_form_is_not_public(text: str) -> None:
    assert not is_public(text)


def test_one_private_address_among_public_ones_spoils_them_all() -> None:
    assert all_public(["1.1.1.1", "2606:4700::1111"])
    assert not all_public(["1.1.1.1", "127.0.0.1"])
    assert not all_public([])


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_as_public_as_the_plain_one(address: object) -> None:
    number = int(address)  # type: ignore[call-overload]
    low = f"{number >> 16:x}:{number & 0xFFFF:x}"
    plain = is_public(str(address))
    assert is_public(f"::ffff:{address}") == plain
    assert is_public(f"64:ff9b::{low}") == plain
    assert is_public(f"2002:{low}::1") == plain
