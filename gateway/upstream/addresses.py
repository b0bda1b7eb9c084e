"""Which IP addresses count as public. Pure.

What a provider's name resolves to is checked address by address, and the connection goes to the checked address: a
name that resolves differently the next time gains nothing.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# https://www.iana.org/assignments/iana-ipv4-special-registry, what is not globally reachable, and multicast.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
# https://www.iana.org/assignments/iana-ipv6-unicast-address-assignments: only this is global unicast.
_GLOBAL_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = (IPv6Network("2001::/23"), IPv6Network("2001:db8::/32"), IPv6Network("3fff::/20"))
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the IPv4 address is in the last 32 bits
_6TO4 = IPv6Network("2002::/16")  # RFC 3056: in the 32 bits after the prefix


def is_public(address: str) -> bool:
    """Whether a numeric address, as a resolver gives it, is one anybody on the internet could reach."""
    try:
        parsed = ip_address(address)
    except ValueError:  # a scoped address (`fe80::1%eth0`) or no address at all
        return False
    return _public_v4(parsed) if isinstance(parsed, IPv4Address) else _public_v6(parsed)


def all_public(addresses: Iterable[str]) -> bool:
    """True for at least one address and no private one among them: a mixed answer is an attack or a mistake."""
    found = [is_public(address) for address in addresses]
    return bool(found) and all(found)


def _public_v4(address: IPv4Address) -> bool:
    return not any(address in network for network in _NOT_PUBLIC_V4)


def _public_v6(address: IPv6Address) -> bool:
    if address.ipv4_mapped is not None:
        return _public_v4(address.ipv4_mapped)
    if address in _NAT64:
        return _public_v4(IPv4Address(int(address) & 0xFFFFFFFF))
    if address in _6TO4:
        return _public_v4(IPv4Address(int(address) >> 80 & 0xFFFFFFFF))
    return address in _GLOBAL_V6 and not any(address in network for network in _NOT_PUBLIC_V6)
