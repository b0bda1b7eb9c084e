"""Where a caller is, behind proxies that an operator trusts."""

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MOST = 20  # proxies in a row


def caller_address(peer: str, forwarded: bytes | None, trusted: Sequence[Network]) -> str:
    """The address of who called: the last one in `X-Forwarded-For` that no trusted proxy has.

    Args:
        peer: the address of the other end of the connection.
        forwarded: the header's value, the nearest last; believed only as far as trusted proxies wrote it.
    """
    if forwarded is None or not trusted:
        return peer
    found = peer
    for said in reversed(forwarded.decode("latin-1").split(",")[-_MOST:]):
        if not _is_in(found, trusted):
            break
        said = said.strip()
        try:
            found = str(ipaddress.ip_address(said.strip("[]")))
        except ValueError:
            break
    return found


def network_of(address: str) -> str | None:
    """The /24 (IPv4) or /48 (IPv6) that an address is in, where one site's addresses usually change; None if it is no
    address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)
